"""Which records a task applies next: those that are earliest in event time among its topics.

The thin topics are one stream, merged by event time. Mail goes before it in long strides, because
nothing else moves its clock and a stride costs much the same whatever is in it; it stops where an
exclusion changes how it is judged. A topic with records waiting at the broker holds the others
back until its own have come; one that is read to its end does not (Kafka Streams idles its tasks
so, KIP-353 and KIP-695; Flink aligns watermarks). While everything is read to its end, what comes
is applied as it comes.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mailsla.schemas.facts.lines import FACT_TYPES
from mailsla.schemas.facts.ops import EventVoidedFact
from mailsla.streams.clauses.invalidation import EXCLUSIONS
from mailsla.streams.live.decode.records import DecodedBatch, Int64s
from mailsla.streams.time.calendar import HOUR
from mailsla.streams.time.clock import MICROS
from mailsla.streams.time.intervals import FOREVER

CELL_US: Final = 600 * MICROS
"""Other topics may be ahead of one of which nothing is known within such a stretch."""
STRIDE_US: Final = 24 * HOUR
"""How far mail may go before the other topics, while catching up. A bite costs much the same
whatever is in it: strides of six hours made a flood over thirty days half as dear again."""
MOST_EVENTS: Final = 8_000
"""Events applied at a time, at the most."""
MOST_FACTS: Final = 500
"""Of each of the other topics."""
ROOM: Final = 60_000
"""Events and dead letters of one topic that may wait to be applied; more of it is not fetched."""
ROOM_BYTES: Final = 64 * 2**20
"""The same of the bytes that they came as, which stay until they are applied."""
_CHANGES: Final = pa.array(
    [name for name, kind in FACT_TYPES.items() if issubclass(kind, (*EXCLUSIONS, EventVoidedFact))]
)
"""What may change how mail is judged."""


@dataclass(frozen=True, slots=True)
class Bite:
    """What is applied next: events of mail, or of the other topics, to be merged by event time.

    ``until_us`` is the event time up to which the other topics are known and applied, but for
    those events.
    """

    batches: Sequence[DecodedBatch]
    until_us: int


@dataclass(slots=True)
class _Queue:
    """What was fetched of one topic, and event time come to by what was taken from it."""

    batches: deque[DecodedBatch] = field(default_factory=deque)
    records: int = 0
    """Events, and what leaves with them."""
    size_bytes: int = 0
    clock_us: int = 0
    newest_us: int = 0
    """Event time come to by what was fetched."""
    changes: deque[tuple[int, int]] = field(default_factory=deque)
    """Event time and offset of the waiting events that change how mail is judged."""

    def next_us(self) -> int:
        """Event time that the first waiting event comes to."""
        if not self.batches:
            return FOREVER
        first = self.batches[0]
        return max(self.clock_us, int(first.believed_us[0]) if len(first) else 0)

    def offer(self, batch: DecodedBatch) -> None:
        """Take a batch that was fetched."""
        self.batches.append(batch)
        self.records += len(batch) + len(batch.outgoing)
        self.size_bytes += batch.size_bytes

    def note_changes(self, batch: DecodedBatch) -> None:
        """Note which events of a batch just offered change how mail is judged."""
        if len(batch):
            clocks = np.maximum.accumulate(np.maximum(batch.believed_us, self.newest_us))
            self.newest_us = int(clocks[-1])
            found = pc.is_in(batch.events.column("type").cast(pa.string()), _CHANGES)
            chosen = np.asarray(found.to_numpy())
            places = zip(clocks[chosen].tolist(), batch.offsets[chosen].tolist(), strict=True)
            self.changes.extend(places)

    def bound_us(self, before_us: int, most: int) -> int:
        """Up to where so many of the first events lie that wait together; before an event time."""
        clocks = self._clocks(self.batches[0])
        if int(np.searchsorted(clocks, before_us)) > most:
            return int(clocks[most])
        if len(self.batches) > 1 and len(clocks) and int(clocks[-1]) < before_us:
            return int(clocks[-1]) + 1
        return before_us

    def bite(self, before_us: int, most: int) -> DecodedBatch:
        """The first events from before an event time, so many at the most."""
        batch = self.batches.popleft()
        clocks = self._clocks(batch)
        count = min(int(np.searchsorted(clocks, before_us)), most)
        if 0 < count < len(batch):
            batch, rest = batch.split(count)
            self.batches.appendleft(rest)
        else:
            self.size_bytes -= batch.size_bytes
        if len(batch):
            self.clock_us = int(clocks[len(batch) - 1])
        self.records -= len(batch) + len(batch.outgoing)
        while self.changes and self.changes[0][1] < batch.next_offset:
            self.changes.popleft()
        return batch

    def _clocks(self, batch: DecodedBatch) -> Int64s:
        clocks: Int64s = np.maximum.accumulate(np.maximum(batch.believed_us, self.clock_us))
        return clocks


class Inbox:
    """The fetched and not yet applied records of one task.

    Args:
        mail: the topic of messages.
        others: its other input topics.

    """

    def __init__(self, mail: str, others: Sequence[str]) -> None:
        self._mail = _Queue()
        self._others = {topic: _Queue() for topic in others}
        self._queues = {mail: self._mail, **self._others}

    def offer(self, batch: DecodedBatch) -> None:
        """Take a batch that was fetched."""
        self._queues[batch.topic].offer(batch)
        if batch.topic in self._others:
            self._others[batch.topic].note_changes(batch)

    def has_room(self, topic: str) -> bool:
        """Whether more of a topic may be fetched."""
        queue = self._queues[topic]
        return queue.records < ROOM and queue.size_bytes < ROOM_BYTES

    @property
    def empty(self) -> bool:
        """Whether nothing waits to be applied."""
        return not any(queue.batches for queue in self._queues.values())

    def take(self, behind: Callable[[str], bool], most: int = MOST_EVENTS) -> Bite | None:
        """The bite that is to be applied next, if it is known.

        Args:
            behind: whether records of a topic wait at the broker.
            most: so many events of mail.

        """
        if self.empty:
            return None
        # 1. Of a topic whose records may still wait at the broker, no more is known than it gave.
        unknown = {
            topic: queue.clock_us
            for topic, queue in self._queues.items()
            if not queue.batches and behind(topic)
        }
        limit_us = min((at // CELL_US * CELL_US for at in unknown.values()), default=FOREVER)
        mail_us = self._mail.next_us()
        others_us = min(queue.next_us() for queue in self._others.values())
        if min(mail_us, others_us) >= limit_us:
            return None
        # 2. Mail, up to what changes how it is judged.
        changes = (queue.changes[0][0] for queue in self._others.values() if queue.changes)
        change_us = min(changes, default=FOREVER)
        if mail_us <= others_us and mail_us < change_us:
            until_us = min([others_us, *(at for at in unknown.values())])
            before_us = min(limit_us, change_us, mail_us + STRIDE_US)
            return Bite([self._mail.bite(before_us, most)], until_us)
        # 3. Or the other topics, up to where mail is; what is as late as that, with them.
        before_us = min(limit_us, max(mail_us, others_us + 1))
        first = [queue for queue in self._others.values() if queue.next_us() < before_us]
        before_us = min(queue.bound_us(before_us, MOST_FACTS) for queue in first)
        before_us = max(before_us, others_us + 1)
        chosen = [queue for queue in first if queue.next_us() < before_us]
        return Bite([queue.bite(before_us, MOST_EVENTS) for queue in chosen], FOREVER)
