"""What a statement tells of one tenant-month: gathered once, rendered in any language."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from mailsla.schemas.codec.identifiers import PLATFORM
from mailsla.schemas.contract import Profile
from mailsla.schemas.indicators import Comparator, MonthVerdict, Verdict
from mailsla.schemas.results import ClosingItem, Credit
from mailsla.sinks.closing.plan.contract_segments import SegmentPeriod, SegmentSpan
from mailsla.sinks.statement.facts.spans import Span

SHOWN = 20
"""So many references stand behind an indicator; of more, the number is named."""

ExclusionState = Literal[
    "applied", "no_consent", "short_notice", "unapproved", "over_limit", "cut", "revoked"
]
_DAY_US = 86_400_000_000


@dataclass(frozen=True)
class StatementRevision:
    """One frozen closing of a tenant-month."""

    tenant_id: str
    revision: int
    closed_at: datetime
    cutoff: datetime
    superseded: bool
    provisional: bool
    verdict: MonthVerdict
    contract_version: int
    profile: str
    fingerprint: str
    run: str
    """The closing that made it."""
    undecided: Sequence[str] = ()
    """Indicators that hang on working days which only a later official notice decides."""


@dataclass(frozen=True)
class Part:
    """An indicator in the part ``[first, last)`` of the month under one contract version."""

    version: int
    first: date
    last: date
    observed: Decimal | None
    target: Decimal | None
    comparator: Comparator | None
    verdict: Verdict


@dataclass(frozen=True)
class Evidence:
    """One reference behind a figure; instants in µs since 1970, 0 where there is none.

    ``about`` names further particulars; empty values say nothing.
    """

    reference: str
    begins_us: int
    ends_us: int = 0
    due_us: int = 0
    about: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Proof:
    """The references behind an indicator, at most `SHOWN` of ``total``."""

    rows: Sequence[Evidence]
    total: int


@dataclass(frozen=True)
class Exclusion:
    """A declared exclusion that touches the month."""

    scope: str
    exclusion_id: str
    code: str
    starts_us: int
    ends_us: int
    sections: Sequence[int]
    """As declared; empty: those the code names."""
    consent_ref: str
    note: str
    declared_us: int
    revoked_us: int
    approved: bool = False
    """Whether another actor than the one who declared it has agreed to it."""

    def state(self, profile: Profile) -> ExclusionState:
        """Whether it takes anything out under a contract's readings, and if not, why.

        Whether the hours of a year are enough for it says `Maintenance.state`.
        """
        if self.revoked_us:
            return "revoked"
        maintenance = self.code == "agreed_maintenance"
        if maintenance and not self.consent_ref:
            return "no_consent"
        notice_us = profile.notice_days * _DAY_US
        if maintenance and notice_us and self.declared_us + notice_us > self.starts_us:
            return "short_notice"
        if "exclusion" in profile.approval and not self.approved:
            return "unapproved"
        return "applied"

    def applies_to(self, operations_exclusions: Sequence[str]) -> list[int]:
        """The sections it concerns under a contract that excuses faults by these codes."""
        named = self.sections or ([2, 3] if self.code == "foreign_system" else [1, 2, 3])
        return [n for n in named if n in {1, 2} or (n == 3 and self.code in operations_exclusions)]


@dataclass(frozen=True)
class Maintenance:
    """Agreed maintenance of the year up to the end of the tenant's month, µs.

    ``used_up_us`` is the instant from which on none counts any more; 0: the hours are enough.
    """

    hours: int
    counted_us: int
    left_out_us: int
    used_up_us: int

    def state(self, one: Exclusion) -> ExclusionState:
        """What becomes of a window that would be applied but for the limit."""
        if not self.used_up_us or one.ends_us <= self.used_up_us:
            return "applied"
        return "over_limit" if one.starts_us >= self.used_up_us else "cut"


@dataclass(frozen=True)
class Voided:
    """An event of the month that was taken out after it had landed."""

    reference: str
    type: str
    time_us: int
    reason: str
    actor: str
    voided_us: int


@dataclass(frozen=True)
class StatementIncident:
    """A fault or an adjustment; ``closed_us`` 0: still open at the cutoff."""

    scope: str
    incident_id: str
    kind: str
    component: str
    description: str
    opened_us: int
    closed_us: int

    @property
    def of_platform(self) -> bool:
        """Whether it befell everybody."""
        return self.scope == PLATFORM


@dataclass(frozen=True)
class DayLatency:
    """The messages of one local day and direction that count; µs."""

    day: date
    messages: int
    total_us: int
    largest_us: int

    @property
    def mean_us(self) -> float:
        """The arithmetic mean."""
        return self.total_us / self.messages


@dataclass(frozen=True)
class Statement:
    """A tenant-month: the closing's frozen figures, and the facts as of its cutoff."""

    month: date
    revision: StatementRevision
    period: SegmentPeriod
    contracts: Sequence[SegmentSpan]
    """The versions in force on a day of the month."""
    items: Sequence[ClosingItem]
    parts: Mapping[str, Sequence[Part]]
    """indicator → its parts, where the contract changed within the month."""
    credits: Sequence[Credit]
    latency: Mapping[str, Sequence[DayLatency]]
    """``outbound`` and ``inbound`` → days with messages, in order."""
    down: Sequence[Span]
    unobserved: Sequence[Span]
    excused: Mapping[int, Sequence[Span]]
    """section → time taken out by exclusions."""
    exclusions: Sequence[Exclusion]
    incidents: Sequence[StatementIncident]
    """Of the whole year up to the end of the month."""
    faulty_days: Sequence[date]
    """Days of the year up to the month's end that a fault spoiled."""
    proofs: Mapping[str, Proof]
    maintenance: Maintenance | None = None
    """Where the contract limits the hours of agreed maintenance in a year."""
    voided: Sequence[Voided] = ()
    """In order of time."""

    @property
    def tenant_id(self) -> str:
        """Whose month it is."""
        return self.revision.tenant_id

    @property
    def issued(self) -> list[Credit]:
        """What this revision owes."""
        return [credit for credit in self.credits if credit.kind == "issue"]

    @property
    def reversed(self) -> list[Credit]:
        """What this revision took back of the one before."""
        return [credit for credit in self.credits if credit.kind == "reversal"]
