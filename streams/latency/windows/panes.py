"""Panes: sums over one series and one stretch of time, from which windows are put together.

All series share a few arrays for some consecutive pane numbers, a table: so a batch of any number
of tenants and of some hours is applied without a Python step per message or pane, and whole pane
numbers are forgotten at once. A pane of one message takes about 60 bytes: 48 of sums and 16 per
filled bin of its sketch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mailsla.streams.latency.key_index import KeyIndex
from mailsla.streams.latency.sorted_sets import Int64s, Mask, distinct, group_starts
from mailsla.streams.latency.windows.changes import Changes
from mailsla.streams.latency.windows.sketch import BINS, bin_of, middle_us

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
    """Messages ordered by ``code`` (series, then bin of the sketch); arrays of equal length.

    In a table of several panes cells stand for series: the series, then the pane's place in it.
    """

    code: Int64s
    latency_us: Int64s
    over: Int64s
    sign: Int64s

    def rows(self, chosen: Mask) -> "SortedMessages":
        """The chosen rows, still in order."""
        return SortedMessages(
            self.code[chosen], self.latency_us[chosen], self.over[chosen], self.sign[chosen]
        )

    def in_cells(self, places: Int64s, place_bits: int) -> "SortedMessages":
        """The same by cell, ``places`` giving the place of each one's pane in its table."""
        if place_bits == 0:
            return self
        cells = (self.code >> BIN_BITS) << place_bits | places
        code = cells << BIN_BITS | self.code & _BIN_MASK
        order = np.argsort(code, kind="stable")
        return SortedMessages(
            code[order], self.latency_us[order], self.over[order], self.sign[order]
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
    """The panes of all series with some consecutive pane numbers, by cell."""

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

    def has_messages(self, cells: Int64s) -> Mask:
        """Which panes have at least one message."""
        slots = self._index.find(cells)
        result: Mask = slots >= 0
        result[result] = self._count[slots[result]] > 0
        return result

    def add_to(self, sums: WindowSums, windows: Int64s, first: Int64s, end: Int64s) -> None:
        """Add the panes of half-open ranges of cells to the sums of ``windows`` (positions)."""
        owner, _, slots = self._index.between(first, end)
        if len(slots) == 0:
            return
        into = windows[owner]
        np.add.at(sums.count, into, self._count[slots])
        np.add.at(sums.sum_us, into, self._sum_us[slots])
        np.maximum.at(sums.max_us, into, self._max_us[slots])
        np.add.at(sums.over, into, self._over[slots])
        owner, codes, slots = self._bin_index.between(first << BIN_BITS, end << BIN_BITS)
        flat = windows[owner] * BINS + (codes & _BIN_MASK)
        np.add.at(sums.bins.reshape(-1), flat, self._bin_count[slots])

    def export(self) -> tuple[Records, Records]:
        """Every pane and every filled bin, for the state, with cells in place of series."""
        cells, slots = self._index.items()
        sums = np.zeros(len(cells), dtype=SUMS)
        sums["series"] = cells
        sums["count"], sums["sum_us"] = self._count[slots], self._sum_us[slots]
        sums["max_us"], sums["over"] = self._max_us[slots], self._over[slots]
        codes, slots = self._bin_index.items()
        bins = np.zeros(len(codes), dtype=FILLED_BIN)
        bins["series"] = codes >> BIN_BITS
        bins["bin"], bins["count"] = codes & _BIN_MASK, self._bin_count[slots]
        return sums, bins

    def load(self, cells: Int64s, sums: Records, bin_cells: Int64s, bins: Records) -> None:
        """Add panes as `export` gave them, each of its cell; their messages are given up."""
        slots = self._slots(cells)
        self._count[slots] += sums["count"]
        self._sum_us[slots] += sums["sum_us"]
        self._over[slots] += sums["over"]
        self._max_us[slots] = np.maximum(self._max_us[slots], sums["max_us"])
        self.give_up(cells, sums)
        self._add_bins(bin_cells << BIN_BITS | bins["bin"], bins["count"].astype(np.int64))

    def give_up(self, cells: Int64s, sums: Records) -> None:
        """Remember the largest latency of messages that are kept as ``sums`` only."""
        slots = self._index.find(cells)
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


class Panes:
    """All panes of one width, by pane number.

    Args:
        place_bits: a table holds ``2 ** place_bits`` consecutive panes. More of them make a batch
            that spans many panes cheaper, and keep some panes longer than is needed.

    """

    def __init__(self, place_bits: int = 0) -> None:
        self._bits = place_bits
        self._tables: dict[int, PaneTable] = {}

    def __len__(self) -> int:
        return sum(len(table) for table in self._tables.values())

    def add(self, messages: SortedMessages, panes: Int64s) -> Iterator[tuple[int, Int64s, Int64s]]:
        """Add and take away messages, ``panes`` naming the pane of each.

        Yields:
            Pane number; its series that changed, ascending; and those of which the largest latency
            may have been taken away: `set_largest` must follow for them.

        """
        if len(panes) == 0:
            return
        tables = panes >> self._bits
        for number in distinct(tables).tolist():
            inside = tables == number
            # Mostly a batch lies in one table: then nothing needs to be copied.
            whole = bool(inside.all())
            mine = messages if whole else messages.rows(inside)
            places = (panes if whole else panes[inside]) & self._mask
            table = self._tables.setdefault(number, PaneTable())
            changed, unsure = table.add(mine.in_cells(places, self._bits))
            for place in distinct(changed & self._mask).tolist():
                pane = number << self._bits | place
                yield pane, *(self._at_place(cells, place) for cells in (changed, unsure))

    def set_largest(self, pane: int, series: Int64s, largest_us: Int64s) -> None:
        """Set the largest latency of the panes of some series; see `PaneTable.set_largest`."""
        self._tables[pane >> self._bits].set_largest(self._cells(series, pane), largest_us)

    def drop_before(self, pane: int) -> None:
        """Forget panes with a smaller number, if not those in a table with a greater one."""
        for old in [number for number in self._tables if number < pane >> self._bits]:
            del self._tables[old]

    def newest(self, series: Int64s) -> tuple[Int64s, Int64s]:
        """The newest pane with messages of each series: series and pane numbers."""
        found, numbers = [series[:0]], [series[:0]]
        for number in sorted(self._tables, reverse=True):
            for place in range(self._mask, -1, -1):
                if len(series) == 0:
                    break
                pane = number << self._bits | place
                here = self._tables[number].has_messages(self._cells(series, pane))
                found.append(series[here])
                numbers.append(np.full(len(found[-1]), pane, dtype=np.int64))
                series = series[~here]
        return np.concatenate(found), np.concatenate(numbers)

    def window_sums(self, series: Int64s, ends: Int64s, span: int) -> WindowSums:
        """Sums of windows of ``span`` panes, ``ends`` being the last pane of each."""
        size = len(series)
        count, sum_us, max_us, over = (np.zeros(size, dtype=np.int64) for _ in range(4))
        sums = WindowSums(count, sum_us, max_us, over, np.zeros((size, BINS), dtype=np.int64))
        for number, table in self._tables.items():
            low = number << self._bits
            first, last = np.maximum(ends - span + 1, low), np.minimum(ends, low + self._mask)
            inside = np.flatnonzero(first <= last)
            if len(inside):
                first, last, mine = first[inside], last[inside], series[inside]
                table.add_to(sums, inside, self._cells(mine, first), self._cells(mine, last) + 1)
        return sums

    def export(self) -> tuple[Records, Records]:
        """Every pane and every filled bin, for the state."""
        parts = [np.zeros(0, dtype=SUMS)], [np.zeros(0, dtype=FILLED_BIN)]
        for number, table in self._tables.items():
            for part, records in zip(parts, table.export(), strict=True):
                records["pane"] = number << self._bits | records["series"] & self._mask
                records["series"] >>= self._bits
                part.append(records)
        return np.concatenate(parts[0]), np.concatenate(parts[1])

    def load(self, sums: Records, bins: Records) -> Iterator[tuple[int, Int64s]]:
        """Add panes as `export` gave them; yields pane numbers and series that changed."""
        for pane in distinct(sums["pane"]).tolist():
            mine, own_bins = sums[sums["pane"] == pane], bins[bins["pane"] == pane]
            series = mine["series"].astype(np.int64)
            bin_cells = self._cells(own_bins["series"].astype(np.int64), pane)
            table = self._tables.setdefault(pane >> self._bits, PaneTable())
            table.load(self._cells(series, pane), mine, bin_cells, own_bins)
            yield pane, series

    def give_up(self, sums: Records) -> None:
        """Remember that some messages are kept as ``sums`` only."""
        for pane in distinct(sums["pane"]).tolist():
            table = self._tables.get(pane >> self._bits)
            if table is not None:
                mine = sums[sums["pane"] == pane]
                table.give_up(self._cells(mine["series"].astype(np.int64), pane), mine)

    @property
    def _mask(self) -> int:
        return (1 << self._bits) - 1

    def _cells(self, series: Int64s, pane: int | Int64s) -> Int64s:
        return series << self._bits | pane & self._mask

    def _at_place(self, cells: Int64s, place: int) -> Int64s:
        """The series of those cells that lie at a place of the table."""
        series: Int64s = cells[cells & self._mask == place] >> self._bits
        return series


def _grown(column: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    """The column with room for ``size`` entries; grows by a quarter, to spare memory."""
    if size <= len(column):
        return column
    grown = np.zeros(max(size, len(column) * 5 // 4 + 16), dtype=column.dtype)
    grown[: len(column)] = column
    return grown
