"""Panes: sums over one series and one stretch of time, from which windows are put together.

All panes of one width share a few arrays, ordered by pane number first: so a batch of any number of
tenants and of any stretch of time is applied without a Python step per message, series or pane,
what is new comes last, and what is forgotten lies in front. A pane of one message takes about 60
bytes: 48 of sums and 16 per filled bin of its sketch.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mailsla.streams.latency.key_index import KeyIndex
from mailsla.streams.latency.sorted_sets import Int64s, group_starts
from mailsla.streams.latency.windows.sketch import middle_us

BIN_BITS: Final = 10
_BIN_MASK: Final = (1 << BIN_BITS) - 1
_SERIES_BITS: Final = 28
_SERIES_MASK: Final = (1 << _SERIES_BITS) - 1

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


def cells_of(series: Int64s, panes: Int64s | int) -> Int64s:
    """One number for each pane of a series: the pane's number, then the series."""
    return panes << _SERIES_BITS | series


def in_cells(cells: Int64s) -> tuple[Int64s, Int64s]:
    """Series and pane numbers of cells."""
    return cells & _SERIES_MASK, cells >> _SERIES_BITS


@dataclass(frozen=True, slots=True)
class SortedMessages:
    """Messages ordered by ``code`` (cell, then bin of the sketch); arrays of equal length."""

    code: Int64s
    latency_us: Int64s
    over: Int64s
    sign: Int64s


def sort_messages(
    cells: Int64s, latency_us: Int64s, bins: Int64s, over: Int64s, sign: Int64s
) -> SortedMessages:
    """Messages in the order that panes are filled in."""
    code = cells << BIN_BITS | bins
    order = np.argsort(code)  # those of one code add up, whatever their order
    return SortedMessages(code[order], latency_us[order], over[order], sign[order])


@dataclass(frozen=True, slots=True)
class WindowSums:
    """Sums of several windows, one entry each; ``filled`` are the bins of their sketches.

    It says of each entry to which window it belongs, which bin it is, and how many are in it.
    """

    count: Int64s
    sum_us: Int64s
    max_us: Int64s
    over: Int64s
    filled: tuple[Int64s, Int64s, Int64s]


class Panes:
    """All panes of one width, by cell."""

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
            The cells that changed, ascending; and those of which the largest latency may have
            been taken away: `set_largest` must follow for them.

        """
        cells = messages.code >> BIN_BITS
        starts = group_starts(cells)
        changed = cells[starts]
        if len(changed) == 0:
            return changed, changed
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

    def set_largest(self, cells: Int64s, largest_us: Int64s) -> None:
        """Set the largest latency of some panes, µs; -1 where it is not known.

        Messages that were given up are taken into account. Where nothing is known the sketch
        says it within its relative error.
        """
        slots = self._index.find(cells)
        known = np.maximum(largest_us, self._folded_max_us[slots] - 1)
        unknown = known < 0
        if unknown.any():
            sketched = middle_us(self._largest_bin(cells[unknown]))
            known[unknown] = np.minimum(sketched, self._max_us[slots[unknown]])
        self._max_us[slots] = known

    def drop_before(self, pane: int) -> None:
        """Forget panes with a smaller number."""
        kept = self._index.drop_before(pane << _SERIES_BITS)
        if kept is None:
            return
        for name in ("_count", "_over", "_sum_us", "_max_us", "_folded_max_us"):
            setattr(self, name, getattr(self, name)[kept])
        kept = self._bin_index.drop_before(pane << _SERIES_BITS << BIN_BITS)
        if kept is not None:
            self._bin_count = self._bin_count[kept]

    def newest(self, series: Int64s) -> tuple[Int64s, Int64s]:
        """The newest pane with messages of each series: series and pane numbers."""
        found, numbers = [series[:0]], [series[:0]]
        first, last = (bound >> _SERIES_BITS for bound in self._index.bounds())
        for pane in range(last, first - 1, -1):
            if len(series) == 0:
                break
            slots = self._index.find(cells_of(series, pane))
            here = slots >= 0
            here[here] = self._count[slots[here]] > 0
            found.append(series[here])
            numbers.append(np.full(len(found[-1]), pane, dtype=np.int64))
            series = series[~here]
        return np.concatenate(found), np.concatenate(numbers)

    def window_sums(self, series: Int64s, ends: Int64s, span: int) -> WindowSums:
        """Sums of windows of ``span`` panes, ``ends`` being the last pane of each."""
        size = len(series)
        count, sum_us, max_us, over = (np.zeros(size, dtype=np.int64) for _ in range(4))
        # 1. The panes of each window that there are.
        panes = ends[:, None] - np.arange(span)
        cells = cells_of(series[:, None], panes).reshape(-1)
        slots = self._index.find(cells)
        there = np.flatnonzero(slots >= 0)
        into, slots, cells = there // span, slots[there], cells[there]
        np.add.at(count, into, self._count[slots])
        np.add.at(sum_us, into, self._sum_us[slots])
        np.maximum.at(max_us, into, self._max_us[slots])
        np.add.at(over, into, self._over[slots])
        # 2. Their filled bins.
        owner, codes, slots = self._bin_index.between(cells << BIN_BITS, cells + 1 << BIN_BITS)
        filled = into[owner], codes & _BIN_MASK, self._bin_count[slots].astype(np.int64)
        return WindowSums(count, sum_us, max_us, over, filled)

    def export(self) -> tuple[Records, Records]:
        """Every pane and every filled bin, for the state."""
        cells, slots = self._index.items()
        sums = np.zeros(len(cells), dtype=SUMS)
        sums["series"], sums["pane"] = in_cells(cells)
        sums["count"], sums["sum_us"] = self._count[slots], self._sum_us[slots]
        sums["max_us"], sums["over"] = self._max_us[slots], self._over[slots]
        codes, slots = self._bin_index.items()
        bins = np.zeros(len(codes), dtype=FILLED_BIN)
        bins["series"], bins["pane"] = in_cells(codes >> BIN_BITS)
        bins["bin"], bins["count"] = codes & _BIN_MASK, self._bin_count[slots]
        return sums, bins

    def load(self, sums: Records, bins: Records) -> Int64s:
        """Add panes as `export` gave them; their messages are given up. Returns their cells."""
        cells = _cells(sums)
        order = np.argsort(cells)
        cells, sums = cells[order], sums[order]
        slots = self._slots(cells)
        self._count[slots] += sums["count"]
        self._sum_us[slots] += sums["sum_us"]
        self._over[slots] += sums["over"]
        self._max_us[slots] = np.maximum(self._max_us[slots], sums["max_us"])
        self.give_up(sums)
        codes = _cells(bins) << BIN_BITS | bins["bin"]
        order = np.argsort(codes)
        self._add_bins(codes[order], bins["count"][order].astype(np.int64))
        return cells

    def give_up(self, sums: Records) -> None:
        """Remember the largest latency of messages that are kept as ``sums`` only."""
        slots = self._index.find(_cells(sums))
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

    def _largest_bin(self, cells: Int64s) -> Int64s:
        owner, codes, slots = self._bin_index.between(cells << BIN_BITS, cells + 1 << BIN_BITS)
        filled = self._bin_count[slots] > 0
        largest = np.zeros(len(cells), dtype=np.int64)
        np.maximum.at(largest, owner[filled], codes[filled] & _BIN_MASK)
        return largest

    def _slots(self, cells: Int64s) -> npt.NDArray[np.int32]:
        slots = self._index.add(cells)
        size = len(self._index)
        self._count = _grown(self._count, size)
        self._over = _grown(self._over, size)
        self._sum_us = _grown(self._sum_us, size)
        self._max_us = _grown(self._max_us, size)
        self._folded_max_us = _grown(self._folded_max_us, size)
        return slots


def _cells(records: Records) -> Int64s:
    return cells_of(records["series"].astype(np.int64), records["pane"].astype(np.int64))


def _grown(column: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    """The column with room for ``size`` entries; grows by a quarter, to spare memory."""
    if size <= len(column):
        return column
    grown = np.zeros(max(size, len(column) * 5 // 4 + 16), dtype=column.dtype)
    grown[: len(column)] = column
    return grown
