"""A delivery that is looked after: what takes long is asked about, and said once a minute."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Final

from mailsla.streams.runtime.checkpoint.writer import Delivery, Offsets, Outgoing
from mailsla.streams.runtime.faust_app.application import BatchApp
from mailsla.streams.runtime.faust_app.notices import WRITING, Notice
from mailsla.streams.runtime.faust_app.restart import leave, restart
from mailsla.streams.runtime.kafka.refusals import missing_topics, obstacle
from mailsla.streams.settings import ConfigurationError, Settings

_LONG_S: Final = 5.0
"""A delivery usually takes some milliseconds."""
_PROBLEM: Final = "writing"

logger = logging.getLogger(__name__)


class WatchedDelivery:
    """Delivers as another does, and says which topic is the reason where that takes long.

    While a topic is missing the worker begins anew, and waits for it before it takes part in its
    group: what it has open at the broker would run out of time, and its partitions with it. One
    that is ending does not wait: what it cannot deliver is read again.
    """

    def __init__(self, delivery: Delivery, settings: Settings, app: BatchApp) -> None:
        self._delivery, self._settings, self._app = delivery, settings, app
        self.name = delivery.name
        self._notice = Notice(WRITING)

    async def claim(self, task: str) -> None:
        """As the other does; until the task's last transaction has ended at the broker."""
        async with self._watched((), f"the last transaction of task {task} does not end there"):
            await self._delivery.claim(task)
        self._is_well()

    async def deliver(
        self, task: str, records: Sequence[Outgoing], head: Outgoing | None, offsets: Offsets
    ) -> None:
        """As the other does."""
        topics = {record.topic for record in (*records, *((head,) if head else ()))}
        async with self._watched(topics):
            await self._delivery.deliver(task, records, head, offsets)
        self._is_well()

    async def release(self, task: str) -> None:
        """As the other does."""
        await self._delivery.release(task)

    async def close(self) -> None:
        """As the other does."""
        await self._delivery.close()

    @asynccontextmanager
    async def _watched(
        self, topics: Collection[str], otherwise: str | None = None
    ) -> AsyncIterator[None]:
        watch = asyncio.create_task(self._watch(topics, otherwise))
        try:
            yield
        finally:
            watch.cancel()

    async def _watch(self, topics: Collection[str], otherwise: str | None) -> None:
        while True:
            await asyncio.sleep(_LONG_S)
            if self._app.should_stop:
                leave("the last checkpoint cannot be delivered; what it holds is read again")
            try:
                if missing := await asyncio.to_thread(missing_topics, self._settings, topics):
                    restart(missing)
                why = await asyncio.to_thread(obstacle, self._settings, topics) or otherwise
            except ConfigurationError as error:  # the broker is away, which is said elsewhere
                logger.debug("the topics cannot be looked at: %s", error)
                continue
            if why is not None:
                self._notice.bad(why)
                # Whoever asks is told, and the watchdog rests: a fresh worker would wait as well.
                self._app.health.problems.setdefault(_PROBLEM, (time.monotonic(), why))

    def _is_well(self) -> None:
        self._notice.good()
        self._app.health.problems.pop(_PROBLEM, None)
