"""The messages a task remembers: one row each, columns of numbers, no Python object per row.

Per message the earliest dispatch or delivery counts (contract section 2); a repeated one changes
nothing, an earlier one that comes later replaces the row. Lookup goes through sorted runs of
keys that are merged as they grow, so a batch costs a few binary searches per row.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

ROW: Final = np.dtype(
    [
        ("key", np.uint64),
        ("series", np.int32),
        ("accepted_us", np.int64),
        ("finished_us", np.int64),
        ("liable", np.bool_),
        ("kind", np.uint8),
        ("order", np.uint64),
    ]
)
"""One event of a message: the message's key, its series (tenant and direction), when it was
accepted and finished, whether its own event says the provider is not liable, its kind, and the
first bytes of its id, which decide between events of the same instants."""

LATENCY: Final = 0
"""Kind of a row with a latency: the first dispatch, or the delivery."""
ACCEPTED: Final = 1
"""The message was fully received; nothing has finished."""
SETTLED: Final = 2
"""The message is finished without a latency: bounced, expired, discarded, dispatched again."""

Rows = npt.NDArray[np.void]


@dataclass(frozen=True)
class Admitted:
    """What a batch changed: rows that are new, and rows that an earlier one replaced.

    ``places`` are those of the new rows in the batch; ``repeats`` says whether a message came in
    it more than once.
    """

    added: Rows
    replaced: Rows
    places: Int64s
    repeats: bool


@dataclass
class _Run:
    keys: UInt64s
    rows: Int64s


@dataclass
class MessageStore:
    """Rows in arrival order, looked up by key; dead rows were replaced by earlier ones."""

    _rows: Rows = field(default_factory=lambda: np.empty(1024, dtype=ROW))
    _alive: Mask = field(default_factory=lambda: np.zeros(1024, dtype=np.bool_))
    _count: int = 0
    _runs: list[_Run] = field(default_factory=list)
    _by_series: list[_Run] = field(default_factory=list)
    """Places by series, of the rows before ``_indexed``; made when a series is first asked for."""
    _indexed: int = 0

    def __len__(self) -> int:
        return int(np.count_nonzero(self._alive[: self._count]))

    @property
    def rows(self) -> Rows:
        """Every living row."""
        return self._rows[: self._count][self._alive[: self._count]]

    def admit(self, batch: Rows) -> Admitted:
        """Take the rows of a batch in; each message keeps its earliest row.

        Order of the batch does not matter, nor how often a row comes.
        """
        if len(batch) == 0:
            return Admitted(batch, batch, np.empty(0, dtype=np.int64), False)
        places = _earliest_per_key(batch)
        repeats, batch = len(places) < len(batch), batch[places]
        known = self._find(batch["key"])
        fresh = known < 0
        old = self._rows[known[~fresh]]
        new = batch[~fresh]
        better = _earlier(new, old)
        self._alive[known[~fresh][better]] = False
        added = np.concatenate([batch[fresh], new[better]])
        self._append(added)
        came = np.concatenate([places[fresh], places[~fresh][better]])
        return Admitted(added, old[better], came, repeats)

    def knows(self, keys: UInt64s) -> Mask:
        """Which of the keys (in any order) have a living row."""
        distinct, inverse = np.unique(keys, return_inverse=True)
        result: Mask = (self._find(distinct) >= 0)[inverse]
        return result

    def drop_oldest(self, count: int) -> Rows:
        """Forget the ``count`` rows that came first; the living ones among them."""
        count = min(count, self._count)
        dropped: Rows = self._rows[:count][self._alive[:count]].copy()
        kept = self._rows[count : self._count][self._alive[count : self._count]].copy()
        self._rows, self._alive, self._count = np.empty(1024, dtype=ROW), np.zeros(1024, bool), 0
        self._runs, self._by_series, self._indexed = [], [], 0
        self._append(kept)
        return dropped

    def of_series(self, series: int) -> Rows:
        """The living rows of a series, in order of arrival."""
        if self._indexed < self._count:
            places = np.arange(self._indexed, self._count)
            keys = self._rows["series"][places].astype(np.uint64)
            order = np.argsort(keys, kind="stable")
            self._by_series.append(_Run(keys[order], places[order]))
            self._indexed = self._count
            self._merge(self._by_series)
        wanted = np.array([series, series + 1], dtype=np.uint64)
        found = [np.empty(0, dtype=np.int64)]
        for run in self._by_series:
            low, high = np.searchsorted(run.keys, wanted)
            found.append(run.rows[low:high])
        places = np.concatenate(found)
        result: Rows = self._rows[places[self._alive[places]]]
        return result

    def _find(self, keys: UInt64s) -> Int64s:
        """Row of each key (sorted, distinct), or -1."""
        found = np.full(len(keys), -1, dtype=np.int64)
        for run in self._runs:
            at = np.searchsorted(run.keys, keys)
            at[at == len(run.keys)] = 0
            hit = run.keys[at] == keys
            rows = run.rows[at]
            hit &= self._alive[rows]
            found[hit] = rows[hit]
        return found

    def _append(self, rows: Rows) -> None:
        if len(rows) == 0:
            return
        end = self._count + len(rows)
        if end > len(self._rows):
            size = max(end, 2 * len(self._rows))
            self._rows = np.resize(self._rows, size)
            alive = np.zeros(size, dtype=np.bool_)
            alive[: self._count] = self._alive[: self._count]
            self._alive = alive
        self._rows[self._count : end] = rows
        self._alive[self._count : end] = True
        order = np.argsort(rows["key"], kind="stable")
        self._runs.append(_Run(rows["key"][order], self._count + order))
        self._count = end
        self._merge(self._runs)

    def _merge(self, runs: list[_Run]) -> None:
        """Merge the newest runs while an older one is no larger: their number stays small."""
        while len(runs) > 1 and len(runs[-2].keys) <= 2 * len(runs[-1].keys):
            last, previous = runs.pop(), runs.pop()
            keys = np.concatenate([previous.keys, last.keys])
            rows = np.concatenate([previous.rows, last.rows])
            # A message's key stands once in a run: its dead rows would hide the living one.
            alive = self._alive[rows]
            keys, rows = keys[alive], rows[alive]
            order = np.argsort(keys, kind="stable")
            runs.append(_Run(keys[order], rows[order]))


def _earliest_per_key(batch: Rows) -> Int64s:
    """The place of each message's row in the batch, by key; of equal rows the first."""
    order = np.lexsort((batch["order"], batch["accepted_us"], batch["finished_us"], batch["key"]))
    keys = batch["key"][order]
    first = np.ones(len(keys), dtype=np.bool_)
    first[1:] = keys[1:] != keys[:-1]
    return order[first]


def _earlier(new: Rows, old: Rows) -> Mask:
    """Where the new row finished earlier, or then was accepted earlier, or has the lesser id."""
    result: Mask = np.zeros(len(new), dtype=np.bool_)
    for name in ("order", "accepted_us", "finished_us"):
        result = (new[name] < old[name]) | ((new[name] == old[name]) & result)
    return result
