"""Which messages exclusions leave out of section 2 (contract, exclusions), in columns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mailsla.schemas.contract import EXCLUDED_BY, Contract, Profile
from mailsla.streams.clauses.facts.exclusions import LATENCY, Declaration
from mailsla.streams.clauses.model.exclusions import Exclusions
from mailsla.streams.latency.row_index import Int64s, Mask
from mailsla.streams.time.intervals import BEFORE_ALL, FOREVER

Span = tuple[int, int]
"""Excluded time ``[starts_us, ends_us)``"""


@dataclass(frozen=True, slots=True)
class ExclusionReading:
    """The exclusions that may count for the messages accepted in ``[since_us, until_us)``.

    ``exclusions`` are a tenant's own, and the platform's as well where any contract of the tenant
    `reads_apart`; no more maintenance than the contract in question lets count.
    """

    since_us: int
    until_us: int
    exclusions: Exclusions
    profile: Profile

    def spans(self) -> tuple[tuple[int, int, Span], ...]:
        """The time that is excluded, and of which messages."""
        found = _spans(self.exclusions.declarations, self.profile)
        return tuple((self.since_us, self.until_us, span) for span in found)


class ExcludedSpans:
    """The exclusions in force, the platform's and each tenant's own."""

    def __init__(self) -> None:
        self._shared: tuple[Span, ...] = ()
        self._own: dict[int, tuple[tuple[int, int, Span], ...]] = {}
        """Tenant → messages accepted from when until when, and what excluded time leaves out."""
        self._apart: frozenset[int] = frozenset()
        """Tenants whose contracts let other exclusions of the platform count than most do."""
        self._former: ExcludedSpans | None = None

    def share(self, declarations: Sequence[Declaration]) -> None:
        """The exclusions in force of the platform, as most contracts let them count."""
        self._keep_former()
        self._shared = _spans(declarations, Profile())

    def set(self, tenant: int, readings: Sequence[ExclusionReading]) -> None:
        """The exclusions in force of a tenant, by its number, as its contracts read them."""
        self._keep_former()
        spans = tuple(span for each in readings for span in each.spans())
        if spans:
            self._own[tenant] = spans
        else:
            self._own.pop(tenant, None)
        apart = any(reads_apart(each.profile) for each in readings)
        self._apart = self._apart - {tenant} | ({tenant} if apart else set())

    def _keep_former(self) -> None:
        if self._former is None:
            self._former = former = ExcludedSpans()
            former._shared, former._own = self._shared, dict(self._own)
            former._apart = self._apart

    def take_former(self) -> "ExcludedSpans":
        """The exclusions as they were at the last call; what has changed since is followed now."""
        former, self._former = self._former or self, None
        return former

    def messages(self, tenants: Int64s, accepted_us: Int64s, finished_us: Int64s) -> Mask:
        """Which finished messages were in the system while an exclusion was in force."""
        found = np.zeros(len(tenants), dtype=np.bool_)
        for starts_us, ends_us in self._shared:
            found |= (accepted_us < ends_us) & (finished_us >= starts_us)
        found &= self._shares(tenants)
        for tenant, spans in self._of(tenants):
            own = tenants == tenant
            for since_us, until_us, (starts_us, ends_us) in spans:
                inside = own & (accepted_us >= since_us) & (accepted_us < min(until_us, ends_us))
                found |= inside & (finished_us >= starts_us)
        return found

    def covers(self, tenant: int, accepted_us: int, finished_us: int) -> bool:
        """Whether an exclusion leaves one finished message out."""
        shared = () if tenant in self._apart else self._shared
        every = ((BEFORE_ALL, FOREVER, span) for span in shared)
        return any(
            since_us <= accepted_us < min(until_us, ends_us) and finished_us >= starts_us
            for since_us, until_us, (starts_us, ends_us) in (*every, *self._own.get(tenant, ()))
        )

    def flights(self, tenants: Int64s, accepted_us: Int64s) -> Mask:
        """Which messages in flight an exclusion will leave out, however late they finish."""
        found = np.zeros(len(tenants), dtype=np.bool_)
        for _, ends_us in self._shared:
            found |= accepted_us < ends_us
        found &= self._shares(tenants)
        for tenant, spans in self._of(tenants):
            own = tenants == tenant
            for since_us, until_us, (_, ends_us) in spans:
                found |= own & (accepted_us >= since_us) & (accepted_us < min(until_us, ends_us))
        return found

    def _shares(self, tenants: Int64s) -> Mask:
        """Whom the platform's exclusions concern as they concern most."""
        if not self._apart:
            return np.ones(len(tenants), dtype=np.bool_)
        return ~np.isin(tenants, np.fromiter(self._apart, np.int64, len(self._apart)))

    def _of(self, tenants: Int64s) -> list[tuple[int, tuple[tuple[int, int, Span], ...]]]:
        if not self._own:
            return []
        return [
            (tenant, self._own[tenant])
            for tenant in np.unique(tenants).tolist()
            if tenant in self._own
        ]


def reads_apart(profile: Profile) -> bool:
    """Whether a contract asks more of an exclusion than most do, so that others count."""
    default = Profile()
    return any(getattr(profile, name) != getattr(default, name) for name in EXCLUDED_BY)


def reads_alike(one: Contract, other: Contract) -> bool:
    """Whether two contracts let the same exclusions count; a limit is one of their local years."""
    fields = all(getattr(one.profile, name) == getattr(other.profile, name) for name in EXCLUDED_BY)
    return fields and (one.profile.max_hours_per_year is None or one.timezone == other.timezone)


def _spans(declarations: Sequence[Declaration], profile: Profile) -> tuple[Span, ...]:
    return tuple(
        (each.starts_us, each.ends_us) for each in declarations if each.applies(LATENCY, profile)
    )
