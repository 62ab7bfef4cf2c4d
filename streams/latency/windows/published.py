"""What was published last for each window end: its revision and a digest of its value.

Part of the state: without it a restarted worker would leave wrong what its former life
published, or publish once more what is right already.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from mailsla.streams.latency.key_index import KeyIndex
from mailsla.streams.latency.sorted_sets import Int64s, Mask, distinct

RECORD: Final = np.dtype(
    [("kind", "<i4"), ("end", "<i4"), ("series", "<i8"), ("revision", "<i4"), ("digest", "<u8")]
)
Records = npt.NDArray[np.void]
Digests = npt.NDArray[np.uint64]

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)


class _End:
    """One window end of one kind, all series."""

    def __init__(self) -> None:
        self.index = KeyIndex()
        self.revision = np.zeros(0, dtype=np.int32)
        self.digest = np.zeros(0, dtype=np.uint64)

    def slots(self, series: Int64s) -> npt.NDArray[np.int32]:
        """Slots of ascending series; new ones have revision 0."""
        slots = self.index.add(series)
        size = len(self.index)
        if size > len(self.revision):
            room = size * 5 // 4 + 16 - len(self.revision)
            self.revision = np.concatenate([self.revision, np.zeros(room, dtype=np.int32)])
            self.digest = np.concatenate([self.digest, np.zeros(room, dtype=np.uint64)])
        return slots


class Published:
    """The published ends of every kind of window; an end is the number of its last pane."""

    def __init__(self) -> None:
        self._ends: dict[tuple[int, int], _End] = {}
        self._unsaved: list[Records] = []

    def __len__(self) -> int:
        return sum(len(end.index) for end in self._ends.values())

    def ends(self, kind: int) -> list[int]:
        """The ends of a kind that were published for any series."""
        return sorted(end for known, end in self._ends if known == kind)

    def among(self, kind: int, end: int, series: Int64s) -> Int64s:
        """Those of the series for which this end was published."""
        known = self._ends.get((kind, end))
        return series[:0] if known is None else series[known.index.find(series) >= 0]

    def update(self, kind: int, ends: Int64s, series: Int64s, digests: Digests) -> Int64s:
        """Record values that are about to be published.

        Args:
            kind: number of the window kind.
            ends: last pane of each window.
            series: series of each window, ascending within an end.
            digests: digest of each value.

        Returns:
            The revision under which each is to be published; 0 where the value is the one
            published last.

        """
        revisions = np.zeros(len(ends), dtype=np.int64)
        for end in distinct(ends).tolist():
            rows = np.flatnonzero(ends == end)
            known = self._ends.setdefault((kind, end), _End())
            slots = known.slots(series[rows])
            news: Mask = (known.revision[slots] == 0) | (known.digest[slots] != digests[rows])
            slots, rows = slots[news], rows[news]
            known.revision[slots] += 1
            known.digest[slots] = digests[rows]
            revisions[rows] = known.revision[slots]
            self._keep(kind, end, series[rows], known.revision[slots], digests[rows])
        return revisions

    def drop_before(self, kind: int, end: int) -> None:
        """Forget earlier ends of a kind: they can no longer change."""
        for key in [key for key in self._ends if key[0] == kind and key[1] < end]:
            del self._ends[key]

    def take_unsaved(self) -> Records:
        """What changed since the last call, for `restore`."""
        records = np.concatenate([np.zeros(0, dtype=RECORD), *self._unsaved])
        self._unsaved = []
        return records

    def mark_all_unsaved(self) -> None:
        """Let the next `take_unsaved` hold everything."""
        self._unsaved = []
        for (kind, end), known in self._ends.items():
            series, slots = known.index.items()
            self._keep(kind, end, series, known.revision[slots], known.digest[slots])

    def restore(self, records: Records, first: Mapping[int, int]) -> None:
        """Take up what `take_unsaved` returned; pieces come in their order.

        Args:
            records: one piece.
            first: per kind the first end that can still change; earlier ones are passed over.

        """
        for kind in distinct(records["kind"]).tolist():
            mine = records[(records["kind"] == kind) & (records["end"] >= first[kind])]
            for end in distinct(mine["end"]).tolist():
                self._restore_end(kind, end, mine[mine["end"] == end])

    def _restore_end(self, kind: int, end: int, records: Records) -> None:
        # A piece may hold several revisions of one window: the last one counts.
        series, from_behind = np.unique(records["series"][::-1], return_index=True)
        last = records[len(records) - 1 - from_behind]
        known = self._ends.setdefault((kind, end), _End())
        slots = known.slots(series.astype(np.int64))
        known.revision[slots] = last["revision"]
        known.digest[slots] = last["digest"]

    def _keep(
        self,
        kind: int,
        end: int,
        series: Int64s,
        revisions: npt.NDArray[np.int32],
        digests: Digests,
    ) -> None:
        records = np.zeros(len(series), dtype=RECORD)
        records["kind"], records["end"], records["series"] = kind, end, series
        records["revision"], records["digest"] = revisions, digests
        self._unsaved.append(records)


def digests_of(columns: list[npt.NDArray[np.int64] | npt.NDArray[np.float64]]) -> Digests:
    """A 64-bit digest of each row of some columns (splitmix64 over the values' bits)."""
    digest = np.zeros(len(columns[0]), dtype=np.uint64)
    for column in columns:
        mixed = (digest ^ np.ascontiguousarray(column).view(np.uint64)) + _GOLDEN
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
        digest = mixed ^ (mixed >> np.uint64(31))
    return digest
