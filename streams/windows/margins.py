"""Which running means cannot have missed their targets since they were looked at.

What was left of a target, the sum it allowed so many messages less the sum there was, is used up by
what later messages take beyond it, each at its worst; until then no value in between missed it.
"""

import numpy as np
import numpy.typing as npt

from streams.windows.steps import Steps


class Margins:
    """One mean of every series, of the month it was looked at last."""

    def __init__(self) -> None:
        self._target_us = np.zeros(64, dtype=np.int64)
        self._left_us = np.zeros(64, dtype=np.int64)
        self._since_us = np.zeros(64, dtype=np.int64)
        self._until_us = np.zeros(64, dtype=np.int64)
        self._in_danger = np.zeros(64, dtype=np.bool_)

    def note(self, series: int, target_us: int, left_us: int, since_us: int, until_us: int) -> None:
        """A mean was looked at.

        Args:
            series: its number.
            target_us: the largest value that meets the target, µs.
            left_us: by how much its sum is less than so many messages may take, µs; 0 or less if
                it misses its target.
            since_us: messages accepted from then on count for it,
            until_us: and before this.

        """
        self._hold(series)
        self._target_us[series], self._left_us[series] = target_us, left_us
        self._since_us[series], self._until_us[series] = since_us, until_us
        self._in_danger[series] = False

    def add(self, steps: Steps) -> None:
        """Messages that count from now on, or no longer do."""
        if len(steps) == 0:
            return
        series, accepted_us = steps["series"], steps["accepted_us"]
        self._hold(int(series.max()))
        beyond_us = np.maximum(0, steps["latency_us"] - self._target_us[series])
        np.subtract.at(self._left_us, series, beyond_us)
        other = (accepted_us < self._since_us[series]) | (accepted_us >= self._until_us[series])
        self._left_us[series[other | (steps["sign"] < 0)]] = 0
        self._in_danger[series] |= self._left_us[series] <= 0

    def in_danger(self) -> npt.NDArray[np.int64]:
        """The series whose mean a message since may have turned; of unknown ones any message."""
        found: npt.NDArray[np.int64] = np.flatnonzero(self._in_danger)
        return found

    def _hold(self, series: int) -> None:
        if series < len(self._left_us):
            return
        more = np.zeros(
            max(series + 1, 2 * len(self._left_us)) - len(self._left_us), dtype=np.int64
        )
        self._target_us = np.append(self._target_us, more)
        self._left_us = np.append(self._left_us, more)
        self._since_us = np.append(self._since_us, more)
        self._until_us = np.append(self._until_us, more)
        self._in_danger = np.append(self._in_danger, more > 0)
