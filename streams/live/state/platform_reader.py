"""Reading the broadcast topic: every worker, from its beginning, beside its consumer group."""

import asyncio
import time
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.topics import BROADCAST
from streams.runtime.kafka import client_options
from streams.runtime.statelog import StateError
from streams.settings import Settings

_PLACE: Final = TopicPartition(BROADCAST.name, 0)
_POLL_MS: Final = 200

Broadcast = tuple[bytes, int]
"""A record's value and offset."""


class BroadcastReader:
    """What was broadcast, in order; never commits, so a new worker reads all of it."""

    def __init__(self, settings: Settings, committed: bool) -> None:
        self._settings = settings
        self._committed = committed
        self._consumer: AIOKafkaConsumer | None = None

    async def catch_up(self) -> list[Broadcast]:
        """Everything broadcast so far; the first call of this reader's life.

        Raises:
            StateError: not read to the end within the recovery deadline.

        """
        consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            enable_auto_commit=False,
            isolation_level="read_committed" if self._committed else "read_uncommitted",
        )
        await consumer.start()
        self._consumer = consumer
        consumer.assign([_PLACE])
        await consumer.seek_to_beginning(_PLACE)
        end = (await consumer.end_offsets([_PLACE]))[_PLACE]
        deadline = time.monotonic() + self._settings.recovery_s
        values: list[Broadcast] = []
        while await consumer.position(_PLACE) < end:
            values += await self.poll(_POLL_MS)
            if not self._committed:
                # As the latest offset Tansu, which has no transactions, gives that of the last
                # batch; a fetch tells the true end.
                end = max(end, consumer.highwater(_PLACE) or 0)
            if time.monotonic() > deadline:
                raise StateError(
                    f"{BROADCAST.name} was not read within {self._settings.recovery_s:.0f} s; "
                    "raise MAILSLA_RECOVERY_S or look at the broker"
                )
            await asyncio.sleep(0)
        return values

    async def poll(self, timeout_ms: int = 0) -> list[Broadcast]:
        """What has come since the last call."""
        if self._consumer is None:
            return []
        fetched = await self._consumer.getmany(_PLACE, timeout_ms=timeout_ms)
        return [
            (record.value, record.offset)
            for record in fetched.get(_PLACE, ())
            if record.value is not None
        ]

    async def close(self) -> None:
        """Stop reading."""
        if self._consumer is not None:
            await self._consumer.stop()
