"""Which panes changed since their windows were last published."""

from typing import Final

import numpy as np
import numpy.typing as npt

from streams.latency.sorted_sets import Int64s, distinct, members

MARK: Final = np.dtype([("pane", "<i4"), ("dirty", "<i4"), ("series", "<i8")])
"""In the state: from now on this pane is dirty (1), or no longer (0)."""
Marks = npt.NDArray[np.void]

_NONE = np.zeros(0, dtype=np.int64)


class DirtyPanes:
    """Changed panes of one width: per pane number the series.

    They are part of the state: a message that was taken away is no longer among those from
    which panes are rebuilt, so nothing else would say that its windows are still to be corrected.
    """

    def __init__(self) -> None:
        self._series: dict[int, list[Int64s]] = {}
        self._saved: dict[int, Int64s] = {}

    def mark(self, pane: int, series: Int64s) -> None:
        """Note that this pane of some series, ascending, changed."""
        if len(series):
            self._series.setdefault(pane, []).append(series)

    def series(self) -> Int64s:
        """All series with a changed pane, ascending."""
        return distinct(*(part for parts in self._series.values() for part in parts))

    def oldest(self) -> int | None:
        """The smallest pane number that changed."""
        return min(self._series, default=None)

    def take(self, wanted: Int64s | None) -> dict[int, Int64s]:
        """Changed panes of the wanted series, or all; they are no longer dirty."""
        taken = {}
        chosen = None if wanted is None else distinct(wanted)
        for pane, series in self._consolidated().items():
            if chosen is None:
                taken[pane] = series
                del self._series[pane]
                continue
            # Few are wanted of very many: those are looked up, not these.
            at = np.searchsorted(series, chosen[members(chosen, series)])
            if len(at):
                taken[pane] = series[at]
            if len(at) == len(series):
                del self._series[pane]
            else:
                self._series[pane] = [np.delete(series, at)]
        return taken

    def drop_before(self, pane: int) -> None:
        """Forget panes with a smaller number."""
        self._series = {number: kept for number, kept in self._series.items() if number >= pane}
        self._saved = {number: kept for number, kept in self._saved.items() if number >= pane}

    def take_unsaved(self) -> Marks:
        """What became dirty or clean since the last call, for `restore`."""
        now, before = self._consolidated(), self._saved
        parts = [np.zeros(0, dtype=MARK)]
        for pane in sorted(now.keys() | before.keys()):
            dirty, saved = now.get(pane, _NONE), before.get(pane, _NONE)
            for series, flag in (
                (dirty[~members(dirty, saved)], 1),
                (saved[~members(saved, dirty)], 0),
            ):
                marks = np.zeros(len(series), dtype=MARK)
                marks["pane"], marks["dirty"], marks["series"] = pane, flag, series
                parts.append(marks)
        self._saved = now
        return np.concatenate(parts)

    def mark_all_unsaved(self) -> None:
        """Let the next `take_unsaved` hold everything."""
        self._saved = {}

    def restore(self, marks: Marks) -> None:
        """Take up what `take_unsaved` returned; pieces come in their order."""
        for pane in distinct(marks["pane"]).tolist():
            mine = marks[marks["pane"] == pane]
            dirty, clean = mine[mine["dirty"] == 1]["series"], mine[mine["dirty"] == 0]["series"]
            saved = self._saved.get(pane, _NONE)
            self._saved[pane] = distinct(saved[~members(saved, distinct(clean))], dirty)
        self.reset_to_saved()

    def reset_to_saved(self) -> None:
        """Exactly what the state says is dirty."""
        self._series = {pane: [series] for pane, series in self._saved.items() if len(series)}

    def _consolidated(self) -> dict[int, Int64s]:
        for pane, parts in self._series.items():
            if len(parts) > 1:
                self._series[pane] = [distinct(*parts)]
        return {pane: parts[0] for pane, parts in self._series.items()}
