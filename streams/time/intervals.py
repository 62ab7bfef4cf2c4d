"""Sets of instants as half-open intervals ``[start, end)`` of integer microseconds.

Durations of the agreement are unions (contract, rules that hold everywhere): an instant
counts once however many intervals cover it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

Instants = NDArray[np.int64]

FOREVER: Final = 2**62
"""End of an interval that is still open; beyond every instant an event can carry."""
BEFORE_ALL: Final = -(2**62)


@dataclass(frozen=True, slots=True, eq=False)
class IntervalSet:
    """Sorted, disjoint, non-touching, non-empty intervals; ``starts`` and ``ends`` of one length.

    Build with `of`, `of_arrays` or an operation, which keep that order; the arrays are not to be
    written to. All instants are microseconds since 1970 in UTC.
    """

    starts: Instants
    ends: Instants

    @classmethod
    def of(cls, pairs: Iterable[tuple[int, int]]) -> Self:
        """The union of ``(start, end)`` pairs in any order; empty and inverted ones are nothing."""
        rows = np.asarray(list(pairs), dtype=np.int64).reshape(-1, 2)
        return cls.of_arrays(rows[:, 0], rows[:, 1])

    @classmethod
    def of_arrays(cls, starts: Instants, ends: Instants) -> Self:
        """The union of the intervals given as two arrays of one length, in any order."""
        filled = ends > starts
        starts, ends = starts[filled], ends[filled]
        if len(starts) == 0:
            return cls(_NONE, _NONE)
        order = np.argsort(starts, kind="stable")
        starts, reach = starts[order], np.maximum.accumulate(ends[order])
        # A new interval begins where everything before has ended; touching ones are one.
        fresh = np.empty(len(starts), dtype=np.bool_)
        fresh[0] = True
        np.greater(starts[1:], reach[:-1], out=fresh[1:])
        last = np.append(np.flatnonzero(fresh)[1:] - 1, len(starts) - 1)
        return cls(starts[fresh], reach[last])

    def __len__(self) -> int:
        """Number of separate intervals."""
        return len(self.starts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, IntervalSet):
            return NotImplemented
        return np.array_equal(self.starts, other.starts) and np.array_equal(self.ends, other.ends)

    def __or__(self, other: "IntervalSet") -> "IntervalSet":
        return union((self, other))

    def __and__(self, other: "IntervalSet") -> "IntervalSet":
        return self._combine(other, 3)

    def __sub__(self, other: "IntervalSet") -> "IntervalSet":
        return self if len(other) == 0 else self._combine(other, 1)

    def pairs(self) -> list[tuple[int, int]]:
        """The intervals as ``(start, end)``."""
        return list(zip(self.starts.tolist(), self.ends.tolist(), strict=True))

    def clip(self, start: int, end: int) -> "IntervalSet":
        """The part within ``[start, end)``; the cost depends on that part alone."""
        met = self.meeting(start, end)
        if len(met.starts) == 0:
            return EMPTY
        return IntervalSet(np.maximum(met.starts, start), np.minimum(met.ends, end))

    def meeting(self, start: int, end: int) -> "IntervalSet":
        """The whole intervals that lie at least partly within ``[start, end)``."""
        if end <= start or len(self.starts) == 0:
            return EMPTY
        low = int(self.ends.searchsorted(start, side="right"))
        high = int(self.starts.searchsorted(end, side="left"))
        return IntervalSet(self.starts[low:high], self.ends[low:high]) if low < high else EMPTY

    def length(self) -> int:
        """Total length in microseconds."""
        return int((self.ends - self.starts).sum()) if len(self.starts) else 0

    def within(self, start: int, end: int) -> int:
        """Length of the part within ``[start, end)``, microseconds."""
        return self.clip(start, end).length()

    def before(self, instants: Instants) -> Instants:
        """Length of the part before each instant, microseconds."""
        if len(self) == 0:
            return np.zeros(len(instants), dtype=np.int64)
        ended = np.concatenate([[0], np.cumsum(self.ends - self.starts)])
        place = np.searchsorted(self.starts, instants, side="right")
        last = np.maximum(place - 1, 0)
        inside = np.minimum(instants, self.ends[last]) - self.starts[last]
        result: Instants = ended[last] + np.where(place > 0, inside, 0)
        return result

    def covers(self, instant: int) -> bool:
        """Whether the instant lies in the set."""
        place = int(np.searchsorted(self.starts, instant, side="right")) - 1
        return place >= 0 and int(self.ends[place]) > instant

    def touched(self, first: Instants, last: Instants) -> NDArray[np.bool_]:
        """For each closed interval ``[first, last]`` whether it meets the set.

        That is ``first < end`` and ``last >= start`` for some interval, the overlap of a message
        with an exclusion. Shapes ``(n,)`` and ``(n,)`` to ``(n,)``.
        """
        if len(self) == 0:
            return np.zeros(len(first), dtype=np.bool_)
        place = np.searchsorted(self.ends, first, side="right")
        found = place < len(self)
        begins = self.starts[np.minimum(place, len(self) - 1)]
        return np.asarray(found & (begins <= last), dtype=np.bool_)

    def reach(self, length: int) -> int | None:
        """The instant by which the set has accumulated ``length`` > 0 microseconds, or ``None``."""
        total = np.cumsum(self.ends - self.starts)
        place = int(np.searchsorted(total, length, side="left"))
        if place == len(self):
            return None
        return int(self.ends[place] - (total[place] - length))

    def next_edge(self, after: int) -> int | None:
        """The first start or end later than ``after``, or ``None``."""
        found = [
            int(edges[place])
            for edges in (self.starts, self.ends)
            if (place := int(np.searchsorted(edges, after, side="right"))) < len(edges)
        ]
        return min(found, default=None)

    def _combine(self, other: "IntervalSet", wanted: int) -> "IntervalSet":
        """Instants whose membership, 1 for here plus 2 for there, is ``wanted``."""
        edges = np.concatenate((self.starts, self.ends, other.starts, other.ends))
        if len(edges) == 0:
            return EMPTY
        step = np.repeat([1, -1, 2, -2], [len(self), len(self), len(other), len(other)])
        order = np.argsort(edges, kind="stable")
        edges, level = edges[order], np.cumsum(step[order])
        inside = np.flatnonzero(level[:-1] == wanted)
        return IntervalSet.of_arrays(edges[inside], edges[inside + 1])


_NONE: Final = np.empty(0, dtype=np.int64)
EMPTY: Final = IntervalSet(_NONE, _NONE)


def union(sets: Iterable[IntervalSet]) -> IntervalSet:
    """The instants that lie in any of the sets."""
    filled = [each for each in sets if len(each)]
    if len(filled) <= 1:
        return filled[0] if filled else EMPTY
    return IntervalSet.of_arrays(
        np.concatenate([each.starts for each in filled]),
        np.concatenate([each.ends for each in filled]),
    )


def span(start: int, end: int) -> IntervalSet:
    """The one interval ``[start, end)``; empty if the end is not later."""
    return IntervalSet.of([(start, end)])


def splice(before: IntervalSet, at: int, after: IntervalSet) -> IntervalSet:
    """``before`` up to ``at`` and ``after`` from there on; touching intervals become one."""
    head, tail = before.clip(BEFORE_ALL, at), after.clip(at, FOREVER)
    if len(head) == 0 or len(tail) == 0:
        return tail if len(head) == 0 else head
    if head.ends[-1] < tail.starts[0]:
        return IntervalSet(
            np.concatenate((head.starts, tail.starts)), np.concatenate((head.ends, tail.ends))
        )
    return IntervalSet(
        np.concatenate((head.starts, tail.starts[1:])), np.concatenate((head.ends[:-1], tail.ends))
    )
