"""Tells every open page when something has changed, at a bounded cost for all of them together."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Final

from mailsla.streams.web.readings.connection import Unavailable

LOOK_S: Final = 2.0
STILL_S: Final = 15.0
"""So often a page hears that nothing has changed: both sides notice a broken connection."""
SHARE: Final = 0.02
"""Looking and reading anew take such a share of the time at most, whatever a query costs."""
LONGEST_S: Final = 60.0
"""No pause is longer, however slowly a busy server has answered."""
UNWATCHED_S: Final = 60.0
"""What is kept is no older than about this when nobody looks on."""
SAVED_S: Final = 60.0
"""The share of so much time without a look may be taken at once: who comes first sees what is."""


class PageChanges:
    """Counts changes; asks ClickHouse seldom unless somebody looks on or asks.

    Args:
        version: asks for what changes with every state and closing that lands.
        reload: reads anew what the pages are given, before they hear of the change.
    """

    def __init__(
        self,
        version: Callable[[], Awaitable[str | Unavailable]],
        reload: Callable[[], Awaitable[None]],
    ) -> None:
        self._version, self._reload = version, reload
        self._seen: str | None = None
        self._listeners = 0
        self._next_at = 0.0
        """When it may look again, monotonic seconds."""
        self._spent_until = 0.0
        """Until when the share of the time is used up, monotonic seconds."""
        self._looking = asyncio.Lock()
        self._changed = asyncio.Condition()
        self.number = 0
        """Of the change that was told last; what is kept is at least as new."""
        self.problem: Unavailable | None = None
        """Why the last look saw nothing."""

    async def watch(self) -> None:
        """Look again and again until cancelled."""
        while True:
            if self._listeners or time.monotonic() > self._next_at + UNWATCHED_S:
                await self.refresh()
            await asyncio.sleep(LOOK_S)

    async def refresh(self) -> None:
        """Look, unless somebody has of late."""
        async with self._looking:
            begun = time.monotonic()
            if begun < self._next_at:
                return
            version = await self._version()
            if isinstance(version, Unavailable):
                self.problem = version
                return
            self.problem = None
            if version != self._seen:
                await self._reload()
                await self._tell(version)
            now = time.monotonic()
            spent = max(self._spent_until, now - SAVED_S) + (now - begun) / SHARE
            self._spent_until = spent = min(spent, now + LONGEST_S)
            self._next_at = max(now + LOOK_S / 2, spent)

    async def follow(self) -> AsyncIterator[int]:
        """The number of the last change: now, at each further one, and now and then without one."""
        self._listeners += 1
        try:
            while True:
                seen = self.number
                yield seen
                await self._await_other_than(seen)
        finally:
            self._listeners -= 1

    async def _await_other_than(self, number: int) -> None:
        """Return when the number has changed, or after `STILL_S`."""
        async with self._changed:
            with suppress(TimeoutError):
                async with asyncio.timeout(STILL_S):
                    await self._changed.wait_for(lambda: self.number != number)

    async def _tell(self, version: str) -> None:
        async with self._changed:
            self._seen = version
            self.number += 1
            self._changed.notify_all()
