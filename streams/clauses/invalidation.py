"""From which instant on a fact changes what is known; it may lie long before the fact."""

from array import array
from bisect import bisect_left
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


def may_be_quiet(fact: Fact | None) -> bool:
    """Whether a fact is of those that `is_quiet` may be true of: the later, the sooner it is."""
    return isinstance(fact, MonitorHeartbeatFact) or (isinstance(fact, ProbeResultFact) and fact.ok)


def is_quiet(fact: Fact, position_us: int, down_until_us: int, watched: Callable[[], bool]) -> bool:
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
            return fact.time >= position_us or not watched()
    return False


class ChangesSince:
    """From which instant on the records of a log, from any of its offsets on, changed anything.

    Kept are those that reach back further than all that follow: nobody asks for the others.
    """

    def __init__(self) -> None:
        self._offsets, self._since_us = array("q"), array("q")

    def note(self, offset: int, since_us: int) -> None:
        """The record at an offset beyond all others changes something from an instant on, µs."""
        while self._since_us and self._since_us[-1] >= since_us:
            self._since_us.pop()
            self._offsets.pop()
        self._offsets.append(offset)
        self._since_us.append(since_us)

    def since_us(self, offset: int) -> int | None:
        """The earliest instant of the records at or beyond an offset, if there are any."""
        at = bisect_left(self._offsets, offset)
        return self._since_us[at] if at < len(self._offsets) else None

    def forget(self, before_us: int) -> None:
        """Take instants before one for the same: no month that is open began before it."""
        surplus = max(0, bisect_left(self._since_us, before_us) - 1)
        del self._offsets[:surplus], self._since_us[:surplus]
