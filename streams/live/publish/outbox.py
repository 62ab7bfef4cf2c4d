"""What waits to leave with the next checkpoint, in its order."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from mailsla.schemas.topics import BREACHES
from mailsla.streams.live.evaluate.states import Transition
from mailsla.streams.live.publish.breach_feed import breach_record, told_record
from mailsla.streams.live.publish.statuses import StatusRecords
from mailsla.streams.live.state.platform import mark_record
from mailsla.streams.runtime.checkpoint.writer import Outgoing

_MARK_EVERY_US: Final = 10_000_000
_MARK_LEAST_US: Final = 60_000_000
"""As long as nothing else is to be told: a worker that starts takes the last mark for the present,
however old it is."""


class Outbox:
    """That of one task.

    Args:
        statuses: makes the records of present states.
        partition: number of the task's partition.

    """

    def __init__(self, statuses: StatusRecords, partition: int) -> None:
        self._statuses, self._partition = statuses, partition
        self.records: list[Outgoing] = []
        self._marked_us = 0
        self.breached: Counter[str] = Counter()
        """Indicator → transitions to ``breached`` since it was asked last."""

    def publish(self, transitions: Iterable[Transition]) -> None:
        """Add transitions, each with the state it leads to."""
        for one in transitions:
            self.breached[one.assessment.measure.indicator] += one.state == "breached"
            self.records.append(breach_record(one, self._partition))
            status = self._statuses.of_transition(one)
            if status is not None:
                self.records.append(status)

    def add(self, pieces: Iterable[Iterable[Outgoing]]) -> None:
        """Add records as they are."""
        for piece in pieces:
            self.records.extend(piece)

    def told(self) -> list[bytes]:
        """What waits of the feed: without transactions it leaves after the state, and may not."""
        return [one.value for one in self.records if one.topic == BREACHES.name and one.value]

    def tell_again(self, events: Iterable[bytes]) -> None:
        """Add what a former life had to tell, and may not have told."""
        self.records += [told_record(event, self._partition) for event in events]

    def mark(self, instant_us: int) -> None:
        """Tell every task, every few seconds, how far the platform's events have come."""
        if instant_us >= self._marked_us + _MARK_EVERY_US:
            self._marked_us = instant_us
            self.records.append(mark_record(instant_us))

    def is_mark_due(self, instant_us: int) -> bool:
        """Whether it was long ago that every task was told how far the platform had come."""
        return instant_us >= self._marked_us + _MARK_LEAST_US

    def take(self) -> list[Outgoing]:
        """Everything that waits."""
        taken, self.records = self.records, []
        return taken
