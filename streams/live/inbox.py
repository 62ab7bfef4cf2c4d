"""Which records a task applies next: those that are earliest in event time among its topics.

Topics are read in step, cell by cell of event time. A topic with records waiting at the broker
holds the others back until its own records of the cell have come; one that is read to its end
does not (Kafka Streams idles its tasks so, KIP-353 and KIP-695; Flink aligns watermarks). While
everything is read to its end, what comes is applied as it comes.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from streams.live.decode.records import DecodedBatch
from streams.windows.clock import MICROS

CELL_US: Final = 600 * MICROS
"""Topics may be ahead of each other within such a stretch of event time."""
MOST_EVENTS: Final = 8_000
"""Events applied at a time: a bite that does not hold the others up."""
_NEVER_US: Final = 2**62
ROOM: Final = 60_000
"""Events of one topic that may wait to be applied; more of it is not fetched."""


@dataclass(slots=True)
class _Queue:
    """What was fetched of one topic, and event time come to by what was taken from it."""

    batches: deque[DecodedBatch] = field(default_factory=deque)
    events: int = 0
    clock_us: int = 0

    def next_us(self) -> int:
        """Event time that the first waiting event comes to."""
        first = self.batches[0]
        newest = int(first.believed_us[0]) if len(first) else 0
        return max(self.clock_us, newest)


class Inbox:
    """The fetched and not yet applied records of one task.

    Args:
        topics: its input topics, in the order in which they are applied within a cell.

    """

    def __init__(self, topics: Sequence[str]) -> None:
        self._queues = {topic: _Queue() for topic in topics}

    def offer(self, batch: DecodedBatch) -> None:
        """Take a batch that was fetched."""
        queue = self._queues[batch.topic]
        queue.batches.append(batch)
        queue.events += len(batch)

    def has_room(self, topic: str) -> bool:
        """Whether more of a topic may be fetched."""
        return self._queues[topic].events < ROOM

    def is_empty(self, topic: str) -> bool:
        """Whether nothing of a topic waits to be applied."""
        return not self._queues[topic].batches

    @property
    def empty(self) -> bool:
        """Whether nothing waits to be applied."""
        return not any(queue.batches for queue in self._queues.values())

    def take(self, behind: Callable[[str], bool]) -> DecodedBatch | None:
        """The bite that is to be applied next, if it is known.

        Args:
            behind: whether records of a topic wait at the broker.

        """
        waiting = [queue for queue in self._queues.values() if queue.batches]
        if not waiting:
            return None
        # 1. The cell that the earliest waiting event is in.
        cell = min(queue.next_us() for queue in waiting) // CELL_US
        for topic, queue in self._queues.items():
            # 2. Of a topic whose records of the cell may still wait at the broker nothing is known.
            if not queue.batches and queue.clock_us // CELL_US <= cell and behind(topic):
                return None
        if len(waiting) == 1 and not any(
            behind(topic) for topic, queue in self._queues.items() if not queue.batches
        ):
            return _bite(waiting[0], _NEVER_US)  # nothing to be in step with
        for queue in waiting:
            # 3. The first topic, in order, with events of the cell.
            if queue.next_us() // CELL_US <= cell:
                return _bite(queue, (cell + 1) * CELL_US)
        return None


def _bite(queue: _Queue, before_us: int) -> DecodedBatch:
    """The first events of a queue from before an event time, so many at the most."""
    batch = queue.batches.popleft()
    clocks = np.maximum.accumulate(np.maximum(batch.believed_us, queue.clock_us))
    count = min(int(np.searchsorted(clocks, before_us)), MOST_EVENTS)
    if 0 < count < len(batch):
        batch, rest = batch.split(count)
        queue.batches.appendleft(rest)
    if len(batch):
        queue.clock_us = int(clocks[len(batch) - 1])
    queue.events -= len(batch)
    return batch
