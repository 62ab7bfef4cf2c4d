"""Reading a task's state back from its topic."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from mailsla.schemas.topics import STREAMS_STATE
from mailsla.streams.runtime.checkpoint.state_log import StateError
from mailsla.streams.runtime.kafka.client_options import client_options
from mailsla.streams.settings import Settings

_POLL_MS: Final = 200
_FETCH_BYTES: Final = 8_388_608
_FETCH_WAIT_MS: Final = 20
"""What is not there yet is not waited for, and a question asked meanwhile, such as where the
partition ends, is answered only after a fetch that waits."""
_LAST: Final = 20
"""Records at the end among which a head is looked for first: some are large."""
_FARTHER: Final = 10


async def read_records(
    settings: Settings, partition: int, committed: bool, topic: str = STREAMS_STATE.name
) -> dict[bytes, bytes]:
    """The newest value of each key of one partition of a state topic.

    Args:
        settings: broker and deadline.
        partition: the task's.
        committed: whether to read committed transactions only.
        topic: the compacted topic that holds the state.

    Raises:
        StateError: the partition was not read to its end before the deadline.

    """
    place = TopicPartition(topic, partition)
    async with _reading(settings, place, committed) as consumer:
        return await _newest(consumer, place, committed)


async def read_last(settings: Settings, partition: int, key: bytes) -> bytes | None:
    """The newest value of a key in a partition of the live worker's state, without reading all.

    It is looked for from the end, in stretches each longer than the one before, as uncommitted.
    None where there is none; raises as `read_records`.
    """
    place = TopicPartition(STREAMS_STATE.name, partition)
    async with _reading(settings, place, False) as consumer:
        first = (await consumer.beginning_offsets([place]))[place]
        end = (await consumer.end_offsets([place]))[place]
        last = _LAST
        while True:
            found = (await _newest(consumer, place, False, max(first, end - last))).get(key)
            if found is not None or last >= end - first:
                return found
            last *= _FARTHER


@asynccontextmanager
async def _reading(
    settings: Settings, place: TopicPartition, committed: bool
) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of one partition, for as long as `Settings.recovery_s` allows."""
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        enable_auto_commit=False,
        auto_offset_reset="earliest",  # the client would pass over what it cannot find
        isolation_level="read_committed" if committed else "read_uncommitted",
        max_partition_fetch_bytes=_FETCH_BYTES,
        fetch_max_wait_ms=_FETCH_WAIT_MS,
    )
    await consumer.start()
    try:
        consumer.assign([place])
        async with asyncio.timeout(settings.recovery_s):
            yield consumer
    except TimeoutError:
        raise StateError(
            f"partition {place.partition} of {place.topic} was not read within "
            f"{settings.recovery_s:.0f} s; raise MAILSLA_RECOVERY_S or look at the broker"
        ) from None
    finally:
        await consumer.stop()


async def _newest(
    consumer: AIOKafkaConsumer, place: TopicPartition, committed: bool, first: int | None = None
) -> dict[bytes, bytes]:
    records: dict[bytes, bytes] = {}
    async for fetched in read_to_end(consumer, place, committed, first):
        for record in fetched:
            if record.value is None:
                records.pop(record.key, None)
            else:
                records[record.key] = record.value
    return records


async def read_to_end(
    consumer: AIOKafkaConsumer, place: TopicPartition, committed: bool, first: int | None = None
) -> AsyncIterator[Sequence[Any]]:
    """The records of a partition up to its present end, as they are fetched.

    Args:
        consumer: started, and assigned the partition.
        place: the partition.
        committed: whether it reads committed transactions only.
        first: the offset to begin at; the partition's beginning where not given.

    """
    if first is None:
        await consumer.seek_to_beginning(place)
    else:
        consumer.seek(place, first)
    end = (await consumer.end_offsets([place]))[place]
    # As the latest offset Tansu, which has no transactions, gives that of the last batch; a fetch
    # tells the true end.
    while await consumer.position(place) < max(
        end, 0 if committed else consumer.highwater(place) or 0
    ):
        fetched = await consumer.getmany(place, timeout_ms=_POLL_MS)
        yield fetched.get(place, ())
        # Transaction markers at the end move the position only with the next fetch.
        await asyncio.sleep(0)
