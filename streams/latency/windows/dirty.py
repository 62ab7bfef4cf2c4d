"""Which panes changed since their windows were last published."""

from typing import Final

import numpy as np
import numpy.typing as npt

from mailsla.streams.latency.sorted_sets import Int64s, differing, distinct, members

MARK: Final = np.dtype([("pane", "<i4"), ("dirty", "<i4"), ("series", "<i8")])
"""In the state: from now on this pane is dirty (1), or no longer (0)."""
Marks = npt.NDArray[np.void]

END_BITS: Final = 26
"""A pane of a series is one number: the series, and the number of the pane in so many bits."""
END_MASK: Final = (1 << END_BITS) - 1

_NONE = np.zeros(0, dtype=np.int64)


class DirtyPanes:
    """Changed panes of one width.

    They are part of the state: a message that was taken away is no longer among those from
    which panes are rebuilt, so nothing else would say that its windows are still to be corrected.
    """

    def __init__(self) -> None:
        self._known, self._saved = _NONE, _NONE
        self._news: list[Int64s] = []
        """Marked since `_known` was put in order."""
        self._oldest: int | None = None

    def mark(self, series: Int64s, panes: Int64s) -> None:
        """Note that these panes of these series changed, the smallest number first."""
        if len(series):
            self._news.append(series << END_BITS | panes)
            oldest = int(panes[0])
            self._oldest = oldest if self._oldest is None else min(oldest, self._oldest)

    def series(self) -> Int64s:
        """All series with a changed pane, ascending."""
        return distinct(self._all() >> END_BITS)

    def oldest(self) -> int | None:
        """The smallest pane number that changed."""
        return self._oldest

    def take(self, wanted: Int64s | None) -> Int64s:
        """Changed panes of the wanted series, or all, ascending; they are no longer dirty."""
        known = self._all()
        if wanted is None:
            self._keep(_NONE)
            return known
        # Few are wanted of very many: their places are looked up, nothing else.
        chosen = distinct(wanted) << END_BITS
        first, after = np.searchsorted(known, [chosen, chosen + END_MASK + 1])
        counts = after - first
        places = np.repeat(after - np.cumsum(counts), counts) + np.arange(counts.sum())
        if len(places):
            self._keep(np.delete(known, places))
        taken: Int64s = known[places]
        return taken

    def drop_before(self, pane: int) -> None:
        """Forget panes with a smaller number."""
        if self._oldest is not None and self._oldest < pane:
            known = self._all()
            self._keep(known[known & END_MASK >= pane])
        self._saved = self._saved[self._saved & END_MASK >= pane]

    def take_unsaved(self) -> Marks:
        """What became dirty or clean since the last call, for `restore`."""
        now = self._all()
        changed = differing(now, self._saved)
        marks = np.zeros(len(changed), dtype=MARK)
        marks["pane"], marks["series"] = changed & END_MASK, changed >> END_BITS
        marks["dirty"] = members(changed, now)
        self._saved = now
        return marks

    def mark_all_unsaved(self) -> None:
        """Let the next `take_unsaved` hold everything."""
        self._saved = _NONE

    def restore(self, marks: Marks) -> None:
        """Take up what `take_unsaved` returned; pieces come in their order."""
        codes = marks["series"] << END_BITS | marks["pane"]
        dirty = marks["dirty"] == 1
        clean = distinct(codes[~dirty])
        self._saved = distinct(self._saved[~members(self._saved, clean)], codes[dirty])
        self.reset_to_saved()

    def reset_to_saved(self) -> None:
        """Exactly what the state says is dirty."""
        self._news = []
        self._keep(self._saved)

    def _all(self) -> Int64s:
        if self._news:
            self._known = distinct(self._known, *self._news)
            self._news = []
        return self._known

    def _keep(self, known: Int64s) -> None:
        self._known = known
        self._oldest = int((known & END_MASK).min()) if len(known) else None
