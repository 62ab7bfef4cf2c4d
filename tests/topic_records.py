"""What a stack's topics are given and hold: whole batches in, every committed record out."""

import asyncio
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as AioPartition
from kafka.partitioner.default import murmur2

PARTITIONS = 4
_BATCH_BYTES = 400_000
_IN_FLIGHT = 8
_PACE_S = 0.1


def partition_of(key):
    """Where the default partitioner puts a key."""
    return (murmur2(key) & 0x7FFFFFFF) % PARTITIONS


async def publish(settings, records, idempotent, rate=None):
    """Whole batches, built here: a producer that gathers record by record is five times slower."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka,
        acks="all",
        enable_idempotence=idempotent,
        max_batch_size=_BATCH_BYTES,
    )
    await producer.start()
    open_batches, places, pending, count = {}, {}, [], 0
    begun, step = time.monotonic(), None if rate is None else max(1, int(rate * _PACE_S))

    async def close(place):
        batch = open_batches.pop(place)
        batch.close()
        pending.append(await producer.send_batch(batch, place[0], partition=place[1]))
        if len(pending) >= _IN_FLIGHT:
            await asyncio.gather(*pending)
            pending.clear()

    try:
        for topic, key, value in records:
            place = places.get((topic, key))
            if place is None:
                place = places[topic, key] = (topic, partition_of(key))
            batch = open_batches.get(place)
            now_ms = time.time_ns() // 1_000_000
            if batch is None or batch.append(key=key, value=value, timestamp=now_ms) is None:
                if batch is not None:
                    await close(place)
                batch = open_batches[place] = producer.create_batch()
                assert batch.append(key=key, value=value, timestamp=now_ms) is not None
            count += 1
            if step is not None and count % step == 0:
                for place in list(open_batches):
                    await close(place)
                await asyncio.sleep(begun + count / rate - time.monotonic())
        for place in list(open_batches):
            await close(place)
        await asyncio.gather(*pending)
    finally:
        await producer.stop()
    return count


async def read(settings, topic):
    """Every committed record of a topic."""
    return [record async for some in _fetches(settings, topic) for record in some]


async def count(settings, topic):
    """How many committed records a topic has."""
    return sum([len(some) async for some in _fetches(settings, topic)])


async def _fetches(settings, topic):
    """The committed records of a topic, as they are fetched."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka,
        isolation_level="read_committed",
        enable_auto_commit=False,
        max_partition_fetch_bytes=8_000_000,
        fetch_max_wait_ms=20,  # other questions wait behind a fetch
    )
    await consumer.start()
    try:
        places = [AioPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = await consumer.end_offsets(places)
        for place in places:
            # As the latest offset Tansu gives that of the last batch.
            while await consumer.position(place) < max(ends[place], consumer.highwater(place) or 0):
                fetched = await consumer.getmany(place, timeout_ms=200)
                yield fetched.get(place, ())
    finally:
        await consumer.stop()
