"""Reading the broadcast topic: every worker, from its beginning, beside its consumer group."""

import time
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from mailsla.schemas.topics import BROADCAST
from mailsla.streams.runtime.checkpoint.recovery import read_to_end
from mailsla.streams.runtime.checkpoint.state_log import StateError
from mailsla.streams.runtime.kafka.client_options import client_options
from mailsla.streams.runtime.unreadable import pass_over_unreadable
from mailsla.streams.settings import Settings

_PLACE: Final = TopicPartition(BROADCAST.name, 0)


class BroadcastRecord(NamedTuple):
    """A record of the broadcast topic."""

    value: bytes
    offset: int


class BroadcastReader:
    """What was broadcast, in order; never commits, so a new worker reads all of it."""

    def __init__(self, settings: Settings, committed: bool) -> None:
        self._settings = settings
        self._committed = committed
        self._consumer: AIOKafkaConsumer | None = None

    async def catch_up(self) -> list[BroadcastRecord]:
        """Everything broadcast so far; the first call of this reader's life.

        Raises:
            StateError: not read to the end within the recovery deadline.

        """
        consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # the client would pass over what it cannot find
            isolation_level="read_committed" if self._committed else "read_uncommitted",
        )
        await consumer.start()
        pass_over_unreadable(consumer)
        self._consumer = consumer
        consumer.assign([_PLACE])
        deadline = time.monotonic() + self._settings.recovery_s
        values: list[BroadcastRecord] = []
        async for fetched in read_to_end(consumer, _PLACE, self._committed):
            values += _values(fetched)
            if time.monotonic() > deadline:
                raise StateError(
                    f"{BROADCAST.name} was not read within {self._settings.recovery_s:.0f} s; "
                    "raise MAILSLA_RECOVERY_S or look at the broker"
                )
        return values

    async def poll(self) -> list[BroadcastRecord]:
        """What has come since the last call."""
        if self._consumer is None:
            return []
        fetched = await self._consumer.getmany(_PLACE, timeout_ms=0)
        return _values(fetched.get(_PLACE, ()))

    async def close(self) -> None:
        """Stop reading."""
        if self._consumer is not None:
            await self._consumer.stop()


def _values(records: Iterable[Any]) -> list[BroadcastRecord]:
    # Empty values stand for a batch that cannot be read; the log says so.
    return [BroadcastRecord(record.value, record.offset) for record in records if record.value]
