"""From which instant on a fact changes what is known; it may lie long before the fact."""

from collections.abc import Callable
from datetime import date
from typing import Final

from mailsla.schemas.facts.abuse import SourceReportedFact
from mailsla.schemas.facts.billing import BillingErrorConfirmedFact, CustomerChargedFact
from mailsla.schemas.facts.fact import Fact
from mailsla.schemas.facts.ops import (
    ApprovalGivenFact,
    ExclusionDeclaredFact,
    ExclusionRevokedFact,
    MonitorHeartbeatFact,
    OutageDeclaredFact,
    OutageRevokedFact,
)
from mailsla.schemas.facts.probe import ProbeResultFact
from mailsla.streams.clauses.registry import Scope
from mailsla.streams.time.calendar import DAY

EXCLUSIONS: Final = (ExclusionDeclaredFact, ExclusionRevokedFact, ApprovalGivenFact)
"""What changes which messages are left out."""
_EPOCH: Final = date(1970, 1, 1)


def changed_since(fact: Fact, scope: Callable[[], Scope]) -> int:
    """The instant, µs, from which on a fact changes anything that its scope has just taken.

    Or has just given up: what is taken out changes what it changed when it came.

    An exclusion or a declared outage reaches back to the earliest start it was ever declared with,
    since a later declaration or a revocation gives that time back; a bill to the month it is for;
    the report of a source of spam to the month in which that was confirmed.
    """
    time_us = fact.time
    earlier: int | None = None
    match fact:
        case ProbeResultFact():
            pass  # by far the most of all facts
        case (
            ExclusionDeclaredFact()
            | ExclusionRevokedFact()
            | ApprovalGivenFact()
            | OutageDeclaredFact()
            | OutageRevokedFact()
        ):
            earlier = scope().ops.first_declared_us(fact)
            if isinstance(fact, ExclusionDeclaredFact | OutageDeclaredFact):
                earlier = fact.starts_at if earlier is None else min(fact.starts_at, earlier)
        case SourceReportedFact():
            earlier = scope().abuse.source_confirmed_us(fact.case_id)
        case CustomerChargedFact() | BillingErrorConfirmedFact():
            # Within the month in every time zone.
            second = date.fromisoformat(f"{fact.billing_month}-02")
            earlier = (second - _EPOCH).days * DAY
    return time_us if earlier is None else min(time_us, earlier)


def is_quiet(fact: Fact, position_us: int, down_until_us: int, watched: bool) -> bool:
    """Whether a fact changes no present state, and puts off what is to come if anything.

    A good probe result speaks for the time after it, in which nothing is down; a heartbeat
    matters to the past only where monitoring is judged.

    Args:
        fact: just applied, or about to be.
        position_us: event time reached before.
        down_until_us: until when the tenant was ever seen, or foreseen, to be down.
        watched: whether a contract says something about monitoring.

    """
    match fact:
        case ProbeResultFact():
            return fact.ok and fact.time >= min(position_us, down_until_us)
        case MonitorHeartbeatFact():
            return not watched or fact.time >= position_us
    return False
