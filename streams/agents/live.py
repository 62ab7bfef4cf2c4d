"""The live worker: tasks under Faust, their claims, checkpoints and rebalances."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from schemas.topics import EVENT_TOPICS
from streams.agents.maillog_live import attach_maillog
from streams.agents.task import Task
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
    Fenced,
    Offsets,
    OrderedDelivery,
    TransactionalDelivery,
)
from streams.runtime.groups import STREAMS_GROUP
from streams.runtime.recovery import read_records
from streams.runtime.restart import restart, settled
from streams.runtime.statelog import read_state
from streams.settings import Settings
from streams.windows.clock import MICROS

_TICK_S: Final = 0.1

logger = logging.getLogger(__name__)


class Live:
    """The tasks of this worker.

    A task is claimed and its state read back when the first batch of its partition arrives
    after an assignment; it is dropped, nothing committed, when partitions are revoked.
    """

    def __init__(self, settings: Settings, delivery: Delivery) -> None:
        self._settings, self._delivery = settings, delivery
        self._tasks: dict[int, Task] = {}
        self._due_at: dict[int, float] = {}
        self._lock = asyncio.Lock()

    async def handle(self, batch: RecordBatch) -> None:
        """Apply one batch, and checkpoint its task when that is due."""
        async with self._lock:
            task = self._tasks.get(batch.partition) or await self._claim(batch.partition)
            task.apply(batch, time.time_ns() // 1000, time.monotonic())
            if task.pending >= self._settings.checkpoint_events:
                await self._checkpoint(task)

    async def tick(self) -> None:
        """Checkpoint the tasks whose time has come."""
        async with self._lock:
            now = time.monotonic()
            for partition, task in list(self._tasks.items()):
                if task.dirty and now >= self._due_at.get(partition, 0.0):
                    await self._checkpoint(task)

    async def drop_all(self) -> None:
        """Forget every task: its partition may belong to another worker from now on."""
        async with self._lock:
            for partition in list(self._tasks):
                del self._tasks[partition]
                await self._delivery.release(str(partition))

    async def close(self) -> None:
        """Checkpoint what is pending and stop producing."""
        async with self._lock:
            for task in list(self._tasks.values()):
                if task.dirty:
                    await self._checkpoint(task)
            self._tasks.clear()
            await self._delivery.close()

    async def _claim(self, partition: int) -> Task:
        started = time.monotonic()
        await self._delivery.claim(str(partition))
        committed = self._delivery.name == TransactionalDelivery.name
        records = await read_records(self._settings, partition, committed)
        head, segments = read_state(records)
        task = Task(partition, int(self._settings.lateness_s * MICROS))
        task.restore(head, segments, time.monotonic())
        self._tasks[partition] = task
        logger.info(
            "task %d: %d messages read back in %.2f s",
            partition,
            len(task.latency.store),
            time.monotonic() - started,
        )
        return task

    async def _checkpoint(self, task: Task) -> None:
        """Results and state first, acknowledged; then the offsets."""
        checkpoint = task.checkpoint()
        try:
            await self._delivery.deliver(
                str(task.partition), checkpoint.records, checkpoint.head, checkpoint.offsets
            )
        except Fenced as error:
            self._tasks.pop(task.partition, None)
            restart(f"checkpoint given up: {error}")
        task.settle()
        settled()
        self._due_at[task.partition] = time.monotonic() + self._settings.checkpoint_s


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
    attach(app, [topic.name for topic in EVENT_TOPICS], live.handle)
    background(app, live.tick, _TICK_S)
    maillog = attach_maillog(app, settings, delivery)

    async def close() -> None:
        if maillog is not None:
            await maillog.close()
        await live.close()

    _connect(app, live.drop_all, close)
    return app


def _connect(
    app: BatchApp,
    drop_all: Callable[[], Awaitable[None]],
    close: Callable[[], Awaitable[None]],
) -> None:
    """Bind a rebalance and the end of the app to the tasks."""

    async def on_revoked(sender: Any, revoked: Any, **_: Mapping[str, Any]) -> None:
        await drop_all()

    async def on_shutdown(sender: Any, **_: Mapping[str, Any]) -> None:
        await close()

    app.on_partitions_revoked.connect(on_revoked, weak=False)
    app.on_before_shutdown.connect(on_shutdown, weak=False)
