"""The same 281-byte events for everybody: preloaded, or published at a steady rate.

``python -m tests.bench.load RATE SECONDS`` does the latter, until it is ended.
"""

import asyncio
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from aiokafka import AIOKafkaProducer
from kafka.partitioner.default import murmur2

from mailsla.streams.settings import Settings, load
from mailsla.streams.simulate.record import SimulatedRecord
from tests.mta_flood import flood

TENANTS = 500
MONTH = datetime(2025, 10, 1, tzinfo=UTC)
_BATCH_BYTES = 400_000
_IN_FLIGHT = 8
_SLICE = 5_000
_PACE_S = 0.05
_PREPARED_PER_S = 20_000
_LOADING_MS = 600_000
BEGUN = "the load has begun"


async def publish(
    settings: Settings, records: Iterable[SimulatedRecord], at_once: bool = False
) -> None:
    """Publish good records in order; return when the broker has them.

    Batches are built here: a producer that gathers record by record is several times slower.
    ``at_once``: in one transaction, so that nobody reads any of them before all are there.
    """
    transaction = {"transactional_id": "bench-load", "transaction_timeout_ms": _LOADING_MS}
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka,
        acks="all",
        max_batch_size=_BATCH_BYTES,
        **transaction if at_once else {},
    )
    async with producer, producer.transaction() if at_once else nullcontext():
        await _send(producer, settings.partitions, records)


async def publish_in_order(settings: Settings, records: Sequence[SimulatedRecord]) -> None:
    """Publish records so that no topic runs ahead of the others by more than `_SLICE` records."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka, acks="all", max_batch_size=_BATCH_BYTES
    )
    await producer.start()
    try:
        for first in range(0, len(records), _SLICE):
            await _send(producer, settings.partitions, records[first : first + _SLICE])
    finally:
        await producer.stop()


def warm_up(settings: Settings, events: int, before: datetime) -> None:
    """Publish a few events of the day before, of messages that are none of `preload`'s."""
    day = timedelta(days=1)
    planned = flood(2, TENANTS, events, start=before - 2 * day, duration=day)
    records = (_of_another_server(record) for record in planned.records())
    asyncio.run(publish(settings, records))


def preload(
    settings: Settings, events: int, days: int, start: datetime, at_once: bool = False
) -> None:
    """Put so many events into the topic, spread over some days of event time; see `publish`."""
    planned = flood(1, TENANTS, events, start=start, duration=timedelta(days=days))
    asyncio.run(publish(settings, planned.records(), at_once))


async def _send(
    producer: AIOKafkaProducer, partitions: int, records: Iterable[SimulatedRecord]
) -> None:
    pending: list[Any] = []
    for place, batch in _batches(producer, partitions, records):
        pending.append(await producer.send_batch(batch, place[0], partition=place[1]))
        if len(pending) >= _IN_FLIGHT:
            await asyncio.gather(*pending)
            pending.clear()
    await asyncio.gather(*pending)


def _batches(
    producer: AIOKafkaProducer, partitions: int, records: Iterable[SimulatedRecord]
) -> Iterator[tuple[tuple[str, int], Any]]:
    """Closed batches in the order in which they are full, each with its topic and partition."""
    batches: dict[tuple[str, int], Any] = {}
    for record in records:
        place = record.topic, (murmur2(record.key) & 0x7FFFFFFF) % partitions
        row = {"key": record.key, "value": record.value, "timestamp": time.time_ns() // 1_000_000}
        if place in batches and batches[place].append(**row) is None:
            yield place, _closed(batches.pop(place))
        if place not in batches:
            batches[place] = producer.create_batch()
            batches[place].append(**row)
    for place, batch in batches.items():
        yield place, _closed(batch)


def _closed(batch: Any) -> Any:
    batch.close()
    return batch


async def steadily(settings: Settings, rate: float, seconds: float) -> None:
    """Publish ``rate`` events/s that happen now; their messages are none of `preload`'s.

    All batches are built before the first is sent: making events up takes more of the processor
    than the worker takes to read them. `BEGUN` is printed with the first.
    """
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka, acks="all", max_batch_size=_BATCH_BYTES
    )
    await producer.start()
    count, slices = int(rate * seconds), int(seconds / _PACE_S)
    begins = datetime.now(UTC) + timedelta(seconds=count / _PREPARED_PER_S)
    planned = flood(2, TENANTS, count, start=begins, duration=timedelta(seconds=seconds))
    records = (_of_another_server(record) for record in planned.records())
    try:
        prepared = [
            list(_batches(producer, settings.partitions, islice(records, count // slices)))
            for _ in range(slices)
        ]
        await asyncio.sleep((begins - datetime.now(UTC)).total_seconds())
        print(BEGUN, flush=True)
        begun = time.monotonic()
        for number, batches in enumerate(prepared):
            await asyncio.sleep(begun + number * _PACE_S - time.monotonic())
            for place, batch in batches:
                await producer.send_batch(batch, place[0], partition=place[1])
            batches.clear()
    finally:
        await producer.stop()


def _of_another_server(record: SimulatedRecord) -> SimulatedRecord:
    assert record.value is not None
    return record._replace(value=record.value.replace(b"mx1.", b"mx2.", 1))


def events(count: int) -> Iterator[bytes]:
    """The values of so many events."""
    for record in flood(1, TENANTS, count).records():
        assert record.value is not None
        yield record.value


if __name__ == "__main__":
    asyncio.run(steadily(load(), float(sys.argv[1]), float(sys.argv[2])))
