"""Which messages exclusions leave out of section 2 (contract, exclusions), in columns."""

from collections.abc import Sequence

import numpy as np

from mailsla.schemas.contract import EXCLUDED_BY, Profile
from mailsla.streams.clauses.model.exclusions import LATENCY, Declaration
from mailsla.streams.latency.row_index import Int64s, Mask

Span = tuple[int, int]
"""Excluded time ``[starts_us, ends_us)``"""


class ExcludedSpans:
    """The exclusions in force, the platform's and each tenant's own."""

    def __init__(self) -> None:
        self._shared: tuple[Span, ...] = ()
        self._own: dict[int, tuple[Span, ...]] = {}
        self._apart: frozenset[int] = frozenset()
        """Tenants whose contracts let other exclusions of the platform count than most do."""
        self._former: ExcludedSpans | None = None

    def share(self, declarations: Sequence[Declaration]) -> None:
        """The exclusions in force of the platform, as most contracts let them count."""
        self._keep_former()
        self._shared = _spans(declarations, Profile())

    def set(self, tenant: int, declarations: Sequence[Declaration], profile: Profile) -> None:
        """The exclusions in force of a tenant, by its number, and how its contract reads them.

        Args:
            tenant: its number.
            declarations: its own; the platform's as well where `reads_apart` its profile; no more
                maintenance than it lets count.
            profile: the readings of its contract.

        """
        self._keep_former()
        spans = _spans(declarations, profile)
        if spans:
            self._own[tenant] = spans
        else:
            self._own.pop(tenant, None)
        self._apart = self._apart - {tenant} | ({tenant} if reads_apart(profile) else set())

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
            for starts_us, ends_us in spans:
                found |= own & (accepted_us < ends_us) & (finished_us >= starts_us)
        return found

    def covers(self, tenant: int, accepted_us: int, finished_us: int) -> bool:
        """Whether an exclusion leaves one finished message out."""
        return any(
            accepted_us < ends_us and finished_us >= starts_us
            for starts_us, ends_us in (
                *(() if tenant in self._apart else self._shared),
                *self._own.get(tenant, ()),
            )
        )

    def flights(self, tenants: Int64s, accepted_us: Int64s) -> Mask:
        """Which messages in flight an exclusion will leave out, however late they finish."""
        found = np.zeros(len(tenants), dtype=np.bool_)
        for _, ends_us in self._shared:
            found |= accepted_us < ends_us
        found &= self._shares(tenants)
        for tenant, spans in self._of(tenants):
            own = tenants == tenant
            for _, ends_us in spans:
                found |= own & (accepted_us < ends_us)
        return found

    def _shares(self, tenants: Int64s) -> Mask:
        """Whom the platform's exclusions concern as they concern most."""
        if not self._apart:
            return np.ones(len(tenants), dtype=np.bool_)
        return ~np.isin(tenants, np.fromiter(self._apart, np.int64, len(self._apart)))

    def _of(self, tenants: Int64s) -> list[tuple[int, tuple[Span, ...]]]:
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


def _spans(declarations: Sequence[Declaration], profile: Profile) -> tuple[Span, ...]:
    return tuple(
        (each.starts_us, each.ends_us) for each in declarations if each.applies(LATENCY, profile)
    )
