"""Checkpoints under way: delivered beside the applying of further batches, one a task at a time.

Waiting for the broker is half of what a checkpoint takes; a worker that applied nothing meanwhile
would be idle for as long.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from mailsla.streams.metrics import names
from mailsla.streams.runtime.checkpoint.contents import Checkpoint
from mailsla.streams.runtime.checkpoint.writer import Delivery, Fenced
from mailsla.streams.runtime.faust_app.restart import leave, restart, settled

_FINISHED_WITHIN_S: Final = 30
"""So long partitions that move wait for last checkpoints, and with them their whole group."""

logger = logging.getLogger(__name__)


class Ending(Protocol):
    """A task that is given up."""

    @property
    def partition(self) -> int:
        """Its number."""

    def checkpoint(self, now: float, everything: bool) -> Checkpoint:
        """What came since its last checkpoint."""


class Deliveries:
    """The deliveries of one worker's tasks.

    Args:
        delivery: makes a checkpoint durable.
        on_the_move: whether partitions are being revoked; a task fenced then is dropped next, and
            that it was fenced is no failure.
        durable: (topic, partition) → offset up to which what was read is durable; kept current.

    """

    def __init__(
        self,
        delivery: Delivery,
        on_the_move: Callable[[], bool],
        durable: dict[tuple[str, int], int],
    ) -> None:
        self._delivery, self._on_the_move, self._durable = delivery, on_the_move, durable
        self._under_way: dict[int, asyncio.Task[None]] = {}
        self._refused: set[int] = set()
        """Tasks that are being given up, and of which a checkpoint was refused."""

    def is_under_way(self, partition: int) -> bool:
        """Whether a checkpoint of the task waits for the broker, or has failed unnoticed."""
        return partition in self._under_way

    def start(self, partition: int, checkpoint: Checkpoint) -> None:
        """Deliver a checkpoint; the task's previous one has `arrived`, which it builds on.

        On one that was refused while partitions move nothing is built: its records are missing.
        """
        if partition not in self._refused:
            self._under_way[partition] = asyncio.create_task(self._deliver(partition, checkpoint))

    async def arrived(self, partition: int) -> None:
        """Return when nothing of a task is under way.

        Raises:
            Fenced: another worker has the task.
            Exception: whatever kept the checkpoint from being delivered.

        """
        if running := self._under_way.get(partition):
            # Shielded: who waits may be cancelled by a rebalance, the checkpoint may not.
            await asyncio.shield(running)
            self._under_way.pop(partition, None)

    async def collect(self) -> None:
        """Take note of those that have ended meanwhile; raises as `arrived` does."""
        for partition in [each for each, running in self._under_way.items() if running.done()]:
            await self.arrived(partition)

    async def finish(self, tasks: Iterable[Ending], ending: bool) -> None:
        """Deliver a last checkpoint of each of some tasks; that one fails loses nothing but time.

        Args:
            tasks: those given up.
            ending: whether the worker ends with them: then they publish how all their tenants
                stand, so that nothing is read again; otherwise they are quick about it.

        A worker for which that takes too long begins anew, or ends at once where it is ending. What
        it leaves open at the broker is shut out by whoever claims the task, and read again.
        """
        finishing = asyncio.ensure_future(self._finish(tasks, ending))
        try:
            await asyncio.wait({finishing}, timeout=_FINISHED_WITHIN_S)
            if not finishing.done():
                give_up_waiting = leave if ending else restart
                give_up_waiting(
                    f"the last checkpoints were not delivered within {_FINISHED_WITHIN_S} s"
                )
            finishing.result()
        finally:
            finishing.cancel()

    async def _finish(self, tasks: Iterable[Ending], everything: bool) -> None:
        for task in tasks:
            try:
                await self.arrived(task.partition)
                self.start(task.partition, task.checkpoint(time.monotonic(), everything))
            except Exception as error:
                logger.warning("task %d: no last checkpoint: %r", task.partition, error)
        await self.end()

    async def end(self) -> None:
        """Return when nothing of any task is under way.

        A failure is only told: the tasks end with it, and what was not committed is read again.
        """
        ended = await asyncio.gather(*self._under_way.values(), return_exceptions=True)
        self._under_way.clear()
        self._refused.clear()
        for outcome in ended:
            if isinstance(outcome, BaseException):
                logger.warning("a last checkpoint was not delivered: %r", outcome)

    async def _deliver(self, partition: int, checkpoint: Checkpoint) -> None:
        begun = time.monotonic()
        try:
            await self._delivery.deliver(
                str(partition), checkpoint.records, checkpoint.head, checkpoint.offsets
            )
        except Fenced:
            if self._on_the_move():
                self._refused.add(partition)
                return
            raise
        self._durable.update({(topic, partition): at for topic, at in checkpoint.applied.items()})
        names.CHECKPOINT_SECONDS.observe(time.monotonic() - begun)
        names.LAST_CHECKPOINT.set_to_current_time()
        settled()
