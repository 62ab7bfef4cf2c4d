"""The mail-log tasks of a live worker, beside its event tasks and under the same Faust app."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from mailsla.schemas.topics import ASSEMBLER_STATE, RAW_MAILLOG
from mailsla.streams.connectors.postfix import Site
from mailsla.streams.maillog.site import configured_site
from mailsla.streams.maillog.task import MaillogTask
from mailsla.streams.metrics.names import CUT_LINES, MISUNDERSTOOD
from mailsla.streams.runtime.checkpoint.recovery import read_records
from mailsla.streams.runtime.checkpoint.writer import Delivery, Fenced, TransactionalDelivery
from mailsla.streams.runtime.faust_app.application import BatchApp, attach, background
from mailsla.streams.runtime.faust_app.batches import RecordBatch
from mailsla.streams.runtime.faust_app.restart import restart, settled
from mailsla.streams.settings import Settings

_TICK_S: Final = 0.2
_KINDS_SHOWN: Final = 100
_CHECKPOINT_SHARE: Final = 0.1
"""Most of the worker's time that taking snapshots may cost."""

logger = logging.getLogger(__name__)


class MaillogTasks:
    """The tasks of `raw.maillog` this worker has.

    Unlike an event task, one is claimed as soon as its partition is assigned, because time has
    to pass on the messages it holds even when no line comes. It is dropped, nothing committed,
    when partitions are revoked.
    """

    def __init__(
        self,
        settings: Settings,
        delivery: Delivery,
        site: Site,
        durable: dict[tuple[str, int], int],
    ) -> None:
        self._settings, self._delivery, self._site = settings, delivery, site
        self._durable = durable
        self._tasks: dict[int, MaillogTask] = {}
        self._due_at: dict[int, float] = {}
        self._assigned: set[int] = set()
        self._lock = asyncio.Lock()

    async def handle(self, batch: RecordBatch) -> None:
        """Apply one batch, and checkpoint its task when that is due."""
        async with self._lock:
            task = self._tasks.get(batch.partition) or await self._claim(batch.partition)
            task.apply(batch, time.time_ns() // 1000, time.monotonic())
            if task.pending >= self._settings.checkpoint_events:
                await self._checkpoint(task)

    def expect(self, partitions: Iterable[int]) -> None:
        """These partitions were assigned to this worker."""
        self._assigned.update(partitions)

    async def tick(self) -> None:
        """Claim what was assigned, let time pass, checkpoint the tasks whose time has come."""
        async with self._lock:
            unclaimed = sorted(self._assigned - self._tasks.keys())
            await asyncio.gather(*(self._claim(partition) for partition in unclaimed))
            for partition, task in list(self._tasks.items()):
                task.advance(time.monotonic())
                if task.dirty and time.monotonic() >= self._due_at.get(partition, 0.0):
                    await self._checkpoint(task)

    async def drop_all(self) -> None:
        """Forget every task: its partition may belong to another worker from now on."""
        self._assigned.clear()
        async with self._lock:
            for partition in list(self._tasks):
                del self._tasks[partition]
                await self._delivery.release(task_name(partition))

    async def close(self) -> None:
        """Checkpoint what is pending; where that fails it is told, and read again."""
        self._assigned.clear()
        async with self._lock:
            for task in self._tasks.values():
                try:
                    if task.dirty:
                        await self._deliver(task)
                except Exception as error:
                    name = task_name(task.partition)
                    logger.warning("task %s: no last checkpoint: %r", name, error)
            self._tasks.clear()

    async def _claim(self, partition: int) -> MaillogTask:
        await self._delivery.claim(task_name(partition))
        committed = self._delivery.name == TransactionalDelivery.name
        records = await read_records(self._settings, partition, committed, ASSEMBLER_STATE.name)
        task = MaillogTask(partition, self._site)
        task.restore(records, time.monotonic())
        self._tasks[partition] = task
        logger.info("task %s: %d open messages read back", task_name(partition), task.open_messages)
        return task

    async def _checkpoint(self, task: MaillogTask) -> None:
        try:
            await self._deliver(task)
        except Fenced as error:
            restart(f"checkpoint given up: {error}")

    async def _deliver(self, task: MaillogTask) -> None:
        """Events and state first, acknowledged; then the offsets."""
        started = time.monotonic()
        checkpoint = task.checkpoint()
        spent = time.monotonic() - started
        await self._delivery.deliver(
            task_name(task.partition), checkpoint.records, checkpoint.head, checkpoint.offsets
        )
        task.settle()
        self._durable.update(checkpoint.offsets)
        settled()
        self._show_misunderstood()
        pause = max(self._settings.checkpoint_s, spent / _CHECKPOINT_SHARE)
        self._due_at[task.partition] = time.monotonic() + pause

    def _show_misunderstood(self) -> None:
        """The kinds most often met, the others as one; and lines of which only a part was read."""
        CUT_LINES.set(sum(task.cut_lines for task in self._tasks.values()))
        kinds = sum((task.misunderstood for task in self._tasks.values()), Counter())
        shown = kinds.most_common(_KINDS_SHOWN)
        MISUNDERSTOOD.clear()
        for kind, count in shown:
            MISUNDERSTOOD.labels(kind).set(count)
        if rest := kinds.total() - sum(count for _, count in shown):
            MISUNDERSTOOD.labels("all others").set(rest)


def task_name(partition: int) -> str:
    """The task's name in the group: its checkpoints are apart from those of event task p."""
    return f"maillog-{partition}"


def attach_maillog(app: BatchApp, settings: Settings, delivery: Delivery) -> MaillogTasks | None:
    """Have the app assemble `raw.maillog`; None, said once, when no tenant map is configured.

    Raises:
        ConfigurationError: the map, the zone or an own relay is wrong.

    """
    site = configured_site(settings)
    if site is None:
        logger.info("%s is not read: MAILSLA_MAILLOG_TENANTS names no map", RAW_MAILLOG.name)
        return None
    tasks = MaillogTasks(settings, delivery, site, app.durable)
    attach(app, [RAW_MAILLOG.name], tasks.handle, "maillog")
    background(app, tasks.tick, _TICK_S)

    async def on_assigned(sender: Any, assigned: Any, **_: Mapping[str, Any]) -> None:
        tasks.expect(place.partition for place in assigned if place.topic == RAW_MAILLOG.name)

    async def on_revoked(sender: Any, revoked: Any, **_: Mapping[str, Any]) -> None:
        await tasks.drop_all()

    app.on_partitions_assigned.connect(on_assigned, weak=False)
    app.on_partitions_revoked.connect(on_revoked, weak=False)
    return tasks
