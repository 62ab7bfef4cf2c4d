"""The live worker: tasks under Faust, their claims, checkpoints and rebalances."""

import asyncio
import gc
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from schemas.topics import CONTRACTS, EVENT_TOPICS, MTA
from streams.agents.maillog_live import attach_maillog
from streams.live.checkpoint.in_flight import Deliveries
from streams.live.state.platform import Platform
from streams.live.state.platform_reader import BroadcastReader
from streams.live.task import Task
from streams.runtime.application import (
    BatchApp,
    attach,
    background,
    build_app,
    commit_offsets,
)
from streams.runtime.batches import RecordBatch
from streams.runtime.delivery import (
    Delivery,
    Offsets,
    OrderedDelivery,
    TransactionalDelivery,
)
from streams.runtime.groups import STREAMS_GROUP
from streams.runtime.recovery import read_records
from streams.runtime.statelog import read_state
from streams.settings import Settings
from streams.windows.clock import MICROS

_TICK_S: Final = 0.1
_BEHIND_ROWS: Final = 10_000
_BEHIND_S: Final = 5.0
_BEHIND_PAUSES: Final = 4
"""A task that took so many rows since its last checkpoint, written so long ago, is catching up:
nobody waits for what it tells meanwhile, and what a checkpoint costs per tenant is paid less often.
Otherwise every pause is the configured one, however much comes in: a breach is to be out within
two seconds."""
_SHARE_OF_ALL: Final = 0.2
_LONGEST_PAUSES: Final = 4
"""Telling everything of every tenant takes such a share of the time, unless it would wait for more
than so many pauses; what is urgent is told in between."""

logger = logging.getLogger(__name__)


class Live:
    """The tasks of this worker.

    A task is claimed and its state read back once its partition is assigned, so that deadlines
    are noticed in a quiet partition too; it is dropped, nothing committed, when partitions are
    revoked.
    """

    def __init__(self, settings: Settings, delivery: Delivery) -> None:
        self._settings, self._delivery = settings, delivery
        self._tasks: dict[int, Task] = {}
        self._told_at: dict[int, float] = {}
        """Partition → when its last checkpoint was begun, monotonic seconds."""
        self._all_at: dict[int, float] = {}
        """Partition → when everything of it is told next, monotonic seconds."""
        self._behind_s: dict[int, float] = {}
        """Partition → how long ago the record applied last was written."""
        self._hear_at = 0.0
        self._suspended = False
        self._deliveries = Deliveries(delivery, lambda: self._suspended)
        self._assigned: set[int] = set()
        self._lock = asyncio.Lock()
        self._platform = Platform()
        self._reader: BroadcastReader | None = None

    async def handle(self, batch: RecordBatch) -> None:
        """Apply one batch, and checkpoint its task when that is due."""
        async with self._lock:
            if self._suspended:
                return  # its partition is on the move; whoever has it then fetches it again
            task = self._tasks.get(batch.partition) or await self._claim(batch.partition)
            now_us = time.time_ns() // 1000
            task.apply(batch, now_us, time.monotonic())
            self._behind_s[batch.partition] = (now_us - int(batch.timestamps_us[-1])) / MICROS
            if task.pending >= self._settings.checkpoint_events:
                await self._checkpoint(task)

    async def tick(self) -> None:
        """Checkpoint the tasks whose time has come."""
        async with self._lock:
            if self._suspended:
                return
            await self._deliveries.collect()
            for partition in sorted(self._assigned - self._tasks.keys()):
                await self._claim(partition)
            await self._hear()
        for partition in list(self._tasks):
            # Let go in between: what is prepared leaves, and batches are applied, before the next.
            async with self._lock:
                task = self._tasks.get(partition)
                if task is not None and not self._suspended and self._is_due(partition, task):
                    await self._checkpoint(task)
            await asyncio.sleep(0)

    async def drop_all(self) -> None:
        """Forget every task: its partition may belong to another worker from now on."""
        self._suspended = True
        self._assigned = set()
        async with self._lock:
            await self._deliveries.end()
            for partition in list(self._tasks):
                del self._tasks[partition]
                await self._delivery.release(str(partition))
        gc.collect()  # whole states are gone; by itself that might be noticed much later

    async def resume(self, partitions: set[int]) -> None:
        """Partitions were assigned: batches fetched from now on are this worker's."""
        self._assigned = partitions
        self._suspended = False

    async def close(self) -> None:
        """Checkpoint what is pending and stop producing."""
        self._suspended = True
        async with self._lock:
            for task in list(self._tasks.values()):
                await self._checkpoint(task, last=True)
            await self._deliveries.end()
            self._tasks.clear()
            if self._reader is not None:
                await self._reader.close()
            await self._delivery.close()

    async def _hear(self) -> None:
        """Take what was broadcast since the last time; every tenant is looked at for it."""
        now = time.monotonic()
        if self._reader is None or now < self._hear_at:
            return
        self._hear_at = now + self._settings.checkpoint_s
        records = await self._reader.poll()
        for task in self._tasks.values() if records else ():
            task.settle(now)
        heard = [self._platform.read(*record, now) for record in records]
        facts = [fact for fact in heard if fact is not None]
        if facts:
            for task in self._tasks.values():
                task.hear(facts, now)

    async def _catch_up(self, committed: bool) -> None:
        """Know the platform before the first task judges anything by it."""
        if self._reader is None:
            reader = BroadcastReader(self._settings, committed)
            for record in await reader.catch_up():
                self._platform.read(*record, time.monotonic())
            self._reader = reader

    async def _claim(self, partition: int) -> Task:
        started = time.monotonic()
        await self._delivery.claim(str(partition))
        committed = self._delivery.name == TransactionalDelivery.name
        await self._catch_up(committed)
        records = await read_records(self._settings, partition, committed)
        head, segments = read_state(records)
        task = Task(
            partition,
            int(self._settings.lateness_s * MICROS),
            self._platform,
            self._settings.live_messages,
        )
        task.restore(head, segments, time.monotonic())
        task.expect_mail(time.monotonic())
        self._tasks[partition] = task
        logger.info(
            "task %d: %d messages read back in %.2f s",
            partition,
            len(task.ledger.latency.store),
            time.monotonic() - started,
        )
        return task

    def _is_due(self, partition: int, task: Task) -> bool:
        if self._deliveries.is_under_way(partition):
            return False
        now = time.monotonic()
        since_s, pause_s = now - self._told_at.get(partition, 0.0), self._pause_s(task)
        if since_s >= pause_s:
            return task.due(now, self._tells_all(partition, now))
        # What is urgent is little, and waits half as long.
        return since_s >= pause_s / 2 and task.due(now, everything=False)

    def _tells_all(self, partition: int, now: float) -> bool:
        """Whether a checkpoint tells everything, or only what is urgent."""
        return now >= self._all_at.get(partition, 0.0)

    def _pause_s(self, task: Task) -> float:
        """Seconds between two checkpoints of a task, as things stand."""
        late = self._behind_s.get(task.partition, 0.0) > _BEHIND_S
        if late and task.pending >= _BEHIND_ROWS:
            return self._settings.checkpoint_s * _BEHIND_PAUSES
        return self._settings.checkpoint_s

    async def _checkpoint(self, task: Task, last: bool = False) -> None:
        """Start to deliver what came since the last checkpoint, once that one has arrived."""
        partition = task.partition
        await self._deliveries.arrived(partition)
        begun = time.monotonic()
        everything = last or self._tells_all(partition, begun)
        self._deliveries.start(partition, task.checkpoint(begun, everything))
        self._told_at[partition] = begun
        if everything:
            taken_s = (time.monotonic() - begun) * len(self._tasks)
            longest_s = max(_LONGEST_PAUSES * self._settings.checkpoint_s, 2 * taken_s)
            self._all_at[partition] = begun + min(taken_s / _SHARE_OF_ALL, longest_s)


def build_live(settings: Settings, transactions: bool) -> BatchApp:
    """The live worker's Faust app."""
    app = build_app(STREAMS_GROUP, settings, transactions)

    async def commit(offsets: Offsets) -> bool:
        return await commit_offsets(app, offsets)

    delivery: Delivery = (
        TransactionalDelivery(settings, STREAMS_GROUP)
        if transactions
        else OrderedDelivery(settings, commit)
    )
    logger.info("checkpoints are delivered with: %s", delivery.name)
    live = Live(settings, delivery)
    attach(app, [topic.name for topic in (*EVENT_TOPICS, CONTRACTS)], live.handle)
    background(app, live.tick, _TICK_S)
    maillog = attach_maillog(app, settings, delivery)

    async def close() -> None:
        if maillog is not None:
            await maillog.close()
        await live.close()

    _connect(app, live, close)
    return app


def _connect(app: BatchApp, live: Live, close: Callable[[], Awaitable[None]]) -> None:
    """Bind rebalances and the end of the app to the tasks."""

    async def on_revoked(sender: Any, revoked: Any, **_: Mapping[str, Any]) -> None:
        await live.drop_all()

    async def on_assigned(sender: Any, assigned: Any, **_: Mapping[str, Any]) -> None:
        await live.resume({tp.partition for tp in assigned if tp.topic == MTA.name})

    async def on_shutdown(sender: Any, **_: Mapping[str, Any]) -> None:
        await close()

    app.on_partitions_revoked.connect(on_revoked, weak=False)
    app.on_partitions_assigned.connect(on_assigned, weak=False)
    app.on_before_shutdown.connect(on_shutdown, weak=False)
