"""The rows of the overview, read once for everybody who looks on, and kept until a change."""

import asyncio
import gzip
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from mailsla.streams.web.changes import PageChanges
from mailsla.streams.web.readings.connection import Unavailable

PATIENCE_S: Final = 0.4
"""A visitor waits so long for what has changed, then gets what is kept: the rows of very many
tenants take seconds to read, and an open page is told as soon as they have been."""
_AGAIN_S: Final = 2.0
"""Before the open months are asked for again while the server is away, or without tables: a try is
three connections, and a visitor asks for them anyhow."""
_MONTHS_KEPT: Final = 8
_LEVEL: Final = 1
"""Of compression: nine tenths smaller, at a quarter of what the usual level costs."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class OverviewRows:
    """JSON columns, compressed by gzip; they are at least as new as the change of the number."""

    packed: bytes
    change: int


class KeptOverview:
    """Keeps the rows of each month that was asked for of late.

    Args:
        version: changes whenever a state or a closing has landed.
        read_rows: the rows of a month as JSON columns; ``""``: the open months.
    """

    def __init__(
        self,
        version: Callable[[], Awaitable[str | Unavailable]],
        read_rows: Callable[[str], Awaitable[bytes | Unavailable]],
    ) -> None:
        self._read_rows = read_rows
        self._rows: dict[str, bytes] = {}
        self._reading = asyncio.Lock()
        self._looking: asyncio.Task[None] | None = None
        self.changes = PageChanges(version, self._reload)
        self.is_warm = False
        """Whether the open months have been read since the start."""

    async def follow(self) -> None:
        """Read the open months, so that the first visitor need not wait; then follow changes."""
        while not self.is_warm:
            await self.changes.refresh()
            self.is_warm = not isinstance(await self._rows_of(""), Unavailable)
            await asyncio.sleep(0 if self.is_warm else _AGAIN_S)
        logger.info("the overview has been read")
        await self.changes.watch()

    async def answer(self, month: str) -> OverviewRows | Unavailable:
        """What is kept, read anew where that takes no longer than a visitor waits."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self.changes.refresh())
        kept = month in self._rows
        await asyncio.wait({self._looking}, timeout=PATIENCE_S if kept else None)
        # Before the rows are taken: they may be newer than it says, never older.
        change = self.changes.number
        rows = self.changes.problem or await self._rows_of(month)
        return rows if isinstance(rows, Unavailable) else OverviewRows(rows, change)

    async def _rows_of(self, month: str) -> bytes | Unavailable:
        if month in self._rows:
            return self._rows[month]
        async with self._reading:
            if month in self._rows:
                return self._rows[month]
            fresh = await self._read(month)
            if not isinstance(fresh, Unavailable):
                if len(self._rows) >= _MONTHS_KEPT:
                    self._rows.clear()
                self._rows[month] = fresh
            return fresh

    async def _reload(self) -> None:
        """Read anew what is kept, after whatever is being read."""
        async with self._reading:
            for month in list(self._rows):
                fresh = await self._read(month)
                if isinstance(fresh, Unavailable):
                    self._rows.pop(month, None)
                else:
                    self._rows[month] = fresh

    async def _read(self, month: str) -> bytes | Unavailable:
        rows = await self._read_rows(month)
        if isinstance(rows, Unavailable):
            return rows
        return await asyncio.to_thread(gzip.compress, rows, _LEVEL, mtime=0)
