"""Panes: sums over one series and one stretch of time, from which windows are put together.

All series of one pane number share a few arrays, so that a batch of any number of tenants is
applied without a Python step per message, and a whole pane number is forgotten at once. A pane
of one message takes about 60 bytes: 48 of sums and 16 per filled bin of its sketch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from streams.latency.changes import Changes
from streams.latency.key_index import KeyIndex
from streams.latency.sketch import BINS, bin_of, middle_us
from streams.latency.sorted_sets import Int64s, Mask, distinct, group_starts

BIN_BITS: Final = 10
_BIN_MASK: Final = (1 << BIN_BITS) - 1

SUMS: Final = np.dtype(
    [
        ("series", "<i8"),
        ("pane", "<i4"),
        ("count", "<i4"),
        ("sum_us", "<i8"),
        ("max_us", "<i8"),
        ("over", "<i4"),
    ]
)
"""One pane's sums as they stand in the state."""
FILLED_BIN: Final = np.dtype([("series", "<i8"), ("pane", "<i4"), ("bin", "<i2"), ("count", "<i4")])
"""One filled bin of one pane's sketch as it stands in the state."""

Records = npt.NDArray[np.void]


@dataclass(frozen=True, slots=True)
class SortedMessages:
    """Messages ordered by ``code`` (series, then bin of the sketch); arrays of equal length."""

    code: Int64s
    latency_us: Int64s
    over: Int64s
    sign: Int64s

    def rows(self, chosen: Mask) -> "SortedMessages":
        """The chosen rows, still in order."""
        return SortedMessages(
            self.code[chosen], self.latency_us[chosen], self.over[chosen], self.sign[chosen]
        )


def sort_messages(changes: Changes) -> tuple[Changes, SortedMessages]:
    """Changes in the order that panes are filled in: sorted once for the panes of every width."""
    code = changes.series << BIN_BITS | bin_of(changes.latency_us)
    order = np.argsort(code, kind="stable")
    ordered = changes.rows(order)
    return ordered, SortedMessages(
        code[order], ordered.latency_us, ordered.over.astype(np.int64), ordered.sign
    )


@dataclass(frozen=True, slots=True)
class WindowSums:
    """Sums of several windows, one entry each; ``bins`` has shape (n, BINS)."""

    count: Int64s
    sum_us: Int64s
    max_us: Int64s
    over: Int64s
    bins: Int64s


class PaneTable:
    """The panes of all series with one pane number."""

    def __init__(self) -> None:
        self._index = KeyIndex()
        self._count = np.zeros(0, dtype=np.int32)
        self._over = np.zeros(0, dtype=np.int32)
        self._sum_us = np.zeros(0, dtype=np.int64)
        self._max_us = np.zeros(0, dtype=np.int64)
        # The largest latency among messages that were given up, plus one, as 0 says that there
        # are none: no look-up finds those again.
        self._folded_max_us = np.zeros(0, dtype=np.int64)
        self._bin_index = KeyIndex()
        self._bin_count = np.zeros(0, dtype=np.int32)

    def __len__(self) -> int:
        return len(self._index)

    def add(self, messages: SortedMessages) -> tuple[Int64s, Int64s]:
        """Add and take away messages.

        Returns:
            The series that changed, ascending; and those of which the largest latency may have
            been taken away: `set_largest` must follow for them.

        """
        series = messages.code >> BIN_BITS
        starts = group_starts(series)
        changed = series[starts]
        slots = self._slots(changed)
        sign = messages.sign
        self._count[slots] += np.add.reduceat(sign, starts).astype(np.int32)
        self._sum_us[slots] += np.add.reduceat(sign * messages.latency_us, starts)
        self._over[slots] += np.add.reduceat(sign * messages.over, starts).astype(np.int32)
        self._add_bins(messages.code, sign)
        came = np.where(sign > 0, messages.latency_us, 0)
        largest = np.maximum(self._max_us[slots], np.maximum.reduceat(came, starts))
        gone = np.maximum.reduceat(np.where(sign < 0, messages.latency_us, -1), starts)
        largest[self._count[slots] <= 0] = 0
        self._max_us[slots] = largest
        unsure = (gone >= largest) & (self._count[slots] > 0)
        return changed, changed[unsure]

    def set_largest(self, series: Int64s, largest_us: Int64s) -> None:
        """Set the largest latency of some panes, µs; -1 where it is not known.

        Messages that were given up are taken into account. Where nothing is known the sketch
        says it within its relative error.
        """
        slots = self._index.find(series)
        known = np.maximum(largest_us, self._folded_max_us[slots] - 1)
        unknown = known < 0
        if unknown.any():
            sketched = middle_us(self._largest_bin(series[unknown]))
            known[unknown] = np.minimum(sketched, self._max_us[slots[unknown]])
        self._max_us[slots] = known

    def has_messages(self, series: Int64s) -> Mask:
        """Which series have at least one message in this pane."""
        slots = self._index.find(series)
        result: Mask = slots >= 0
        result[result] = self._count[slots[result]] > 0
        return result

    def add_to(self, sums: WindowSums, windows: Int64s, series: Int64s) -> None:
        """Add the panes of ``series`` to the sums of ``windows`` (positions, each one once)."""
        slots = self._index.find(series)
        there = slots >= 0
        slots, windows, series = slots[there], windows[there], series[there]
        if len(slots) == 0:
            return
        sums.count[windows] += self._count[slots]
        sums.sum_us[windows] += self._sum_us[slots]
        sums.max_us[windows] = np.maximum(sums.max_us[windows], self._max_us[slots])
        sums.over[windows] += self._over[slots]
        owner, codes, bin_slots = self._bin_index.between(
            series << BIN_BITS, series + 1 << BIN_BITS
        )
        # A series has each bin once in a pane, so no position repeats.
        flat = windows[owner] * BINS + (codes & _BIN_MASK)
        sums.bins.reshape(-1)[flat] += self._bin_count[bin_slots]

    def export(self, pane: int) -> tuple[Records, Records]:
        """Every pane and every filled bin, for the state."""
        series, slots = self._index.items()
        sums = np.zeros(len(series), dtype=SUMS)
        sums["series"], sums["pane"] = series, pane
        sums["count"], sums["sum_us"] = self._count[slots], self._sum_us[slots]
        sums["max_us"], sums["over"] = self._max_us[slots], self._over[slots]
        codes, slots = self._bin_index.items()
        bins = np.zeros(len(codes), dtype=FILLED_BIN)
        bins["series"], bins["pane"] = codes >> BIN_BITS, pane
        bins["bin"], bins["count"] = codes & _BIN_MASK, self._bin_count[slots]
        return sums, bins

    def load(self, sums: Records, bins: Records) -> None:
        """Add panes as `export` gave them; their messages are given up."""
        slots = self._slots(sums["series"].astype(np.int64))
        self._count[slots] += sums["count"]
        self._sum_us[slots] += sums["sum_us"]
        self._over[slots] += sums["over"]
        self._max_us[slots] = np.maximum(self._max_us[slots], sums["max_us"])
        self.give_up(sums)
        code = bins["series"].astype(np.int64) << BIN_BITS | bins["bin"]
        self._add_bins(code, bins["count"].astype(np.int64))

    def give_up(self, sums: Records) -> None:
        """Remember the largest latency of messages that are kept as ``sums`` only."""
        slots = self._index.find(sums["series"].astype(np.int64))
        there = slots >= 0
        slots = slots[there]
        largest = sums["max_us"][there] + 1
        self._folded_max_us[slots] = np.maximum(self._folded_max_us[slots], largest)

    def _add_bins(self, codes: Int64s, counts: Int64s) -> None:
        if len(codes) == 0:
            return
        starts = group_starts(codes)
        slots = self._bin_index.add(codes[starts])
        self._bin_count = _grown(self._bin_count, len(self._bin_index))
        self._bin_count[slots] += np.add.reduceat(counts, starts).astype(np.int32)

    def _largest_bin(self, series: Int64s) -> Int64s:
        owner, codes, slots = self._bin_index.between(series << BIN_BITS, series + 1 << BIN_BITS)
        filled = self._bin_count[slots] > 0
        largest = np.zeros(len(series), dtype=np.int64)
        np.maximum.at(largest, owner[filled], codes[filled] & _BIN_MASK)
        return largest

    def _slots(self, series: Int64s) -> npt.NDArray[np.int32]:
        slots = self._index.add(series)
        size = len(self._index)
        self._count = _grown(self._count, size)
        self._over = _grown(self._over, size)
        self._sum_us = _grown(self._sum_us, size)
        self._max_us = _grown(self._max_us, size)
        self._folded_max_us = _grown(self._folded_max_us, size)
        return slots


class Panes:
    """All panes of one width, by pane number."""

    def __init__(self) -> None:
        self._tables: dict[int, PaneTable] = {}

    def __len__(self) -> int:
        return sum(len(table) for table in self._tables.values())

    def __getitem__(self, pane: int) -> PaneTable:
        return self._tables[pane]

    def add(self, messages: SortedMessages, panes: Int64s) -> Iterator[tuple[int, Int64s, Int64s]]:
        """Add and take away messages, ``panes`` naming the pane of each.

        Yields:
            Pane number and what `PaneTable.add` returns for it.

        """
        if len(panes) == 0:
            return
        for pane in distinct(panes).tolist():
            table = self._tables.setdefault(pane, PaneTable())
            inside = panes == pane
            # Mostly a batch lies in one pane: then nothing needs to be copied.
            mine = messages if inside.all() else messages.rows(inside)
            yield pane, *table.add(mine)

    def drop_before(self, pane: int) -> None:
        """Forget panes with a smaller number."""
        for old in [number for number in self._tables if number < pane]:
            del self._tables[old]

    def newest(self, series: Int64s) -> tuple[Int64s, Int64s]:
        """The newest pane with messages of each series: series and pane numbers."""
        found, numbers = [series[:0]], [series[:0]]
        for pane in sorted(self._tables, reverse=True):
            if len(series) == 0:
                break
            here = self._tables[pane].has_messages(series)
            found.append(series[here])
            numbers.append(np.full(len(found[-1]), pane, dtype=np.int64))
            series = series[~here]
        return np.concatenate(found), np.concatenate(numbers)

    def window_sums(self, series: Int64s, ends: Int64s, span: int) -> WindowSums:
        """Sums of windows of ``span`` panes, ``ends`` being the last pane of each."""
        size = len(series)
        count, sum_us, max_us, over = (np.zeros(size, dtype=np.int64) for _ in range(4))
        sums = WindowSums(count, sum_us, max_us, over, np.zeros((size, BINS), dtype=np.int64))
        for pane, table in self._tables.items():
            inside = np.flatnonzero((ends - span < pane) & (pane <= ends))
            if len(inside):
                table.add_to(sums, inside, series[inside])
        return sums

    def export(self) -> tuple[Records, Records]:
        """Every pane and every filled bin, for the state."""
        parts = [table.export(pane) for pane, table in self._tables.items()]
        sums = [np.zeros(0, dtype=SUMS), *(part[0] for part in parts)]
        bins = [np.zeros(0, dtype=FILLED_BIN), *(part[1] for part in parts)]
        return np.concatenate(sums), np.concatenate(bins)

    def load(self, sums: Records, bins: Records) -> Iterator[tuple[int, Int64s]]:
        """Add panes as `export` gave them; yields pane numbers and series that changed."""
        for pane in distinct(sums["pane"]).tolist():
            mine = sums[sums["pane"] == pane]
            self._tables.setdefault(pane, PaneTable()).load(mine, bins[bins["pane"] == pane])
            yield pane, mine["series"].astype(np.int64)

    def give_up(self, sums: Records) -> None:
        """Remember that some messages are kept as ``sums`` only."""
        for pane in distinct(sums["pane"]).tolist():
            if pane in self._tables:
                self._tables[pane].give_up(sums[sums["pane"] == pane])


def _grown(column: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    """The column with room for ``size`` entries; grows by a quarter, to spare memory."""
    if size <= len(column):
        return column
    grown = np.zeros(max(size, len(column) * 5 // 4 + 16), dtype=column.dtype)
    grown[: len(column)] = column
    return grown
