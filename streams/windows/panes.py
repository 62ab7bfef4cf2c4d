"""Panes: sums over one series and one stretch of time, from which windows are put together.

All panes of one width live in arrays, a row each, so that a batch of any number of tenants is
applied without a Python step per message.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from streams.windows.sketch import BINS, bin_of

Int64s = npt.NDArray[np.int64]

PANE_BITS: Final = 26

PaneRecord = list[Any]
"""key, count, sum µs, largest µs, exceedances, [[bin, count], …]"""


def pane_key(series: int, pane: int) -> int:
    """Series and pane number in one integer (pane numbers stay below 2^26)."""
    return series << PANE_BITS | pane


def split_key(key: int) -> tuple[int, int]:
    """The inverse of `pane_key`."""
    return key >> PANE_BITS, key & (1 << PANE_BITS) - 1


@dataclass(frozen=True)
class PaneSums:
    """Sums of several windows, one entry each; ``bins`` has shape (n, BINS)."""

    count: Int64s
    sum_us: Int64s
    max_us: Int64s
    exceedances: Int64s
    bins: npt.NDArray[np.int64]


class Panes:
    """The panes of one width; a pane without a message takes no room."""

    def __init__(self) -> None:
        self._slots: dict[int, int] = {}
        self._free: list[int] = []
        self._count = np.zeros(64, dtype=np.int64)
        self._sum_us = np.zeros(64, dtype=np.int64)
        self._max_us = np.zeros(64, dtype=np.int64)
        self._exceedances = np.zeros(64, dtype=np.int64)
        self._bins = np.zeros((64, BINS), dtype=np.uint32)

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, key: int) -> bool:
        return key in self._slots

    def add(self, keys: Int64s, latency_us: Int64s, limit_us: Int64s) -> list[int]:
        """Add messages to their panes.

        Args:
            keys: `pane_key` of each message.
            latency_us: its latency, µs.
            limit_us: the latency beyond which it is an exceedance under its contract, µs.

        Returns:
            The keys of the panes that changed.

        """
        if len(keys) == 0:
            return []
        order = np.argsort(keys, kind="stable")
        keys, latency_us, limit_us = keys[order], latency_us[order], limit_us[order]
        starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
        changed: list[int] = keys[starts].tolist()
        slots = self._slots_of(changed)
        sizes = np.diff(np.append(starts, len(keys)))
        self._count[slots] += sizes
        self._sum_us[slots] += np.add.reduceat(latency_us, starts)
        self._max_us[slots] = np.maximum(
            self._max_us[slots], np.maximum.reduceat(latency_us, starts)
        )
        over = (latency_us > limit_us).astype(np.int64)
        self._exceedances[slots] += np.add.reduceat(over, starts)
        flat = np.repeat(slots, sizes) * BINS + bin_of(latency_us)
        np.add.at(self._bins.reshape(-1), flat, 1)
        return changed

    def reset(self, keys: Iterable[int]) -> None:
        """Empty some panes, to be filled again."""
        slots = [self._slots.pop(key) for key in keys if key in self._slots]
        if not slots:
            return
        self._count[slots] = self._sum_us[slots] = self._max_us[slots] = 0
        self._exceedances[slots] = 0
        self._bins[slots] = 0
        self._free.extend(slots)

    def drop_before(self, pane: int) -> None:
        """Forget panes with a smaller number."""
        keys = np.fromiter(self._slots, np.int64, len(self._slots))
        self.reset(keys[keys & (1 << PANE_BITS) - 1 < pane].tolist())

    def merge(self, other: "Panes", keys: Iterable[int]) -> None:
        """Add what another set of panes holds under some keys."""
        shared = [key for key in keys if key in other]
        if not shared:
            return
        mine, theirs = self._slots_of(shared), other._slots_of(shared)
        self._count[mine] += other._count[theirs]
        self._sum_us[mine] += other._sum_us[theirs]
        self._max_us[mine] = np.maximum(self._max_us[mine], other._max_us[theirs])
        self._exceedances[mine] += other._exceedances[theirs]
        self._bins[mine] += other._bins[theirs]

    def export(self) -> list[PaneRecord]:
        """Every pane as plain numbers, bins sparse."""
        records: list[PaneRecord] = []
        for key, slot in self._slots.items():
            filled = np.flatnonzero(self._bins[slot])
            bins = [[int(place), int(self._bins[slot, place])] for place in filled]
            records.append([key, *self.one(key), bins])
        return records

    def load(self, records: Iterable[PaneRecord]) -> list[int]:
        """Add panes as `export` gave them; their keys."""
        keys = []
        for key, count, sum_us, max_us, over, bins in records:
            slot = int(self._slots_of([key])[0])
            self._count[slot] += count
            self._sum_us[slot] += sum_us
            self._max_us[slot] = max(int(self._max_us[slot]), max_us)
            self._exceedances[slot] += over
            for place, number in bins:
                self._bins[slot, place] += number
            keys.append(key)
        return keys

    def one(self, key: int) -> tuple[int, int, int, int]:
        """Count, sum µs, largest µs and exceedances of one pane; zeros where there is none."""
        slot = self._slots.get(key)
        if slot is None:
            return 0, 0, 0, 0
        columns = (self._count, self._sum_us, self._max_us, self._exceedances)
        count, sum_us, max_us, over = (int(column[slot]) for column in columns)
        return count, sum_us, max_us, over

    def totals(self, windows: list[list[int]]) -> PaneSums:
        """Sum up the panes of each window; keys of panes that do not exist count nothing."""
        found = [[self._slots[key] for key in keys if key in self._slots] for keys in windows]
        sizes = np.array([len(slots) for slots in found], dtype=np.int64)
        shape = len(windows)
        sums = PaneSums(
            np.zeros(shape, np.int64),
            np.zeros(shape, np.int64),
            np.zeros(shape, np.int64),
            np.zeros(shape, np.int64),
            np.zeros((shape, BINS), np.int64),
        )
        filled = np.flatnonzero(sizes)
        if len(filled) == 0:
            return sums
        slots = np.array([slot for group in found for slot in group], dtype=np.int64)
        starts = (np.cumsum(sizes) - sizes)[filled]
        sums.count[filled] = np.add.reduceat(self._count[slots], starts)
        sums.sum_us[filled] = np.add.reduceat(self._sum_us[slots], starts)
        sums.max_us[filled] = np.maximum.reduceat(self._max_us[slots], starts)
        sums.exceedances[filled] = np.add.reduceat(self._exceedances[slots], starts)
        for place, start in zip(filled.tolist(), starts.tolist(), strict=True):
            group = slots[start : start + int(sizes[place])]
            sums.bins[place] = self._bins[group].sum(axis=0, dtype=np.int64)
        return sums

    def _slots_of(self, keys: list[int]) -> Int64s:
        slots = np.empty(len(keys), dtype=np.int64)
        for place, key in enumerate(keys):
            slot = self._slots.get(key)
            if slot is None:
                slot = self._free.pop() if self._free else self._grow()
                self._slots[key] = slot
            slots[place] = slot
        return slots

    def _grow(self) -> int:
        used = len(self._slots) + len(self._free)
        if used == len(self._count):
            size = 2 * used
            self._count = np.resize(self._count, size)
            self._sum_us = np.resize(self._sum_us, size)
            self._max_us = np.resize(self._max_us, size)
            self._exceedances = np.resize(self._exceedances, size)
            bins = np.zeros((size, BINS), dtype=np.uint32)
            bins[:used] = self._bins
            self._bins = bins
            for column in (self._count, self._sum_us, self._max_us, self._exceedances):
                column[used:] = 0
        return used
