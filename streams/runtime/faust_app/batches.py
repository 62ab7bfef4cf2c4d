"""The batch entrance: one Faust message per fetched partition batch.

Faust hands an agent one event at a time; at 100,000 messages a second that alone is the whole
budget. `BatchConsumer` yields one message per partition and fetch instead, whose value is a
`RecordBatch`. Acks are off for these topics: the checkpoint commits offsets itself, after what
was derived from them is acknowledged.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, ClassVar, Final

import faust
import numpy as np
import numpy.typing as npt
from aiokafka.consumer.fetcher import OffsetResetStrategy
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, Message
from faust.types.tuples import ConsumerMessage

from mailsla.streams.runtime.faust_app.notices import is_connected
from mailsla.streams.runtime.kafka.consumer_lag import position_of
from mailsla.streams.runtime.stretch import Stretch
from mailsla.streams.runtime.unreadable import pass_over_unreadable

LOG_APPEND_TIME: Final = 1
_NO_ROOM_S: Final = 0.01
_FETCH_WAIT_MS: Final = 20
"""How long the broker may hold an answer when it has nothing new. The client asks a broker one
thing at a time: while busy partitions wait for the agent it asks for the quiet ones alone, and
Faust's 1.5 s then hold the busy ones up (half of the throughput, measured)."""
_IDLE_WAIT_MS: Final = 400
"""The same once nothing has come for a while: then no partition is busy, and asking often costs
worker and broker a quarter of a core."""
_IDLE_AFTER_S: Final = 2.0
_LEAVE_S: Final = 2.0
"""So long the broker may take to hear that a member goes."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RecordBatch:
    """Consecutive records of one partition, in offset order (offsets may have gaps).

    ``values[i]`` is ``None`` for a tombstone; ``timestamps_us`` are the record timestamps in µs
    since 1970, of Kafka's ``timestamp_type`` 0 (set by the producer) or 1 (by the broker).
    ``at_end`` says that nothing was known to follow in the partition when they were fetched.
    ``unreadable`` has offset → reason of those records that stand for a whole batch of the log that
    cannot be read: no key, an empty value.
    """

    topic: str
    partition: int
    offsets: npt.NDArray[np.int64]
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    timestamps_us: npt.NDArray[np.int64]
    timestamp_type: int
    at_end: bool = True
    unreadable: Mapping[int, str] = field(default_factory=dict)
    beyond: int | None = None
    """Where the log goes on, if that is not right after the last record."""

    def __len__(self) -> int:
        return len(self.values)

    @property
    def broker_time(self) -> bool:
        """Whether the broker stamped the records: its time is then a fact of the log."""
        return self.timestamp_type == LOG_APPEND_TIME

    @property
    def next_offset(self) -> int:
        """The offset after the last record."""
        return int(self.offsets[-1]) + 1 if self.beyond is None else self.beyond

    def after(self, offset: int) -> "RecordBatch | None":
        """The records at or beyond ``offset``; ``None`` when all are before it."""
        if self.offsets[0] >= offset:
            return self
        cut = int(np.searchsorted(self.offsets, offset))
        return None if cut == len(self) else self._part(slice(cut, None))

    def one_by_one(self) -> "Iterator[RecordBatch]":
        """Each record by itself."""
        return (self._part(slice(place, place + 1)) for place in range(len(self)))

    def _part(self, part: slice) -> "RecordBatch":
        return replace(
            self,
            offsets=self.offsets[part],
            keys=self.keys[part],
            values=self.values[part],
            timestamps_us=self.timestamps_us[part],
        )


def to_batch(
    topic: str, partition: int, stretches: Sequence[Stretch], end: int | None = None
) -> RecordBatch:
    """Join what was fetched of one partition, whose ``end`` offset may be known."""
    last = stretches[-1]
    unreadable = {one.offset: one.reason for one in stretches if one.reason is not None}
    # What stands for a damaged batch may be wrong about who set its time.
    sure = next((one for one in stretches if one.reason is None), stretches[0])
    return RecordBatch(
        topic,
        partition,
        np.concatenate([one.offsets for one in stretches]),
        list(chain.from_iterable(one.keys for one in stretches)),
        list(chain.from_iterable(one.values for one in stretches)),
        np.concatenate([one.times_ms for one in stretches]) * 1000,
        sure.timestamp_type,
        end is None or last.next_offset >= end,
        unreadable,
        last.next_offset if unreadable else None,
    )


class _ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]  # an untyped base
    """Faust's consumer thread with an isolation level and a fetch wait of our choice.

    Faust reads committed transactions only under its own exactly-once mode, which is not used, and
    has no setting for the wait; the client takes both when it starts, so setting them after
    construction is in time.
    """

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        if self.consumer.app.reads_committed:
            consumer._isolation_level = "read_committed"
        consumer._fetch_max_wait_ms = _FETCH_WAIT_MS
        return consumer

    async def on_start(self) -> None:
        """Start the client; from its first fetch on it passes over what cannot be read."""
        await super().on_start()
        pass_over_unreadable(self._consumer, together=True)

    async def seek_to_committed(self) -> Mapping[TP, int | None]:
        """Go back to what is committed, and to the beginning where nothing is.

        The client leaves the latter where they are: what was fetched of them and dropped, as around
        every rebalance, would never come.
        """
        committed: Mapping[TP, int | None] = await super().seek_to_committed()
        fresh = [tp for tp, offset in committed.items() if not offset]
        await self.call_thread(self._seek_to_beginning, fresh)
        return committed

    async def _seek_to_beginning(self, tps: Collection[TP]) -> None:
        consumer = self._ensure_consumer()
        # By now they may be on the move; wherever they are then is found out anew.
        if held := consumer.assignment().intersection(tps):
            consumer._fetcher.request_offset_reset(held, OffsetResetStrategy.EARLIEST)

    def adapt_wait(self, idle: bool) -> None:
        """Have the broker hold its answers for longer while nothing comes."""
        self._ensure_consumer()._fetcher._fetch_max_wait_ms = (
            _IDLE_WAIT_MS if idle else _FETCH_WAIT_MS
        )

    async def end_offsets(self, tps: Collection[TP]) -> Mapping[TP, int]:
        """Where partitions end, asked of the broker now."""
        asked = self._ensure_consumer().end_offsets
        found: Mapping[TP, int] = await self.call_thread(asked, tps)
        return found


class BatchConsumer(driver.Consumer):  # type: ignore[misc]  # an untyped base
    """Faust's consumer, one message per fetched partition batch."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._yielded: dict[TP, int] = {}
        """Offset after the last record handed on of each partition."""
        self._came_at = time.monotonic()

    def _new_consumer_thread(self) -> _ConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:
        """Fetch what there is and yield one message per partition.

        Follows the contract of the method it replaces: nothing is yielded once flow is
        suspended or the group's generation has changed.
        """
        generation = self.app.consumer_generation_id
        records, active = await self._wait_wanted(timeout)
        if records is None or self.should_stop:
            return
        if not self.flow_active or self.app.consumer_generation_id != generation:
            # What was fetched may be of the new positions already: it has to come again.
            await self.perform_seek()
            return
        for tp, fetched in records.items():
            if not self.flow_active or self.app.consumer_generation_id != generation:
                return
            if not fetched or not (active is None or tp in active):
                continue
            self._yielded[tp] = fetched[-1].next_offset
            yield tp, self._batch_message(tp, fetched)

    async def _wait_wanted(self, timeout: float) -> tuple[Any, set[TP] | None]:
        """What has come of the partitions of which more may be fetched by now."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        active = self._get_active_partitions()
        wanted = {tp for tp in active if self.app.may_fetch(tp)}
        if not wanted:
            # Everything that may be fetched is here; what is applied makes room.
            await self.sleep(_NO_ROOM_S)
            return {}, active
        records = await self._getmany(active_partitions=wanted, timeout=timeout)
        now = time.monotonic()
        self._came_at = now if records else self._came_at
        self._thread.adapt_wait(now - self._came_at > _IDLE_AFTER_S)
        return records, active

    async def verify_all_partitions_active(self) -> None:
        """Look for no standstill: `Watchdog` does, and says what it finds.

        Faust's own look asks for positions that are not known right after a rebalance. It ends the
        worker with the client's `AssertionError` then.
        """

    async def end_offsets(self, tps: Collection[TP]) -> Mapping[TP, int]:
        """Where partitions end, asked of the broker now; raises what the client does."""
        found: Mapping[TP, int] = await self._thread.end_offsets(tps)
        return found

    def is_connected(self) -> bool:
        """Whether there is a connection to any broker."""
        return is_connected(self._thread._ensure_consumer())

    def is_behind(self, tp: TP, offered: int) -> bool:
        """Whether records of a partition wait at the broker or on their way, or may do so.

        Args:
            tp: the partition.
            offered: offset after the last record that whoever asks was given.

        """
        if self._yielded.get(tp, 0) > offered:
            return True
        consumer = self._thread._ensure_consumer()
        assigned = consumer._subscription.subscription
        assignment = None if assigned is None else assigned.assignment
        if assignment is None or tp not in assignment.tps:
            return True
        state = assignment.state_value(tp)
        end = state.lso if self.app.reads_committed else state.highwater
        position = position_of(state)
        if end is None or position is None:
            return True  # nothing has been fetched yet
        return bool(end > position)

    def leave_group(self) -> None:
        """Tell the broker that this member goes, so that nobody waits until it is missed."""
        try:
            thread = self._thread
            leaving = thread._ensure_consumer()._coordinator._maybe_leave_group()
            asyncio.run_coroutine_threadsafe(leaving, thread.thread_loop).result(_LEAVE_S)
        except Exception as error:  # whoever has to be missed is missed after its session
            logger.debug("the group was not left: %r", error)

    def forget_yielded(self) -> None:
        """Partitions were assigned: what was handed on before is fetched again."""
        self._yielded.clear()

    def on_buffer_full(self, tp: TP) -> None:
        """Go on fetching from a partition whose batches wait for the agent.

        Faust would leave it out, and then wait up to a second for the quiet partitions that are
        left while the batches are long done. The full buffer holds the fetcher up by itself.
        """

    def on_buffer_drop(self, tp: TP) -> None:
        """Nothing was left out, see `on_buffer_full`."""

    def _batch_message(self, tp: TP, fetched: Sequence[Stretch]) -> ConsumerMessage:
        last = fetched[-1]
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            int(last.times_ms[-1]) / 1000.0,
            last.timestamp_type,
            (),
            None,
            to_batch(tp.topic, tp.partition, fetched, self.highwater(tp)),
            None,
            0,
            0,
            tp,
            generation_id=self.app.consumer_generation_id,
        )


class BatchTransport(driver.Transport):  # type: ignore[misc]  # an untyped base
    """Faust's aiokafka transport with the batch entrance."""

    Consumer: ClassVar[type] = BatchConsumer


class BatchSchema(faust.Schema):  # type: ignore[misc]  # an untyped base
    """Passes a `RecordBatch` through undecoded; decoding is the agent's business.

    Faust acknowledges what it cannot decode before the agent sees it, so nothing may fail here.
    """

    def loads_key(self, app: Any, message: Message, **_: Any) -> None:
        """Batches have no key of their own."""
        return

    def loads_value(self, app: Any, message: Message, **_: Any) -> RecordBatch:
        """The batch as fetched."""
        batch: RecordBatch = message.value
        return batch


def batch_topic(app: faust.App, names: Sequence[str]) -> Any:
    """A channel over several topics that delivers `RecordBatch` values, never acked by Faust."""
    return app.topic(*names, schema=BatchSchema(), acks=False, allow_empty=True)


async def commit(app: faust.App, offsets: Mapping[TP, int]) -> bool:
    """Commit next-to-read offsets directly; False when the partitions moved on meanwhile.

    Faust's own ledger can commit past a message in flight, so it is not used.
    """
    committed: bool = await app.consumer._commit(offsets)
    return committed
