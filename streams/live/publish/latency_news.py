"""Which indicators of section 2 are no longer what they were when they were published last.

Most tenants with news have it of one indicator of five: comparing the sums of all of them in
columns costs less than making the records of one.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from mailsla.streams.latency.row_index import Int64s
from mailsla.streams.latency.windows.published import Digests, digests_of
from mailsla.streams.live.state.tenants import Tenants

_INDICATORS: Final = 5


class LatencyNews:
    """Remembers, for each slot of a task's months, what its present states were made from.

    Args:
        tenants: of the task.

    """

    def __init__(self, tenants: Tenants) -> None:
        self._tenants, self._months = tenants, tenants.latency.months
        self._told: Digests = np.zeros((0, _INDICATORS), dtype=np.uint64)

    def forget(self, tenant: str) -> None:
        """Take everything of a tenant for news: a transition has been published meanwhile."""
        code = self._tenants.code(tenant)
        slots = self._months.slots_of([code])
        self._told[slots[slots < len(self._told)]] = 0

    def take(self, slots: Int64s, known_us: int) -> npt.NDArray[np.bool_]:
        """Which indicators of some slots have changed since the last call.

        Args:
            slots: of whole months.
            known_us: up to when all mail is known.

        Returns:
            A row for each slot, a column for each indicator in the order of the agreement.

        """
        sums = self._months.sums
        over = (self._months.means.final_us[slots] <= known_us).astype(np.int64)
        count, sum_us, largest_us = sums.count[slots], sums.sum_us[slots], sums.largest_us[slots]
        exceeding = [sums.over[slots], sums.flying_over[slots], sums.at_risk[slots]]
        # They have a value from the first mail on, whatever it tells.
        exceeding.append(self._tenants.mail_since_us(self._months.tenants_of(slots)))
        heard = (count > 0).astype(np.int64)
        columns = [
            *(digests_of([count[:, way], sum_us[:, way], over]) for way in (0, 1)),
            digests_of([*exceeding, over]),
            *(digests_of([heard[:, way], largest_us[:, way], over]) for way in (0, 1)),
        ]
        digests = np.stack(columns, axis=1)
        more = int(slots.max(initial=-1)) + 1 - len(self._told)
        if more > 0:
            room = np.zeros((max(more, len(self._told)), _INDICATORS), dtype=np.uint64)
            self._told = np.concatenate([self._told, room])
        changed: npt.NDArray[np.bool_] = self._told[slots] != digests
        self._told[slots] = digests
        return changed
