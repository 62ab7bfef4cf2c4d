"""Spans of acceptance times whose messages add to the same slots, looked up in columns."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mailsla.streams.latency.row_index import Int64s, Mask
from mailsla.streams.latency.tables import chosen

NOWHERE: Final = -1
_NONE: Final = 0
_RECENT: Final = 2
"""Stretches of a tenant that are remembered: mail comes in order, but for what is late."""

STRETCH: Final = np.dtype(
    [
        ("start_us", np.int64),
        ("end_us", np.int64),
        ("slot", np.int64),
        ("part", np.int64),
        ("limit_us", np.int64),
        ("part_limit_us", np.int64),
        ("other", np.int64),
    ]
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the messages of a stretch add up.

    The slot of the month and that of the contract segment (`NOWHERE` without one), and the longest
    latency that each of these allows, µs.
    """

    slot: int
    part: int
    limit_us: int
    part_limit_us: int


@dataclass(frozen=True, slots=True)
class Located:
    """Where messages add up, each at least once; ``rows`` are their numbers, ascending.

    A message is in two months where the contract's time zone changes between them so that both
    hold it.
    """

    rows: Int64s
    slots: Int64s
    parts: Int64s
    limits_us: Int64s
    part_limits_us: Int64s

    def expand(self, messages: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The messages, or what belongs to each, once for every place."""
        return messages if len(messages) == len(self.rows) else messages.take(self.rows)


@dataclass(frozen=True, slots=True)
class Alike:
    """Stretches of several tenants with the same bounds and limit, each a slot without segments."""

    tenants: Int64s
    start_us: int
    end_us: int
    slots: Int64s
    limit_us: int


class Stretches:
    """The stretches of a task's tenants.

    Args:
        find: the stretch of a tenant (by its number) that holds an instant of acceptance: its
            first µs, the one after its last, and where its messages add up, at least one place.
        find_alike: from tenants and instants the same of those for whom it costs little to find
            many at once.

    """

    def __init__(
        self,
        find: Callable[[int, int], tuple[int, int, Sequence[Place]]],
        find_alike: Callable[[Int64s, Int64s], Iterable[Alike]],
    ) -> None:
        self._find, self._find_alike = find, find_alike
        self._table: npt.NDArray[np.void] = np.zeros(64, dtype=STRETCH)
        self._used = 1
        self._recent = np.full((64, _RECENT), _NONE, dtype=np.int64)

    def forget(self, tenant: int) -> None:
        """Look the stretches of a tenant up anew."""
        if tenant < len(self._recent):
            self._recent[tenant] = _NONE

    def locate(self, tenants: Int64s, accepted_us: Int64s) -> Located:
        """Where messages add up.

        Args:
            tenants: number of the tenant of each.
            accepted_us: when each was accepted.

        """
        if len(tenants) and int(tenants.max()) >= len(self._recent):
            more = max(int(tenants.max()) + 1, 2 * len(self._recent)) - len(self._recent)
            grown = np.full((more, _RECENT), _NONE, dtype=np.int64)
            self._recent = np.concatenate([self._recent, grown])
        found, missing = self._recent_ones(tenants, accepted_us)
        if missing.any():
            for alike in self._find_alike(tenants[missing], accepted_us[missing]):
                self._add_alike(alike)
            found, missing = self._recent_ones(tenants, accepted_us)
        if missing.any():
            self._look_up(tenants, accepted_us, np.flatnonzero(missing), found)
        rows = np.arange(len(tenants))
        others = np.flatnonzero(self._table["other"][found])
        while len(others):
            rows = np.concatenate([rows, rows[others]])
            found = np.concatenate([found, self._table["other"][found[others]]])
            others = (
                len(found)
                - len(others)
                + np.flatnonzero(self._table["other"][found[-len(others) :]])
            )
        if len(rows) > len(tenants):
            order = np.argsort(rows, kind="stable")
            rows, found = rows[order], found[order]
        own = chosen(self._table, found)
        return Located(rows, own["slot"], own["part"], own["limit_us"], own["part_limit_us"])

    def _recent_ones(self, tenants: Int64s, accepted_us: Int64s) -> tuple[Int64s, Mask]:
        """The stretch of each message among the recent ones of its tenant; which have none."""
        found = np.full(len(tenants), _NONE, dtype=np.int64)
        missing = np.ones(len(tenants), dtype=np.bool_)
        for recent in range(_RECENT):
            at = self._recent[tenants, recent]
            fits = missing & (self._table["start_us"][at] <= accepted_us)
            fits &= accepted_us < self._table["end_us"][at]
            found[fits] = at[fits]
            missing &= ~fits
        return found, missing

    def _add_alike(self, alike: Alike) -> None:
        first = self._take_rows(len(alike.tenants))
        rows = np.arange(first, first + len(alike.tenants))
        own = self._table[rows]
        own["start_us"], own["end_us"], own["slot"] = alike.start_us, alike.end_us, alike.slots
        own["part"], own["other"] = NOWHERE, _NONE
        own["limit_us"] = own["part_limit_us"] = alike.limit_us
        self._table[rows] = own
        self._recent[alike.tenants, 1:] = self._recent[alike.tenants, :-1]
        self._recent[alike.tenants, 0] = rows

    def _take_rows(self, count: int) -> int:
        """The number of the first of so many new rows of the table."""
        first, self._used = self._used, self._used + count
        if self._used > len(self._table):
            more = max(len(self._table), self._used - len(self._table))
            self._table = np.concatenate([self._table, np.zeros(more, dtype=STRETCH)])
        return first

    def _look_up(
        self, tenants: Int64s, accepted_us: Int64s, missing: Int64s, found: Int64s
    ) -> None:
        """Stretches of messages that are in none of the recent ones of their tenants."""
        order = missing[np.argsort(tenants[missing], kind="stable")]
        distinct, starts = np.unique(tenants[order], return_index=True)
        for tenant, own in zip(distinct.tolist(), np.split(order, starts[1:]), strict=True):
            left = own
            while len(left):
                stretch = self._make(tenant, int(accepted_us[left[0]]))
                inside = (self._table["start_us"][stretch] <= accepted_us[left]) & (
                    accepted_us[left] < self._table["end_us"][stretch]
                )
                found[left[inside]] = stretch
                left = left[~inside]

    def _make(self, tenant: int, accepted_us: int) -> int:
        """The stretch of one instant of acceptance, the tenant's most recent one from now on."""
        start_us, end_us, places = self._find(tenant, accepted_us)
        row = _NONE
        for place in places:
            row = self._add(start_us, end_us, place, row)
        self._recent[tenant] = (row, *self._recent[tenant, : _RECENT - 1])
        return row

    def _add(self, start_us: int, end_us: int, place: Place, other: int) -> int:
        row = self._take_rows(1)
        self._table[row] = (
            start_us,
            end_us,
            place.slot,
            place.part,
            place.limit_us,
            place.part_limit_us,
            other,
        )
        return row
