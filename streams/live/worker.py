"""The live worker: tasks under Faust, what they apply next, their checkpoints and rebalances."""

import asyncio
import gc
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from faust.types import TP

from mailsla.schemas.topics import CALENDARS, CONTRACTS, MTA, STREAMS_STATE
from mailsla.streams.live.breath import Breath, Portion
from mailsla.streams.live.caution import NOTE, Caution, pieces
from mailsla.streams.live.checkpoint.in_flight import Deliveries
from mailsla.streams.live.checkpoint.policy import CheckpointPolicy, WaitingRecords
from mailsla.streams.live.checkpoint.same_topics import common_partitions, remember_topics
from mailsla.streams.live.checkpoint.upgrade import read_current
from mailsla.streams.live.decode.homes import Homes
from mailsla.streams.live.decode.records import DecodedBatch, decode, pass_over
from mailsla.streams.live.inbox import MOST_EVENTS, Bite, Inbox
from mailsla.streams.live.measures import Measures
from mailsla.streams.live.state.platform import Platform
from mailsla.streams.live.state.platform_reader import BroadcastReader
from mailsla.streams.live.task import Task
from mailsla.streams.live.topics import INPUT
from mailsla.streams.runtime.checkpoint.state_log import Head, read_state
from mailsla.streams.runtime.checkpoint.writer import (
    Delivery,
    Fenced,
    OrderedDelivery,
    TransactionalDelivery,
)
from mailsla.streams.runtime.faust_app.application import Current
from mailsla.streams.runtime.faust_app.batches import RecordBatch
from mailsla.streams.runtime.faust_app.restart import fewer
from mailsla.streams.runtime.kafka.admin import topic_identities
from mailsla.streams.runtime.kafka.identity import TopicIdentity
from mailsla.streams.runtime.lasting import is_of_kafka
from mailsla.streams.settings import Settings
from mailsla.streams.time.clock import MICROS

_PAUSE_S: Final = 0.02
"""Between two looks at what there is to do, when there was nothing."""
_IDLE_PAUSE_S: Final = 0.25
"""The same once nothing has come for a while."""
_IDLE_AFTER_S: Final = 2.0
_TURN_S: Final = 0.2
"""How long a task may apply what has come until it is another one's turn."""
_TENANTS_AT_ONCE: Final = 2_000
"""Published in one go, with pauses: more than that would keep a checkpoint waiting."""
_SHARE_OF_ROUNDS: Final = 0.2
"""Of the time that may go into publishing how tenants stand, while records wait."""
_SHARE_FAR_BEHIND: Final = 0.05
"""The same where what is applied has waited for long: what is told of it is soon told anew."""
_FAR_BEHIND_US: Final = 5 * MICROS

logger = logging.getLogger(__name__)

Behind = Callable[[str, int, int], bool]
"""Whether records of a topic and partition beyond an offset wait at the broker, or may do so."""


class _Member:
    """A task of this worker, what it has still to apply, and when it did what."""

    def __init__(self, task: Task, caution: Caution, head: Head) -> None:
        self.task, self.caution, self.head = task, caution, head
        self.piece: Sequence[RecordBatch | DecodedBatch] = ()
        """What is being applied."""
        self.inbox = Inbox(MTA.name, [topic for topic in INPUT if topic != MTA.name])
        self.offered: dict[str, int] = {}
        """Topic → offset after the last record that has come."""
        self.knows_contracts = False
        """Whether the contracts are applied that lay at the broker when it was claimed."""
        self.is_catching_up = True  # until nothing waits for the first time
        self.begun_at = 0.0
        """When its last checkpoint was begun, monotonic seconds."""
        self.round_at = 0.0
        """When more tenants may be published."""
        self.events = Portion(fewer(MOST_EVENTS // 4, 250), 250, MOST_EVENTS)
        """Of mail, applied at a time."""


class Live:
    """The tasks of this worker.

    A task is claimed and its state read back once its partition is assigned, so that deadlines
    are noticed in a quiet partition too; when partitions are revoked, what was applied is made
    durable while they are still this worker's.
    """

    def __init__(
        self,
        settings: Settings,
        delivery: Delivery,
        behind: Behind,
        measures: Measures,
        durable: dict[tuple[str, int], int],
    ) -> None:
        self._settings, self._delivery, self._behind = settings, delivery, behind
        most_events = fewer(settings.checkpoint_events, 1_000)
        self._policy = CheckpointPolicy(settings.checkpoint_s, events=most_events)
        self._members: dict[int, _Member] = {}
        self._came_at = self._hear_at = 0.0
        self._suspended = False
        self._deliveries = Deliveries(delivery, lambda: self._suspended, durable)
        self._assigned: set[int] = set()
        self._lock = asyncio.Lock()
        self._platform = Platform()
        self._reader: BroadcastReader | None = None
        self._topics: Mapping[str, TopicIdentity] = {}
        self._homes: Homes | None = None
        self.breath = Breath()
        self._measures = measures

    # What comes in.

    async def handle(self, batch: RecordBatch, current: Current) -> None:
        """Take a fetched batch; it is applied when it is its turn.

        Args:
            batch: consecutive records of one topic and partition.
            current: whether it was fetched since the latest rebalance. An older one is dropped,
                as what was before it has been: whoever has the partition fetches it again.

        """
        while True:
            async with self._lock:
                if not current():
                    return
                if not self._suspended:
                    await self._take(batch)
                    return
            await asyncio.sleep(_PAUSE_S)  # the rebalance it came with is not over

    async def _take(self, batch: RecordBatch) -> None:
        member = self._members.get(batch.partition) or await self._claim(batch.partition)
        self.breath.begin()
        self._came_at = time.monotonic()
        known = max(member.offered.get(batch.topic, 0), member.task.applied(batch.topic))
        fresh = batch.after(known)
        if fresh is None:  # after a rebalance some come again
            return
        member.offered[batch.topic] = batch.next_offset
        if batch.topic not in INPUT:
            async with self._guarded(member):
                await self._apply_documents(member, fresh)
        else:
            passed = member.caution.rejections(batch.topic)
            decoded = pass_over(decode(fresh, time.time_ns() // 1000, self._homes), passed)
            self._measures.taken(decoded)
            member.inbox.offer(decoded)
        await self.breath.take("decode")

    def pause_s(self) -> float:
        """How long to wait before the next look at what there is to do, seconds."""
        now = time.monotonic()
        under_way = [one.round_at for one in self._members.values() if one.task.rounds.under_way]
        if under_way:
            return min(_PAUSE_S, max(0.0, min(under_way) - now))
        return _IDLE_PAUSE_S if now - self._came_at > _IDLE_AFTER_S else _PAUSE_S

    def may_fetch(self, tp: TP) -> bool:
        """Whether more of a partition may be fetched: what is ahead waits for the others."""
        member = self._members.get(tp.partition)
        return member is None or tp.topic not in INPUT or member.inbox.has_room(tp.topic)

    # What is done with it.

    async def work(self) -> None:
        """Apply what has come, publish, and checkpoint the tasks whose time has come."""
        async with self._lock:
            if self._suspended:
                return
            self.breath.begin()
            await self._deliveries.collect()
            for partition in sorted(self._assigned - self._members.keys()):
                await self._claim(partition)
            await self._hear()
        for partition in list(self._members):
            # Let go in between: what is prepared leaves, and batches are taken, before the next.
            async with self._lock:
                member = self._members.get(partition)
                if member is not None and not self._suspended:
                    async with self._guarded(member):
                        await self._advance(partition, member)
            await self.breath.take("checkpoint", always=True)
        self._measures.look([one.task for one in self._members.values()], time.monotonic())

    async def _advance(self, partition: int, member: _Member) -> None:
        """One turn of a task."""
        task, now, busy = member.task, time.monotonic(), False
        self.breath.begin()
        while time.monotonic() < now + _TURN_S and (bite := self._next(member)) is not None:
            busy = task.clock.waiting = True
            self._came_at = time.monotonic()
            with self._measures.stage("evaluate"):
                await self._apply(member, bite, now)
        task.clock.waiting = busy or not self._is_idle(member)
        if member.is_catching_up and not task.clock.waiting:
            member.is_catching_up = False
            task.anchor(now, time.time_ns() // 1000)
        await self.breath.through(task.pass_time(now), "pass_time")
        await self._publish(member)
        if self._is_due(partition, member):
            await self._checkpoint(member)

    async def _apply(self, member: _Member, bite: Bite, now: float) -> None:
        """Apply a bite; where care is taken, piece by piece, each durable before the next."""
        stride = member.caution.stride(member.task.positions)
        for piece in pieces(bite, stride):
            member.piece = piece.batches
            steps = member.task.apply_decoded(piece.batches, now, piece.until_us)
            worked_s = await self.breath.through(steps, "apply")
            if stride is None and piece.batches[0].topic == MTA.name:
                member.events.took(worked_s)
            if stride is not None:
                await self._checkpoint(member, last=True)
                await self._deliveries.arrived(member.task.partition)
            member.piece = ()

    async def _apply_documents(self, member: _Member, batch: RecordBatch) -> None:
        """The same of contracts and calendars: one by one where care is taken."""
        passed = member.caution.rejections(batch.topic)
        careful = member.caution.stride(member.task.positions) is not None
        for piece in batch.one_by_one() if careful else (batch,):
            member.piece = (piece,)
            member.task.apply_documents(piece, passed, self._homes)
            if careful:
                await self._checkpoint(member, last=True)
                await self._deliveries.arrived(batch.partition)
            member.piece = ()

    @asynccontextmanager
    async def _guarded(self, member: _Member) -> AsyncIterator[None]:
        """Have whatever fails in the task looked into by the next life of this worker."""
        try:
            yield
        except Exception as error:
            if not (isinstance(error, Fenced) or is_of_kafka(error)):
                await self._deliveries.end()
                task = member.task
                caution = member.caution.after_failure(task, member.piece, error)
                await self._delivery.deliver(
                    str(task.partition), [caution.note(task.partition)], None, {}
                )
            raise

    def _next(self, member: _Member) -> Bite | None:
        if member.task.pending >= self._policy.events:
            return None  # a checkpoint comes first, which may have to wait for the one before it
        # Whom contracts name is known before there may be no room for anybody else.
        if not member.knows_contracts and self._is_behind(member, CONTRACTS.name):
            return None
        member.knows_contracts = True
        return member.inbox.take(lambda topic: self._is_behind(member, topic), member.events.size)

    def _is_behind(self, member: _Member, topic: str) -> bool:
        """Whether records of a topic wait at the broker, or on their way, or may do so."""
        offered = member.offered.get(topic, member.task.applied(topic))
        return self._behind(topic, member.task.partition, offered)

    def _is_idle(self, member: _Member) -> bool:
        """Whether everything known of a task's topics is applied."""
        return member.inbox.empty and not any(self._is_behind(member, topic) for topic in INPUT)

    async def _publish(self, member: _Member) -> None:
        """Publish how some tenants stand; while records wait, for a share of the time only."""
        rounds, waiting = member.task.rounds, member.task.clock.waiting
        paused = time.monotonic() < member.round_at and (waiting or not rounds.under_way)
        paused |= waiting and self._deliveries.is_under_way(member.task.partition)
        if paused or not rounds.has_news:
            return
        before_s = self.breath.held_s
        with self._measures.stage("publish"):
            await self.breath.through(member.task.publish_some(_TENANTS_AT_ONCE), "publish")
        waited_us = time.time_ns() // 1000 - member.task.clock.received_us
        share = _SHARE_OF_ROUNDS if waited_us < _FAR_BEHIND_US else _SHARE_FAR_BEHIND
        pause = (self.breath.held_s - before_s) / share if waiting else 0.0
        if not rounds.under_way:
            pause = max(pause, self._settings.checkpoint_s)
        member.round_at = time.monotonic() + pause

    def _is_due(self, partition: int, member: _Member) -> bool:
        if self._deliveries.is_under_way(partition):
            return False
        task, now = member.task, time.monotonic()
        waiting = WaitingRecords(now - member.begun_at, task.pending, task.urgent, task.due(now))
        return self._policy.should_checkpoint(waiting)

    async def _checkpoint(self, member: _Member, last: bool = False) -> None:
        """Start to deliver what came since the last checkpoint, once that one has arrived."""
        partition = member.task.partition
        await self._deliveries.arrived(partition)
        now = time.monotonic()
        if last or not member.task.rounds.has_news:
            await self.breath.through(member.task.publish_some(), "publish")
        self._deliveries.start(partition, member.task.checkpoint(now, everything=False))
        member.begun_at = now
        logger.debug("longest hold of the event loop: %s", self.breath.longest)

    # Rebalances and the end.

    async def drop_all(self) -> None:
        """Make durable what was applied, and forget every task: others may have them now."""
        self._suspended = True
        self._assigned = set()
        async with self._lock:
            tasks = [member.task for member in self._members.values()]
            await self._deliveries.finish(tasks, ending=False)
            for partition in list(self._members):
                del self._members[partition]
                await self._delivery.release(str(partition))
        gc.collect()  # whole states are gone; by itself that might be noticed much later

    async def resume(self, partitions: set[int]) -> None:
        """Partitions were assigned: batches fetched from now on are this worker's."""
        self._assigned = partitions
        self._suspended = False

    async def close(self) -> None:
        """Checkpoint what is applied and stop producing."""
        self._suspended = True
        async with self._lock:
            tasks = [member.task for member in self._members.values()]
            await self._deliveries.finish(tasks, ending=True)
            self._members.clear()
            if self._reader is not None:
                await self._reader.close()
            await self._delivery.close()
        logger.info("longest hold of the event loop: %s", self.breath.longest)

    # The platform, and recovery.

    async def _hear(self) -> None:
        """Take what was broadcast since the last time; every tenant is looked at for it."""
        now = time.monotonic()
        if self._reader is None or now < self._hear_at:
            return
        self._hear_at = now + self._settings.checkpoint_s / 2
        heard = [self._platform.read(*record, now) for record in await self._reader.poll()]
        facts = [fact for fact in heard if fact is not None]
        if facts:
            for member in self._members.values():
                member.task.hear(facts, now)
                await self.breath.take("hear")

    async def _catch_up(self, committed: bool) -> None:
        """Know the platform before the first task judges anything by it."""
        if self._reader is None:
            reader = BroadcastReader(self._settings, committed)
            for record in await reader.catch_up():
                self._platform.read(*record, time.monotonic())
            self._reader = reader

    def heads(self) -> list[Head]:
        """The heads of this worker's tasks, which remember the topics."""
        return [member.head for member in self._members.values()]

    async def _ask_topics(self) -> None:
        """Ask what the topics are whose records or state a task goes on from."""
        names = {*INPUT, CONTRACTS.name, CALENDARS.name, STREAMS_STATE.name}
        self._topics = await asyncio.to_thread(topic_identities, self._settings, names)
        self._homes = Homes(common_partitions(self._topics))

    async def _claim(self, partition: int) -> _Member:
        with self._measures.recovery():
            started = time.monotonic()
            await self._delivery.claim(str(partition))
            committed = self._delivery.name == TransactionalDelivery.name
            await self._catch_up(committed)
            if not self._members:
                await self._ask_topics()
            records = await read_current(self._settings, self._delivery, partition)
            # Beside the event loop: nobody else has the task yet, and it may take long.
            state = await asyncio.to_thread(read_state, records)
            remember_topics(state.head, self._topics)
            task = Task(
                partition,
                int(self._settings.lateness_s * MICROS),
                self._platform,
                self._settings.live_messages,
                int(self._settings.source_silence_s * MICROS),
                self._settings.unknown_tenants,
                self._settings.tenant_events,
                keeps_feed=self._delivery.name == OrderedDelivery.name,
            )
            task.clock.waiting = True
            await asyncio.to_thread(task.restore, state, time.monotonic(), time.time_ns() // 1000)
            caution = Caution.read(records.get(NOTE))
            member = self._members[partition] = _Member(task, caution, state.head)
        logger.info(
            "task %d: %d messages read back in %.2f s",
            partition,
            len(task.tenants.latency.store),
            time.monotonic() - started,
        )
        return member
