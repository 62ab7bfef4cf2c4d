"""Tells every open page when something has changed, at the cost of one small query for all."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from streams.web.reading import Unavailable

LOOK_S: Final = 2.0
STILL_S: Final = 15.0
"""So often a page hears that nothing has changed: both sides notice a broken connection."""
SHARE: Final = 0.02
"""Looking takes at most such a share of the time, whatever a query costs."""


class Changes:
    """Counts changes; asks ClickHouse only while somebody looks on."""

    def __init__(self, version: Callable[[], Awaitable[str | Unavailable]]) -> None:
        self._version = version
        self._seen: str | None = None
        self._listeners = 0
        self._looked_at = 0.0
        self._changed = asyncio.Condition()
        self.number = 0.0
        """Of the last change; a page that was read under it is up to date."""

    async def watch(self) -> None:
        """Look again and again until cancelled."""
        while True:
            begun = time.monotonic()
            if self._listeners:
                await self._look()
            spent = time.monotonic() - begun
            await asyncio.sleep(max(LOOK_S, spent / SHARE))

    async def refresh(self) -> None:
        """Look, unless somebody has within `LOOK_S`."""
        if time.monotonic() - self._looked_at > LOOK_S:
            await self._look()

    async def follow(self) -> AsyncIterator[float | None]:
        """The number of each change from now on; None now and then when there is none."""
        self._listeners += 1
        seen = self.number
        try:
            await self.refresh()  # what changed while nobody looked on
            while True:
                async with self._changed:
                    try:
                        async with asyncio.timeout(STILL_S):
                            await self._changed.wait_for(lambda: self.number != seen)  # noqa: B023
                    except TimeoutError:
                        pass
                if self.number == seen:
                    yield None
                else:
                    seen = self.number
                    yield seen
        finally:
            self._listeners -= 1

    async def _look(self) -> None:
        self._looked_at = time.monotonic()
        version = await self._version()
        if isinstance(version, Unavailable) or version == self._seen:
            return
        async with self._changed:
            self._seen, self.number = version, time.monotonic()
            self._changed.notify_all()
