"""A sorted index from 64-bit keys to slots that costs twelve bytes a key."""

from typing import Final

import numpy as np
import numpy.typing as npt

from mailsla.streams.latency.sorted_sets import Int64s

Slots = npt.NDArray[np.int32]

_FEWEST_RECENT: Final = 1024
_BASE_TO_RECENT: Final = 8


class KeyIndex:
    """Keys in ascending order, each with a slot that stays as long as no key is dropped.

    Two sorted runs: a base and the keys that came recently, merged when those exceed an eighth
    of the base. So a batch of new keys does not copy the whole index, and a look-up is two
    binary searches. A dict would cost ten times the memory and a Python step per key.
    """

    def __init__(self) -> None:
        self._base = _empty_run()
        self._recent = _empty_run()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def find(self, keys: Int64s) -> Slots:
        """The slot of each key, -1 where it has none."""
        slots = np.full(len(keys), -1, dtype=np.int32)
        for run_keys, run_slots in (self._base, self._recent):
            if len(run_keys):
                at = np.searchsorted(run_keys, keys)
                np.minimum(at, len(run_keys) - 1, out=at)
                hit = run_keys[at] == keys
                slots[hit] = run_slots[at[hit]]
        return slots

    def add(self, keys: Int64s) -> Slots:
        """The slot of each key; new keys get the next free ones. Keys ascend without repeats."""
        slots = self.find(keys)
        missing = slots < 0
        new = keys[missing]
        if len(new) == 0:
            return slots
        fresh = np.arange(self._size, self._size + len(new), dtype=np.int32)
        slots[missing] = fresh
        self._size += len(new)
        self._recent = _merged(self._recent, (new, fresh))
        if len(self._recent[0]) > max(_FEWEST_RECENT, len(self._base[0]) // _BASE_TO_RECENT):
            self._base, self._recent = _merged(self._base, self._recent), _empty_run()
        return slots

    def bounds(self) -> tuple[int, int]:
        """The smallest and the largest key; (0, -1) where there are none."""
        runs = [keys for keys, _ in (self._base, self._recent) if len(keys)]
        if not runs:
            return 0, -1
        return min(int(keys[0]) for keys in runs), max(int(keys[-1]) for keys in runs)

    def drop_before(self, key: int) -> Slots | None:
        """Forget smaller keys; the others get new slots, in their order.

        Returns:
            The slots that the others had, in the order of those they have now; None where no key
            is smaller.

        """
        if self._size == 0 or self.bounds()[0] >= key:
            return None
        keys, slots = self.items()
        first = int(np.searchsorted(keys, key))
        keys, slots = keys[first:].copy(), slots[first:]
        self._size = len(keys)
        self._base = keys, np.arange(self._size, dtype=np.int32)
        self._recent = _empty_run()
        return slots

    def between(self, first: Int64s, end: Int64s) -> tuple[Int64s, Int64s, Slots]:
        """All keys within half-open ranges.

        Returns:
            Per key found: the number of its range, the key, its slot; in no order.

        """
        owners, keys, slots = [], [], []
        for run_keys, run_slots in (self._base, self._recent):
            low, high = np.searchsorted(run_keys, first), np.searchsorted(run_keys, end)
            sizes = high - low
            owner = np.repeat(np.arange(len(first)), sizes)
            within = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            at = low[owner] + within
            owners.append(owner)
            keys.append(run_keys[at])
            slots.append(run_slots[at])
        return np.concatenate(owners), np.concatenate(keys), np.concatenate(slots)

    def items(self) -> tuple[Int64s, Slots]:
        """All keys in ascending order with their slots."""
        return _merged(self._base, self._recent)


_Run = tuple[Int64s, Slots]


def _empty_run() -> _Run:
    return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32)


def _merged(old: _Run, new: _Run) -> _Run:
    """Two sorted runs of different keys as one."""
    at = np.searchsorted(old[0], new[0]) + np.arange(len(new[0]))
    kept = np.ones(len(old[0]) + len(new[0]), dtype=np.bool_)
    kept[at] = False
    keys = np.empty(len(kept), dtype=np.int64)
    slots = np.empty(len(kept), dtype=np.int32)
    keys[at], slots[at] = new
    keys[kept], slots[kept] = old
    return keys, slots
