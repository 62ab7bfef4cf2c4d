"""When sections change by themselves, the earliest first."""

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush

from streams.live.evaluate.groups import Group
from streams.time.calendar import Month
from streams.time.intervals import FOREVER

_Due = tuple[int, int, Month, int]
"""instant, number of the group, month, section"""


class Dues:
    """Of some sections of all groups; each group's `DirtySections` says what holds.

    Args:
        groups: all of them, by number.
        sections: which.

    """

    def __init__(self, groups: Sequence[Group], sections: frozenset[int]) -> None:
        self._groups, self._sections = groups, sections
        self._heap: list[_Due] = []

    def note(self, number: int, month: Month, section: int, at_us: int) -> None:
        """A section is to be looked at by an instant at the latest."""
        dues = self._groups[number].dirty.due_us.setdefault(month, {})
        if at_us < dues.get(section, FOREVER):
            dues[section] = at_us
            heappush(self._heap, (at_us, number, month, section))

    def watch(self, number: int) -> None:
        """Take what is due of a group as its `DirtySections` has it."""
        for month, dues in self._groups[number].dirty.due_us.items():
            for section in dues.keys() & self._sections:
                heappush(self._heap, (dues[section], number, month, section))

    def top(self) -> int | None:
        """The earliest instant that still holds."""
        while self._heap:
            at_us, number, month, section = self._heap[0]
            if self._groups[number].dirty.due_us.get(month, {}).get(section) == at_us:
                return at_us
            heappop(self._heap)
        return None

    def take(self, at_us: int) -> Iterator[tuple[int, Month, int]]:
        """What is due by an instant: number of the group, month, section."""
        while (top := self.top()) is not None and top <= at_us:
            _, number, month, section = heappop(self._heap)
            opened = self._groups[number].dirty.due_us
            del opened[month][section]
            if not opened[month]:
                del opened[month]
            yield number, month, section
