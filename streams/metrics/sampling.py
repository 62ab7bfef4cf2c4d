"""Looks at the event loop and the consumer of a worker, twice a second."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from mailsla.streams.metrics import names
from mailsla.streams.metrics.health import Health

BEAT_S: Final = 0.5
_WINDOW_S: Final = 60.0

Waiting = Callable[[], tuple[int, Mapping[str, int]]]
"""Looks at the consumer: how many partitions are assigned, and topic → records to be fetched."""


class Loop:
    """Measures how long the event loop was held: what a sleep took beyond what it asked for."""

    def __init__(self) -> None:
        self._holds: deque[tuple[float, float]] = deque()

    def note(self, now: float, held_s: float) -> float:
        """Add a hold; the longest of the last minute, seconds."""
        self._holds.append((now, held_s))
        while self._holds[0][0] < now - _WINDOW_S:
            self._holds.popleft()
        return max(held for _, held in self._holds)


async def beat(health: Health, waiting: Waiting | None = None) -> None:
    """Beat until cancelled: the loop's longest hold, the lag, whether records that wait are taken.

    Args:
        health: what to write to.
        waiting: asks the consumer; None for a worker that reads no topics.
    """
    loop = Loop()
    while True:
        begun = time.monotonic()
        health.beat_at = begun
        if waiting is not None:
            _note_waiting(health, *waiting(), begun)
        slept_at = time.monotonic()
        await asyncio.sleep(BEAT_S)
        now = time.monotonic()
        names.LOOP_HELD.set(loop.note(now, max(0.0, now - slept_at - BEAT_S)))


def _note_waiting(health: Health, partitions: int, waiting: Mapping[str, int], now: float) -> None:
    health.partitions = partitions
    for topic, count in waiting.items():
        names.LAG_RECORDS.labels(topic).set(count)
    health.waiting = Counter(waiting).total()
    if health.waiting == 0 and health.busy_since is None:
        health.moved_at = now
    names.PARTITIONS.set(health.partitions)


@asynccontextmanager
async def applying(health: Health, topic: str, records: int) -> AsyncIterator[None]:
    """Around the work on one batch: counted when it is done."""
    begun = time.monotonic()
    health.busy_since = begun
    try:
        yield
    finally:
        health.busy_since = None
    health.moved_at = time.monotonic()
    names.RECORDS.labels(topic).inc(records)
    names.BATCHES.labels(topic).inc()
    names.STAGE_SECONDS.labels("apply").observe(health.moved_at - begun)
