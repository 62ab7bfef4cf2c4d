"""`latency`: from an event sent to the window that counts it, while others keep the worker busy.

The load is half of what the worker managed when it caught up, unless a rate is given. Each event
measured is of a tenant of its own, so its first window record is the one that counts it.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.topics import MTA, WINDOWS
from streams.runtime.drain import lags
from streams.runtime.groups import STREAMS_GROUP
from streams.settings import Settings
from tests.bench.load import preload
from tests.bench.options import BenchError, Options
from tests.bench.race import timed
from tests.bench.report import note, show, whole
from tests.bench.stage import new_stage
from tests.bench.streams import LIVE

_PER_SECOND = 20
_WARM_UP_S = 3.0
_PATIENCE_S = 20.0


def run(options: Options) -> None:
    """Measure at half load and print the quantiles."""
    with new_stage(options.broker) as stage:
        # Of the last day: a worker that leaps over months has every one of them to evaluate.
        preload(stage.settings, options.events, 1, datetime.now(UTC) - timedelta(days=1))
        with stage.running("live", *LIVE.program) as worker:
            score = timed(stage, worker, LIVE.group, options.events, 600.0)
            rate = options.rate or score.events_per_s / 2
            note(f"latency: caught up at {whole(score.events_per_s)} events/s")
            idle = asyncio.run(_measured(stage.settings, options.seconds))
            seconds = options.seconds + 2 * _WARM_UP_S
            with stage.running("load", "tests.bench.load", str(rate), str(seconds)):
                time.sleep(_WARM_UP_S)
                loaded = asyncio.run(_measured(stage.settings, options.seconds))
                behind = next(
                    lag.total for lag in lags(stage.settings) if lag.group == STREAMS_GROUP
                )
    rows = [_row("no load", idle, 0), _row(f"{rate:,.0f} events/s", loaded, behind)]
    header = ("", "events measured", "p50, s", "p99, s", "largest, s", "records behind in the end")
    show("latency: event sent → window record received", header, rows)


def _row(name: str, latencies: list[float], behind: int) -> tuple[str, ...]:
    p50, p99 = np.quantile(latencies, (0.5, 0.99))
    largest = max(latencies)
    return name, whole(len(latencies)), f"{p50:.2f}", f"{p99:.2f}", f"{largest:.2f}", whole(behind)


async def _measured(settings: Settings, seconds: float) -> list[float]:
    """Send events one by one and wait for the window of each; latencies in seconds."""
    sent: dict[bytes, float] = {}
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka, isolation_level="read_committed", enable_auto_commit=False
    )
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka)
    async with consumer, producer:
        places = [TopicPartition(WINDOWS.name, number) for number in range(settings.partitions)]
        consumer.assign(places)
        await consumer.seek_to_end(*places)
        count = int(seconds * _PER_SECOND)
        found = asyncio.create_task(_receive(consumer, sent, count))
        name = f"single-{time.monotonic_ns()}"
        for number in range(count):
            tenant = f"{name}-{number}".encode()
            sent[tenant] = time.monotonic()
            await producer.send_and_wait(MTA.name, _event(tenant.decode()), key=tenant)
            await asyncio.sleep(1 / _PER_SECOND)
        try:
            return await asyncio.wait_for(found, _PATIENCE_S)
        except TimeoutError:
            raise BenchError(f"{len(sent)} of {count} events came to no window in time") from None


async def _receive(consumer: AIOKafkaConsumer, sent: dict[bytes, float], count: int) -> list[float]:
    """Latency of each event sent; ``sent`` keeps those still under way."""
    latencies: list[float] = []
    while len(latencies) < count:
        for records in (await consumer.getmany(timeout_ms=100)).values():
            now = time.monotonic()
            latencies += [now - sent.pop(one.key) for one in records if one.key in sent]
    return latencies


def _event(tenant: str) -> bytes:
    now = datetime.now(UTC)
    return orjson.dumps(
        {
            "id": tenant,
            "source": "mx3.example.net/postfix",
            "type": "message.dispatched",
            "tenant_id": tenant,
            "time": now,
            "accepted_at": now - timedelta(seconds=1.5),
            "message_id": tenant,
            "direction": "outbound",
            "recipient": "single@example.cn",
        }
    )
