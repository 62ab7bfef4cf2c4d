"""What a clause remembers: events as plain mappings, each counted once.

Facts of one topic and one scope (a tenant, or the platform ``*``) are independent of the order
in which events come, so replaying the log rebuilds them.
"""

from abc import ABC, abstractmethod
from bisect import bisect_left, insort
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import numpy as np

from mailsla.streams.time.calendar import HOUR

Fact = Mapping[str, Any]
"""The fields of an event under their names of the wire contract; instants as microseconds since
1970 UTC (int); absent optional fields are missing or ``None``."""

_RECENT: Final = 8_192


def reference(fact: Fact) -> str:
    """How evidence names an event: ``source#id``."""
    return f"{fact['source']}#{fact['id']}"


def micros(amount: float, unit_us: int) -> int:
    """A duration of an event as whole microseconds, halves upwards."""
    return int(np.floor(amount * unit_us + 0.5))


class SeenEvents:
    """Which (``source``, ``id``) have been taken, with their times, 16 bytes for an old one.

    Kept as 64-bit hashes: among a million events two share one with a probability of 3e-8.

    Args:
        width: so many bytes more are kept of each.

    """

    def __init__(self, width: int = 0) -> None:
        self._recent: dict[int, int] = {}
        self._recent_bytes: dict[int, bytes] = {}
        self._keys = np.empty(0, dtype=np.int64)
        self._times = np.empty(0, dtype=np.int64)
        self._bytes = np.empty((0, width), dtype=np.uint8)

    def first_sight(self, fact: Fact) -> bool:
        """Whether the event is new; it is known from now on."""
        key = hash((fact["source"], fact["id"]))
        if self.known(key) is not None:
            return False
        self.add(key, fact["time"])
        return True

    def known(self, key: int) -> bytes | None:
        """What is kept of the event with a hash; None if there is none."""
        if key in self._recent:
            return self._recent_bytes.get(key, b"")
        place = int(self._keys.searchsorted(key))
        if place < len(self._keys) and int(self._keys[place]) == key:
            return bytes(self._bytes[place])
        return None

    def add(self, key: int, time_us: int, more: bytes = b"") -> None:
        """Know an event by its hash from now on, and keep so many bytes of it."""
        self._recent[key] = time_us
        if more:
            self._recent_bytes[key] = more
        if len(self._recent) >= _RECENT + len(self._keys) // 8:
            self._settle()

    def forget(self, before_us: int) -> None:
        """Drop events from before an instant."""
        self._settle()
        keep = self._times >= before_us
        self._keys, self._times = self._keys[keep], self._times[keep]
        self._bytes = self._bytes[keep]

    def _settle(self) -> None:
        count = len(self._recent)
        keys = np.fromiter(self._recent.keys(), dtype=np.int64, count=count)
        times = np.fromiter(self._recent.values(), dtype=np.int64, count=count)
        more = np.frombuffer(b"".join(self._recent_bytes.values()), dtype=np.uint8)
        keys = np.concatenate((self._keys, keys))
        times = np.concatenate((self._times, times))
        more = np.concatenate((self._bytes, more.reshape(count, self._bytes.shape[1])))
        order = np.argsort(keys)
        self._keys, self._times, self._bytes = keys[order], times[order], more[order]
        self._recent.clear()
        self._recent_bytes.clear()


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
        self.version = 0
        """Grows with every change."""
        self._seen = SeenEvents()

    def observe(self, fact: Fact) -> None:
        """Take an event of the topic; one seen before (``source``, ``id``) changes nothing."""
        if not self._seen.first_sight(fact):
            return
        time_us: int = fact["time"]
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
        self._seen.forget(horizon)
        self._drop(horizon)
        self.version += 1

    def start_over(self) -> None:
        """Forget everything, as if no event had come yet; those that count are to come again."""
        version = self.version + 1
        vars(self).update(vars(type(self)()))
        self.version = version

    @abstractmethod
    def _take(self, fact: Fact) -> None:
        """Keep what matters of a new event."""

    @abstractmethod
    def _drop(self, horizon_us: int) -> None:
        """Forget what happened before an instant and reaches no further."""


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
