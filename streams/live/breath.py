"""Letting others have a turn: heartbeats, fetches and deliveries go on while a task works."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from time import thread_time
from typing import Final

_BREATH_S: Final = 0.02
_SHORT_S: Final = 0.03
_LONG_S: Final = 0.06


class Breath:
    """How long the event loop has been held; `take` lets it go where it was for long enough."""

    def __init__(self) -> None:
        self._since, self._since_cpu_s = time.monotonic(), thread_time()
        self.longest_s = 0.0
        """The longest hold so far."""
        self._longest_cpu_s, self._longest_step = 0.0, "nothing"
        self._held_s = 0.0

    @property
    def held_s(self) -> float:
        """How long the event loop has been held in all, without the turns of others."""
        return self._held_s + time.monotonic() - self._since

    @property
    def longest(self) -> str:
        """The longest hold in words: a busy machine makes it longer than what it costs."""
        cpu_ms = 1000 * self._longest_cpu_s
        held_ms = 1000 * self.longest_s
        return f"{held_ms:.0f} ms, {cpu_ms:.0f} ms of it working, up to {self._longest_step}"

    @property
    def _is_long(self) -> bool:
        return time.monotonic() - self._since >= _BREATH_S

    async def take(self, step: str, always: bool = False) -> None:
        """Let others have a turn, if the loop has been held for a while.

        Args:
            step: what was done last.
            always: let them have it in any case.

        """
        if not (always or self._is_long):
            return
        held_s = time.monotonic() - self._since
        if held_s > self.longest_s:
            self.longest_s, self._longest_step = held_s, step
            self._longest_cpu_s = thread_time() - self._since_cpu_s
        self._held_s += held_s
        await asyncio.sleep(0)
        self.begin()

    async def through(self, steps: Iterable[None], step: str) -> float:
        """Do some steps of one kind with pauses between them.

        Returns:
            How much work there was at the most without a pause, seconds: others may have had the
            processor meanwhile.

        """
        begun_s, most_s = thread_time(), 0.0
        for _ in steps:
            if self._is_long:
                most_s = max(most_s, thread_time() - begun_s)
                await self.take(step)
                begun_s = thread_time()
        most_s = max(most_s, thread_time() - begun_s)
        await self.take(step)
        return most_s

    def begin(self) -> None:
        """The loop is taken from now on."""
        self._since, self._since_cpu_s = time.monotonic(), thread_time()


@dataclass(slots=True)
class Portion:
    """How much is done in one go: as much as this machine does while others can wait.

    Nothing that is published depends on it: results are the same however the work is cut. What
    counts is what a portion costs, not how long it takes: on a busy machine portions would become
    smaller and smaller, each at much the same price, until no time was left to get on.
    """

    size: int
    least: int
    most: int

    def took(self, worked_s: float) -> None:
        """One portion took so much work, seconds of the processor; the next is fitted to it."""
        if worked_s > _LONG_S:
            self.size = max(self.least, self.size // 2)
        elif worked_s < _SHORT_S:
            self.size = min(self.most, self.size * 5 // 4 + 1)
