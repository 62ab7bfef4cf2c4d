"""What a clause remembers of the facts of a topic.

It does not depend on the order in which they come, so replaying the log rebuilds it. Who calls sees
to it that each fact comes once (`mailsla.streams.live.state.landed`).
"""

from abc import ABC, abstractmethod
from bisect import bisect_left, insort
from typing import ClassVar, Final

import numpy as np

from mailsla.schemas.facts.fact import Fact
from mailsla.streams.time.calendar import HOUR


def micros(amount: float, unit_us: int) -> int:
    """A duration of an event as whole microseconds, halves upwards."""
    return int(np.floor(amount * unit_us + 0.5))


FirstHeard = tuple[int | None, int | None]
"""The earliest event time of a topic, and that of an event after which silence means zero."""


class Facts(ABC):
    """The facts of one topic in one scope; a subclass says which events it keeps."""

    topic: ClassVar[str]
    reach_us: ClassVar[int] = 0
    """How long before a month its facts can matter, microseconds."""

    def __init__(self) -> None:
        self.first_us: int | None = None
        """Earliest event time the topic ever carried; survives `forget`."""
        self.spoken_us: int | None = None
        """The same of those events after which silence means zero (contract, verdicts)."""
        self.long_ago: FirstHeard = (None, None)
        """Both of what was forgotten: what is told anew begins with them."""
        self.version = 0
        """Grows with every change."""

    def observe(self, fact: Fact) -> None:
        """Take a fact of the topic that was not taken before."""
        time_us = fact.time
        if self.first_us is None or time_us < self.first_us:
            self.first_us = time_us
        if (self.spoken_us is None or time_us < self.spoken_us) and self.speaks(fact):
            self.spoken_us = time_us
        self.version += 1
        self._take(fact)

    def speaks(self, fact: Fact) -> bool:
        """Whether an event tells that its topic is told of at all."""
        return True

    def forget(self, before_us: int) -> None:
        """Drop what no month that begins at or after ``before_us`` can need."""
        horizon = before_us - self.reach_us
        first_us, spoken_us = (
            us if us is not None and us < horizon else None
            for us in (self.first_us, self.spoken_us)
        )
        self.remember((first_us, spoken_us))
        self._drop(horizon)
        self.version += 1

    def remember(self, long_ago: FirstHeard) -> None:
        """Events were heard of that nobody tells any more: the earliest of them."""
        first_us, spoken_us = long_ago
        self.long_ago = _earlier(self.long_ago[0], first_us), _earlier(self.long_ago[1], spoken_us)
        self.first_us = _earlier(self.first_us, first_us)
        self.spoken_us = _earlier(self.spoken_us, spoken_us)

    def start_over(self) -> None:
        """Forget everything that is not long ago; the events that count are to come again."""
        version, long_ago = self.version + 1, self.long_ago
        vars(self).update(vars(type(self)()))
        self.version = version
        self.remember(long_ago)

    @abstractmethod
    def _take(self, fact: Fact) -> None:
        """Keep what matters of a new event."""

    @abstractmethod
    def _drop(self, horizon_us: int) -> None:
        """Forget what happened before an instant and reaches no further."""


def _earlier(one_us: int | None, other_us: int | None) -> int | None:
    return min((us for us in (one_us, other_us) if us is not None), default=None)


class Marks:
    """Instants in order, each with what happened: ``(time, label)``, equal ones kept apart."""

    def __init__(self) -> None:
        self._marks: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._marks)

    def add(self, time_us: int, label: str) -> None:
        """Remember that something happened; cheap when times grow."""
        mark = (time_us, label)
        if not self._marks or self._marks[-1] <= mark:
            self._marks.append(mark)
        else:
            insort(self._marks, mark)

    def count(self, start_us: int, end_us: int) -> int:
        """How many marks lie in ``[start, end)``."""
        return max(0, self._place(end_us) - self._place(start_us))

    def labels(self, start_us: int, end_us: int) -> list[str]:
        """The labels in ``[start, end)`` in time order."""
        return [label for _, label in self._marks[self._place(start_us) : self._place(end_us)]]

    def latest(self, start_us: int, end_us: int) -> int | None:
        """The last instant in ``[start, end)``."""
        place = self._place(end_us) - 1
        found = self._marks[place][0] if place >= 0 else None
        return found if found is not None and found >= start_us else None

    def forget(self, before_us: int) -> None:
        """Drop marks before an instant."""
        del self._marks[: self._place(before_us)]

    def _place(self, us: int) -> int:
        return bisect_left(self._marks, (us, ""))


class Samples:
    """Exact sum and number of measured durations, in cells of a quarter of an hour.

    Every local midnight since 2000 lies on such a cell's edge in every time zone, so a sum over
    local days, weeks or months is exact.
    """

    CELL: Final = HOUR // 4

    def __init__(self) -> None:
        self._cells: dict[int, list[int]] = {}
        self._months: dict[tuple[int, int], list[int]] = {}

    def add(self, time_us: int, value_us: int) -> None:
        """Take one sample, microseconds."""
        _accumulate(self._cells.setdefault(time_us // self.CELL, [0, 0]), value_us, 1)
        for (start_us, end_us), total in self._months.items():
            if start_us <= time_us < end_us:
                _accumulate(total, value_us, 1)

    def total(self, start_us: int, end_us: int) -> tuple[int, int]:
        """``(sum_us, count)`` of the samples in ``[start, end)``, both on a cell's edge.

        Raises:
            ValueError: a bound within a cell.

        """
        if start_us % self.CELL or end_us % self.CELL:
            raise ValueError("samples are kept per quarter of an hour; ask between local midnights")
        total = self._months.get((start_us, end_us))
        if total is None:
            total = [0, 0]
            for cell in range(start_us // self.CELL, end_us // self.CELL):
                if cell in self._cells:
                    _accumulate(total, *self._cells[cell])
            if len(self._months) >= 4:
                self._months.clear()
            self._months[start_us, end_us] = total
        return total[0], total[1]

    def forget(self, before_us: int) -> None:
        """Drop samples before an instant."""
        first = before_us // self.CELL
        self._cells = {cell: total for cell, total in self._cells.items() if cell >= first}
        self._months.clear()


def _accumulate(total: list[int], value: int, count: int) -> None:
    total[0] += value
    total[1] += count
