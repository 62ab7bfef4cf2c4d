"""Which messages exclusions leave out of section 2 (contract, exclusions), in columns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mailsla.schemas.contract import EXCLUDED_BY, Contract, Profile
from mailsla.streams.clauses.facts.exclusions import LATENCY, Declaration
from mailsla.streams.clauses.model.exclusions import Exclusions
from mailsla.streams.latency.row_index import Int64s, Mask

Span = tuple[int, int]
"""Excluded time ``[starts_us, ends_us)``"""
_Readings = tuple[tuple[int, int, tuple[Span, ...]], ...]
"""Messages accepted from when until when, and the excluded time that leaves them out"""


@dataclass(frozen=True, slots=True)
class ExclusionReading:
    """The exclusions that may count for the messages accepted in ``[since_us, until_us)``.

    ``exclusions`` are a tenant's own, and the platform's as well where any contract of the tenant
    `reads_apart`, or reads a part of a month otherwise than that is read; no more maintenance than
    the contract in question lets count.
    """

    since_us: int
    until_us: int
    exclusions: Exclusions
    profile: Profile

    def spans(self) -> tuple[int, int, tuple[Span, ...]]:
        """Of which messages, and the time that is excluded."""
        found = _spans(self.exclusions.declarations, self.profile)
        return self.since_us, self.until_us, found


class ExcludedSpans:
    """The exclusions in force, the platform's and each tenant's own.

    A month is read by the version of a contract that governs it, a part of it by the part's own.
    """

    def __init__(self) -> None:
        self._shared: tuple[Span, ...] = ()
        self._own: dict[int, _Readings] = {}
        """Tenant → what is left out of its months."""
        self._parts: dict[int, _Readings] = {}
        """Tenant → what is left out of the parts of months that are read otherwise than these."""
        self._apart: frozenset[int] = frozenset()
        """Tenants whose contracts let other exclusions of the platform count than most do."""
        self._former: ExcludedSpans | None = None

    def share(self, declarations: Sequence[Declaration]) -> None:
        """The exclusions in force of the platform, as most contracts let them count."""
        self._keep_former()
        self._shared = _spans(declarations, Profile())

    def set(
        self,
        tenant: int,
        readings: Sequence[ExclusionReading],
        parts: Sequence[ExclusionReading] = (),
    ) -> None:
        """The exclusions in force of a tenant, by its number, as its contracts read them.

        Args:
            tenant: whose they are.
            readings: of its months.
            parts: of the parts of months that are read otherwise than these, with the platform's.

        """
        self._keep_former()
        spans = [each.spans() for each in readings]
        _put(self._own, tenant, tuple(each for each in spans if each[2]))
        _put(self._parts, tenant, tuple(each.spans() for each in parts))
        apart = any(reads_apart(each.profile) for each in readings)
        self._apart = self._apart - {tenant} | ({tenant} if apart else set())

    def _keep_former(self) -> None:
        if self._former is None:
            self._former = former = ExcludedSpans()
            former._shared, former._own = self._shared, dict(self._own)
            former._parts, former._apart = dict(self._parts), self._apart

    def take_former(self) -> "ExcludedSpans":
        """The exclusions as they were at the last call; what has changed since is followed now."""
        former, self._former = self._former or self, None
        return former

    def messages(self, tenants: Int64s, accepted_us: Int64s, finished_us: Int64s) -> Mask:
        """Which messages were in the system while an exclusion was in force, by their months.

        Args:
            tenants: number of the tenant of each.
            accepted_us: when each was accepted.
            finished_us: when each finished; `FOREVER`: it will be left out however late it does.

        """
        found = _overlap(self._shared, accepted_us, finished_us) & self._shares(tenants)
        for inside, spans in _read(self._own, tenants, accepted_us):
            found[inside] |= _overlap(spans, accepted_us[inside], finished_us[inside])
        return found

    def in_parts(
        self, of_month: Mask, tenants: Int64s, accepted_us: Int64s, finished_us: Int64s
    ) -> Mask:
        """Which messages are left out of their part of a month.

        Args:
            of_month: those that are left out of their month, also by liability.
            tenants: as of `messages`, and what follows.
            accepted_us: when each was accepted.
            finished_us: when each finished.

        Returns:
            ``of_month`` itself where no part of a month is read otherwise.

        """
        if not self._parts:
            return of_month
        found = of_month.copy()
        for inside, spans in _read(self._parts, tenants, accepted_us):
            found[inside] = _overlap(spans, accepted_us[inside], finished_us[inside])
        return found

    def _shares(self, tenants: Int64s) -> Mask:
        """Whom the platform's exclusions concern as they concern most."""
        if not self._apart:
            return np.ones(len(tenants), dtype=np.bool_)
        return ~np.isin(tenants, np.fromiter(self._apart, np.int64, len(self._apart)))


def reads_apart(profile: Profile) -> bool:
    """Whether a contract asks more of an exclusion than most do, so that others count."""
    default = Profile()
    return any(getattr(profile, name) != getattr(default, name) for name in EXCLUDED_BY)


def reads_alike(one: Contract, other: Contract) -> bool:
    """Whether two contracts let the same exclusions count; a limit is one of their local years."""
    fields = all(getattr(one.profile, name) == getattr(other.profile, name) for name in EXCLUDED_BY)
    return fields and (one.profile.max_hours_per_year is None or one.timezone == other.timezone)


def _put(held: dict[int, _Readings], tenant: int, readings: _Readings) -> None:
    if readings:
        held[tenant] = readings
    else:
        held.pop(tenant, None)


def _read(
    held: dict[int, _Readings], tenants: Int64s, accepted_us: Int64s
) -> Iterator[tuple[Int64s, tuple[Span, ...]]]:
    """The places of messages that a reading concerns, and the time that it excludes."""
    for tenant in np.unique(tenants).tolist() if held else ():
        own = tenants == tenant
        for since_us, until_us, spans in held.get(tenant, ()):
            inside = own & (accepted_us >= since_us) & (accepted_us < until_us)
            yield np.flatnonzero(inside), spans


def _overlap(spans: tuple[Span, ...], accepted_us: Int64s, finished_us: Int64s) -> Mask:
    """Which messages were in the system in any of the spans."""
    found = np.zeros(len(accepted_us), dtype=np.bool_)
    for starts_us, ends_us in spans:
        found |= (accepted_us < ends_us) & (finished_us >= starts_us)
    return found


def _spans(declarations: Sequence[Declaration], profile: Profile) -> tuple[Span, ...]:
    return tuple(
        (each.starts_us, each.ends_us) for each in declarations if each.applies(LATENCY, profile)
    )
