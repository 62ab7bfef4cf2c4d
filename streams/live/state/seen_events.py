"""Which events have come, in little room for each."""

from typing import Final

import numpy as np

_RECENT: Final = 8_192


class SeenEvents:
    """Which events have been taken, by a 64-bit hash, with their times and some bytes of each.

    Among a million events two share a hash with a probability of 3e-8.

    Args:
        width: how many bytes are kept of each, besides 16 for its hash and time.

    """

    def __init__(self, width: int) -> None:
        self._recent: dict[int, int] = {}
        self._recent_bytes: dict[int, bytes] = {}
        self._keys = np.empty(0, dtype=np.int64)
        self._times = np.empty(0, dtype=np.int64)
        self._bytes = np.empty((0, width), dtype=np.uint8)

    def known(self, key: int) -> bytes | None:
        """What is kept of the event with a hash; None if there is none."""
        if key in self._recent_bytes:
            return self._recent_bytes[key]
        place = int(self._keys.searchsorted(key))
        if place < len(self._keys) and int(self._keys[place]) == key:
            return bytes(self._bytes[place])
        return None

    def add(self, key: int, time_us: int, more: bytes) -> None:
        """Know an event by its hash from now on, and keep so many bytes of it."""
        self._recent[key] = time_us
        self._recent_bytes[key] = more
        if len(self._recent) >= _RECENT + len(self._keys) // 8:
            self._merge()

    def forget(self, before_us: int) -> None:
        """Drop events from before an instant."""
        self._merge()
        keep = self._times >= before_us
        self._keys, self._times = self._keys[keep], self._times[keep]
        self._bytes = self._bytes[keep]

    def _merge(self) -> None:
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
