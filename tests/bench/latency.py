"""`latency`: from an event sent to what it makes known, while others keep the worker busy.

The load is 70 % of what the worker managed when it caught up, unless a rate is given. Each tenant
measured is a new one and sends two messages that took over an hour: its first window record counts
them, and `latency.exceedances` is breached at once.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from mailsla.schemas.topics import BREACHES, MTA, WINDOWS
from mailsla.streams.runtime.kafka.drain import lags
from mailsla.streams.runtime.kafka.groups import STREAMS_GROUP
from mailsla.streams.settings import Settings
from tests.bench.load import BEGUN
from tests.bench.options import BenchError, Options
from tests.bench.race import Load, timed
from tests.bench.report import note, show, verdict, whole
from tests.bench.stage import Stage, new_stage
from tests.bench.streams import LIVE

_PER_SECOND = 20
_WARM_UP_S = 3.0
_PATIENCE_S = 20.0
_SHARE = 0.7
"""Of the rate the worker sustains."""
PROMISE_S = 1.5
"""A breach is to be out so many seconds after the event that caused it, 99 times of a hundred."""
_OVER_THE_MAXIMUM = timedelta(seconds=3700)
_OUT = {WINDOWS.name: "event → window", BREACHES.name: "event → breach"}


@dataclass
class _Waiting:
    """When each tenant's events were sent, by topic of what they make known; seconds from then."""

    sent: dict[str, dict[bytes, float]] = field(default_factory=lambda: {name: {} for name in _OUT})
    latencies: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in _OUT})

    def begin(self, tenant: bytes) -> None:
        """The tenant's events are sent now."""
        for sent in self.sent.values():
            sent[tenant] = time.monotonic()

    def note(self, record: ConsumerRecord, now: float) -> None:
        """Something was made known; only the first time counts."""
        if record.topic == BREACHES.name and not _is_breach(record.value):
            return
        begun = self.sent[record.topic].pop(record.key, None)
        if begun is not None:
            self.latencies[record.topic].append(now - begun)

    def arrived(self) -> int:
        """Of how many tenants everything is known."""
        return min(len(latencies) for latencies in self.latencies.values())


def run(options: Options) -> None:
    """Measure without and under load, and print the quantiles."""
    with new_stage(options.broker) as stage:
        # Of the last day: a worker that leaps over months has every one of them to evaluate.
        backlog = Load(options.events_or(), datetime.now(UTC) - timedelta(days=1), 1)
        with stage.running("live", *LIVE.program) as worker:
            score = timed(stage, worker, LIVE.group, backlog, replace(options, seconds=600.0))
            rate = options.rate or _SHARE * score.events_per_s
            note(f"latency: caught up at {whole(score.events_per_s)} events/s")
            idle = asyncio.run(measured(stage.settings, options.seconds))
            loaded, behind = _under_load(stage, rate, options.seconds)
    load = f"{rate:,.0f} events/s"
    rows = [
        _row(f"{_OUT[topic]}, {name}", latencies[topic], records)
        for name, latencies, records in (("no load", idle, 0), (load, loaded, behind))
        for topic in _OUT
    ]
    header = ("", "measured", "p50, s", "p95, s", "p99, s", "largest, s", "records behind at end")
    show("latency: event sent → record received (read_committed)", header, rows)
    p99 = float(np.quantile(loaded[BREACHES.name], 0.99))
    seen = verdict(p99 < PROMISE_S)
    note(f"latency: breach p99 under load {p99:.2f} s, less than {PROMISE_S} s {seen}")


def _under_load(stage: Stage, rate: float, seconds: float) -> tuple[dict[str, list[float]], int]:
    """Latencies while a load is on, and how many records the worker was behind in the end."""
    lasting = seconds + 2 * _WARM_UP_S
    with stage.running("load", "tests.bench.load", str(rate), str(lasting)) as load:
        while BEGUN not in load.log.read_text():
            if load.has_ended():
                raise BenchError(f"the load ended by itself: {load.last_lines()}")
            time.sleep(0.1)
        time.sleep(_WARM_UP_S)
        latencies = asyncio.run(measured(stage.settings, seconds))
        behind = next(lag.total for lag in lags(stage.settings) if lag.group == STREAMS_GROUP)
    return latencies, behind


def _row(name: str, latencies: Sequence[float], behind: int) -> tuple[str, ...]:
    quantiles = (*np.quantile(latencies, (0.5, 0.95, 0.99)), max(latencies))
    return name, whole(len(latencies)), *(f"{each:.2f}" for each in quantiles), whole(behind)


async def measured(settings: Settings, seconds: float) -> dict[str, list[float]]:
    """Topic → latencies in seconds, of tenants that send one after the other."""
    waiting = _Waiting()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka, isolation_level="read_committed", enable_auto_commit=False
    )
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka)
    async with consumer, producer:
        numbers = range(settings.partitions)
        places = [TopicPartition(topic, number) for topic in _OUT for number in numbers]
        consumer.assign(places)
        await consumer.seek_to_end(*places)
        count = int(seconds * _PER_SECOND)
        found = asyncio.create_task(_receive(consumer, waiting, count))
        name = f"single-{time.monotonic_ns()}"
        for number in range(count):
            await _send(producer, f"{name}-{number}", waiting)
            await asyncio.sleep(1 / _PER_SECOND)
        try:
            await asyncio.wait_for(found, _PATIENCE_S)
        except TimeoutError:
            missing = {_OUT[topic]: len(sent) for topic, sent in waiting.sent.items()}
            raise BenchError(f"of {count} tenants, not known in time: {missing}") from None
    return waiting.latencies


async def _send(producer: AIOKafkaProducer, tenant: str, waiting: _Waiting) -> None:
    key = tenant.encode()
    waiting.begin(key)
    # Both in one request: the broker stamps and the worker meets them together.
    pending = [await producer.send(MTA.name, _event(tenant, one), key=key) for one in "ab"]
    await asyncio.gather(*pending)


async def _receive(consumer: AIOKafkaConsumer, waiting: _Waiting, count: int) -> None:
    while waiting.arrived() < count:
        for records in (await consumer.getmany(timeout_ms=100)).values():
            now = time.monotonic()
            for record in records:
                waiting.note(record, now)


def _is_breach(value: bytes) -> bool:
    event = orjson.loads(value)
    named = (event["type"], event["data"]["indicator"])
    return named == ("sla.indicator.breached", "latency.exceedances")


def _event(tenant: str, name: str) -> bytes:
    now = datetime.now(UTC)
    return orjson.dumps(
        {
            "id": f"{tenant}-{name}",
            "source": "mx3.example.net/postfix",
            "type": "message.dispatched",
            "tenant_id": tenant,
            "time": now,
            "accepted_at": now - _OVER_THE_MAXIMUM,
            "message_id": f"{tenant}-{name}",
            "direction": "outbound",
            "recipient": "single@example.cn",
        }
    )
