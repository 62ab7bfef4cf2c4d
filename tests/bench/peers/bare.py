"""Bare reading: `getmany`, the records counted and dropped, a commit every half second."""

import asyncio
import time

from aiokafka import AIOKafkaConsumer

from mailsla.schemas.topics import MTA
from mailsla.streams.settings import load

_COMMIT_S = 0.5


async def main() -> None:
    """Read until the process is ended."""
    settings = load()
    consumer = AIOKafkaConsumer(
        MTA.name,
        bootstrap_servers=settings.kafka,
        group_id="bench-bare",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",
        max_partition_fetch_bytes=settings.fetch_bytes,
    )
    await consumer.start()
    count, told, at = 0, 0, 0.0
    while True:
        fetched = await consumer.getmany(timeout_ms=100)
        count += sum(len(records) for records in fetched.values())
        if count > told and (not fetched or time.monotonic() - at > _COMMIT_S):
            await consumer.commit()
            told, at = count, time.monotonic()


if __name__ == "__main__":
    asyncio.run(main())
