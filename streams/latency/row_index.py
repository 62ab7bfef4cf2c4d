"""Where the row of a 64-bit key stands: sorted runs that are merged as they grow.

A batch of lookups costs a few binary searches a key; nothing is done per key in Python.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from mailsla.streams.latency.sorted_sets import group_starts

Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]


_LONGEST: Final = 131_072
"""Runs of more keys are not merged: it would hold everybody up, and there are few of them."""


@dataclass
class _Run:
    keys: UInt64s
    rows: Int64s

    def living(self, alive: Mask) -> "_Run":
        """The same without dead rows."""
        chosen = alive[self.rows]
        return self if chosen.all() else _Run(self.keys[chosen], self.rows[chosen])


@dataclass
class RowIndex:
    """Rows of a table by key; a key may have several rows, of which one at most is alive."""

    _runs: list[_Run] = field(default_factory=list)

    def add(self, keys: UInt64s, rows: Int64s, alive: Mask) -> None:
        """Append rows.

        Args:
            keys: the key of each, different ones.
            rows: where each stands in the table.
            alive: by row of the table; dead rows leave the index when runs are merged.

        """
        if len(keys) == 0:
            return
        order = np.argsort(keys)  # of rows added together each has a key of its own
        self._runs.append(_Run(keys[order], rows[order]))
        # Runs grow towards the old end, so that there are only log(n) of them.
        while len(self._runs) > 1 and self._are_alike(*self._runs[-2:]):
            self._merge(alive)

    def find(self, keys: UInt64s, alive: Mask) -> Int64s:
        """The living row of each key, in any order; -1 where there is none."""
        found = np.full(len(keys), -1, dtype=np.int64)
        order = np.argsort(keys)  # ascending keys are found in half of the time
        keys = keys[order]
        for run in self._runs:
            if len(run.keys) == 0:
                continue
            at = np.searchsorted(run.keys, keys)
            at[at == len(run.keys)] = 0
            hit = np.flatnonzero(run.keys[at] == keys)
            if len(hit):
                rows = run.rows[at[hit]]
                living = alive[rows]
                found[order[hit[living]]] = rows[living]
        return found

    def _are_alike(self, previous: _Run, last: _Run) -> bool:
        return len(last.keys) <= _LONGEST and len(previous.keys) <= 2 * len(last.keys)

    def _merge(self, alive: Mask) -> None:
        # A key stands once in a run: its dead rows would hide the living one.
        last, previous = self._runs.pop().living(alive), self._runs.pop().living(alive)
        # Both are sorted: where the later keys come to stand says where everything does.
        count = len(previous.keys) + len(last.keys)
        places = np.searchsorted(previous.keys, last.keys) + np.arange(len(last.keys))
        others = np.ones(count, dtype=np.bool_)
        others[places] = False
        merged = _Run(np.empty(count, dtype=np.uint64), np.empty(count, dtype=np.int64))
        merged.keys[places], merged.rows[places] = last.keys, last.rows
        merged.keys[others], merged.rows[others] = previous.keys, previous.rows
        self._runs.append(merged)


@dataclass
class KeySet:
    """A growing set of keys."""

    _runs: list[UInt64s] = field(default_factory=list)

    def add(self, keys: UInt64s) -> None:
        """Add keys; those it has already do no harm."""
        if len(keys) == 0:
            return
        self._runs.append(_each_once(keys))
        while len(self._runs) > 1 and len(self._runs[-2]) <= 2 * len(self._runs[-1]):
            last, previous = self._runs.pop(), self._runs.pop()
            self._runs.append(_each_once(np.concatenate([previous, last])))

    def has(self, keys: UInt64s) -> Mask:
        """Which of the keys are in the set."""
        found = np.zeros(len(keys), dtype=np.bool_)
        for run in self._runs:
            at = np.searchsorted(run, keys)
            at[at == len(run)] = 0
            found |= run[at] == keys
        return found


def _each_once(keys: UInt64s) -> UInt64s:
    ascending = np.sort(keys)
    result: UInt64s = ascending[group_starts(ascending)]
    return result


def running_least(groups: Int64s, ranks: Int64s) -> Int64s:
    """The least rank of a group so far, before each row; a number beyond all ranks at its first.

    Args:
        groups: group of each row, ascending.
        ranks: ``0 <= rank``, lesser is better.

    """
    beyond = int(ranks.max(initial=0)) + 1
    # A minimum running over all rows starts anew in each group if later groups lie lower.
    lowered = ranks - groups * beyond
    least = np.minimum.accumulate(lowered) + groups * beyond
    before = np.full(len(ranks), beyond, dtype=np.int64)
    same = groups[1:] == groups[:-1]
    before[1:][same] = least[:-1][same]
    return before


def dense(*columns: npt.NDArray[np.generic]) -> Int64s:
    """Rows numbered by their columns, the first column deciding first; equal rows alike."""
    order = np.lexsort(columns[::-1])
    changed = np.zeros(len(order), dtype=np.bool_)
    for column in columns:
        taken = column[order]
        changed[1:] |= taken[1:] != taken[:-1]
    numbers = np.empty(len(order), dtype=np.int64)
    numbers[order] = np.cumsum(changed)
    return numbers
