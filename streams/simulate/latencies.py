"""The exact mean latencies of a simulated month, as the agreement counts them (contract §2)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mailsla.schemas.codec.identifiers import PLATFORM
from mailsla.streams.simulate.record import SECOND, Draft
from mailsla.streams.simulate.traffic import Chunk, Traffic

_DIRECTIONS: Final = (True, False)
_SECTION: Final = 2


@dataclass(frozen=True)
class LatencyWindowShape:
    """An exclusion in force: who it concerns (a tenant or the platform), from when until when."""

    tenant_id: str
    starts_us: int
    ends_us: int

    def excuses(self, tenant_id: str, accepted_us: int, done_us: int) -> bool:
        """Whether a message of a tenant is left out for it."""
        concerned = self.tenant_id in (tenant_id, PLATFORM)
        return concerned and accepted_us < self.ends_us and done_us >= self.starts_us


@dataclass
class Sum:
    """Latencies of one direction of one tenant: of the ``counted`` messages, and all of them."""

    total_us: int = 0
    counted: int = 0
    messages: int = 0

    @property
    def mean_s(self) -> float | None:
        """The mean of the counted messages; None without one."""
        return self.total_us / self.counted / SECOND if self.counted else None

    def over(self, limit_s: int) -> bool:
        """Whether the mean is more than a limit, exactly."""
        return self.total_us > limit_s * SECOND * self.counted


Sums = dict[tuple[str, bool], Sum]
"""(tenant_id, whether outbound) → its latencies."""


def windows(drafts: Sequence[Draft]) -> list[LatencyWindowShape]:
    """The exclusions that stand for section 2 in the end."""
    revoked = {
        (draft.tenant_id, draft.fields["exclusion_id"])
        for draft in drafts
        if draft.type == "exclusion.revoked"
    }
    return [
        LatencyWindowShape(draft.tenant_id, draft.fields["starts_at"], draft.fields["ends_at"])
        for draft in drafts
        if draft.type == "exclusion.declared"
        and (draft.tenant_id, draft.fields["exclusion_id"]) not in revoked
        and ("consent_ref" in draft.fields or draft.fields["code"] != "agreed_maintenance")
        and _SECTION in draft.fields.get("sections", (_SECTION,))
    ]


def latencies(traffic: Traffic, drafts: Sequence[Draft]) -> Sums:
    """The latencies of the ordinary messages and of those that the stories tell of."""
    sums = {(tenant, outbound): Sum() for tenant in traffic.tenants for outbound in _DIRECTIONS}
    standing = windows(drafts)
    counts, factors = traffic.counts(), traffic.slow_hours()
    for number in range(traffic.chunks):
        _add(sums, traffic.chunk(number, counts, factors), traffic.tenants, standing)
    for draft in drafts:
        if draft.type in {"message.dispatched", "message.delivered"}:
            _add_one(sums[draft.tenant_id, draft.type == "message.dispatched"], draft, standing)
    return sums


def _add(
    sums: Sums, chunk: Chunk, tenants: Sequence[str], standing: Iterable[LatencyWindowShape]
) -> None:
    done = chunk.accepted_us + chunk.latency_us
    counted = np.ones(len(chunk), dtype=np.bool_)
    for window in standing:
        touched = (chunk.accepted_us < window.ends_us) & (done >= window.starts_us)
        if window.tenant_id != PLATFORM:
            touched &= chunk.tenant == tenants.index(window.tenant_id)
        counted &= ~touched
    for outbound in _DIRECTIONS:
        mine = chunk.outbound == outbound
        every = np.bincount(chunk.tenant[mine], minlength=len(tenants))
        kept = mine & counted
        number = np.bincount(chunk.tenant[kept], minlength=len(tenants))
        # Exact: sums of a chunk stay far below 2**53 microseconds.
        total = np.bincount(chunk.tenant[kept], chunk.latency_us[kept], len(tenants))
        for place, tenant in enumerate(tenants):
            entry = sums[tenant, outbound]
            entry.messages += int(every[place])
            entry.counted += int(number[place])
            entry.total_us += int(total[place])


def _add_one(entry: Sum, draft: Draft, standing: Iterable[LatencyWindowShape]) -> None:
    accepted = draft.fields["accepted_at"]
    entry.messages += 1
    if "liability" in draft.fields or any(
        window.excuses(draft.tenant_id, accepted, draft.time_us) for window in standing
    ):
        return
    entry.counted += 1
    entry.total_us += draft.time_us - accepted
