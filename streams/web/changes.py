"""Tells every open page when something has changed, at a bounded cost for all of them together."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from mailsla.streams.web.readings.connection import Unavailable

LOOK_S: Final = 2.0
STILL_S: Final = 15.0
"""So often a page hears that nothing has changed: both sides notice a broken connection."""
SHARE: Final = 0.02
"""Looking and reading anew take such a share of the time at most, whatever a query costs."""


class PageChanges:
    """Counts changes; asks ClickHouse only while somebody looks on or asks.

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
        self._looking = asyncio.Lock()
        self._changed = asyncio.Condition()
        self._number = 0
        self.problem: Unavailable | None = None
        """Why the last look saw nothing."""

    async def watch(self) -> None:
        """Look again and again until cancelled."""
        while True:
            if self._listeners:
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
            self._next_at = now + max(LOOK_S / 2, (now - begun) / SHARE)

    async def follow(self) -> AsyncIterator[int | None]:
        """The number of each change from now on; None now and then when there is none."""
        self._listeners += 1
        seen = self._number
        try:
            while True:
                if await self._await_other_than(seen):
                    seen = self._number
                    yield seen
                else:
                    yield None
        finally:
            self._listeners -= 1

    async def _await_other_than(self, number: int) -> bool:
        """Whether the number changes within `STILL_S`."""
        async with self._changed:
            try:
                async with asyncio.timeout(STILL_S):
                    await self._changed.wait_for(lambda: self._number != number)
            except TimeoutError:
                return False
            return True

    async def _tell(self, version: str) -> None:
        async with self._changed:
            self._seen = version
            self._number += 1
            self._changed.notify_all()
