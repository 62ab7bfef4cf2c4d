"""Letting others have a turn: heartbeats, fetches and deliveries go on while a task works."""

import asyncio
import time
from typing import Final

_BREATH_S: Final = 0.02


class Breath:
    """How long the event loop has been held; `take` lets it go where it was for long enough."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self.longest_s = 0.0
        """The longest hold so far."""

    async def take(self, always: bool = False) -> None:
        """Let others have a turn, if the loop has been held for a while."""
        held_s = time.monotonic() - self._since
        if always or held_s >= _BREATH_S:
            self.longest_s = max(self.longest_s, held_s)
            await asyncio.sleep(0)
            self._since = time.monotonic()

    def begin(self) -> None:
        """The loop is taken from now on."""
        self._since = time.monotonic()
