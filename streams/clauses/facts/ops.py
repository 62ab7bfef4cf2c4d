"""Facts of ``mail.ops``: incidents, exclusions, declared outages and heartbeats of one scope."""

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from typing import ClassVar, Final

from mailsla.schemas.facts.fact import Fact
from mailsla.schemas.facts.ops import (
    ApprovalGivenFact,
    ExclusionDeclaredFact,
    ExclusionRevokedFact,
    IncidentClosedFact,
    IncidentOpenedFact,
    MonitorHeartbeatFact,
    OutageDeclaredFact,
    OutageRevokedFact,
    SourceProgressFact,
)
from mailsla.streams.clauses.facts.base import Facts, micros
from mailsla.streams.clauses.facts.exclusions import MAINTENANCE, Declaration, ExclusionRegister
from mailsla.streams.time.calendar import DAY, SECOND
from mailsla.streams.time.intervals import EMPTY, FOREVER, IntervalSet, union

_HEARTBEAT_COVERS: Final = 2
"""Intervals that one heartbeat vouches for (contract section 3, monitoring)."""
_LONGEST_COVER: Final = 400 * DAY
_MOST_UNMERGED: Final = 1_024


@dataclass(frozen=True, order=True, slots=True)
class Opening:
    """Where an incident begins; the earliest of an identity counts."""

    time_us: int
    id: str
    source: str
    kind: str = field(compare=False)


@dataclass(slots=True)
class Incident:
    """What was said of one incident identity, whatever the order."""

    opening: Opening | None = None
    closings: list[int] = field(default_factory=list)

    @property
    def end_us(self) -> int:
        """The earliest closing not before the start; open ones run on for ever."""
        if self.opening is None:
            return FOREVER
        place = bisect_left(self.closings, self.opening.time_us)
        return self.closings[place] if place < len(self.closings) else FOREVER


class OpsFacts(Facts):
    """Incidents and monitoring (section 3), exclusions (sections 1 to 3) of one scope."""

    topic: ClassVar[str] = "mail.ops"
    reach_us: ClassVar[int] = 368 * DAY  # faulty days are counted over the year

    def __init__(self) -> None:
        super().__init__()
        self.exclusions = ExclusionRegister()
        self.outages = ExclusionRegister()
        self._incidents: dict[str, Incident] = {}
        self._covered: IntervalSet = EMPTY
        self._fresh: list[tuple[int, int]] = []
        self._intervals: dict[str, tuple[int, IntervalSet]] = {}
        self._incidents_version = 0

    def intervals(self, kind: str) -> IntervalSet:
        """The union of the ``fault`` or ``adjustment`` incidents; open ones run on for ever."""
        version, found = self._intervals.get(kind, (-1, EMPTY))
        if version < self._incidents_version:
            found = IntervalSet.of(
                (each.opening.time_us, each.end_us)
                for each in self._incidents.values()
                if each.opening is not None and each.opening.kind == kind
            )
            self._intervals[kind] = (self._incidents_version, found)
        return found

    def references(self, kind: str, start_us: int, end_us: int) -> list[tuple[int, str]]:
        """The incidents that lie partly in ``[start, end)``, as ``(start, opening event)``."""
        return sorted(
            (opening.time_us, f"{opening.source}#{opening.id}")
            for each in self._incidents.values()
            if (opening := each.opening) is not None
            and opening.kind == kind
            and opening.time_us < end_us
            and each.end_us > max(start_us, opening.time_us)
        )

    def first_declared_us(
        self,
        fact: ExclusionDeclaredFact
        | ExclusionRevokedFact
        | OutageDeclaredFact
        | OutageRevokedFact
        | ApprovalGivenFact,
    ) -> int | None:
        """The earliest start of what a fact declares, revokes or approves."""
        match fact:
            case ExclusionDeclaredFact() | ExclusionRevokedFact():
                return self.exclusions.first_start(fact.exclusion_id)
            case OutageDeclaredFact() | OutageRevokedFact():
                return self.outages.first_start(fact.outage_id)
            case ApprovalGivenFact():
                both = (self.exclusions, self.outages)
                starts = (register.first_start(fact.approves) for register in both)
                return min((start for start in starts if start is not None), default=None)

    def open_at(self, us: int) -> int:
        """How many incidents of either kind are going on at an instant."""
        return sum(
            each.opening is not None and each.opening.time_us <= us < each.end_us
            for each in self._incidents.values()
        )

    def covered(self) -> IntervalSet:
        """The time for which heartbeats vouch."""
        if self._fresh:
            self._covered = union((self._covered, IntervalSet.of(self._fresh)))
            self._fresh.clear()
        return self._covered

    def observe(self, fact: Fact) -> None:
        """Take an event of the topic; how far a log is read says nothing of operations."""
        if not isinstance(fact, SourceProgressFact):
            super().observe(fact)

    def speaks(self, fact: Fact) -> bool:
        """Maintenance that nobody agreed to excludes nothing, and tells of no operations."""
        if not isinstance(fact, ExclusionDeclaredFact):
            return True
        return fact.code != MAINTENANCE or bool(fact.consent_ref)

    def _take(self, fact: Fact) -> None:
        match fact:
            case MonitorHeartbeatFact():
                interval_us = min(micros(fact.interval_s, SECOND), _LONGEST_COVER)
                self._fresh.append((fact.time, fact.time + _HEARTBEAT_COVERS * interval_us))
                if len(self._fresh) >= _MOST_UNMERGED:
                    self.covered()
            case IncidentOpenedFact():
                incident = self._incidents.setdefault(fact.incident_id, Incident())
                opening = Opening(fact.time, fact.id, fact.source, fact.kind)
                if incident.opening is None or opening < incident.opening:
                    incident.opening = opening
                self._incidents_version += 1
            case IncidentClosedFact():
                incident = self._incidents.setdefault(fact.incident_id, Incident())
                insort(incident.closings, fact.time)
                self._incidents_version += 1
            case ExclusionDeclaredFact():
                self.exclusions.declare(fact.exclusion_id, _excluded(fact))
            case ExclusionRevokedFact():
                self.exclusions.revoke(fact.exclusion_id, fact.time)
            case OutageDeclaredFact():
                self.outages.declare(fact.outage_id, _down(fact))
            case OutageRevokedFact():
                self.outages.revoke(fact.outage_id, fact.time)
            case ApprovalGivenFact():
                # It names either of them; to the register of the other kind it says nothing.
                for register in (self.exclusions, self.outages):
                    register.approve(fact.approves, fact.time, fact.actor)

    def _drop(self, horizon_us: int) -> None:
        self.exclusions.forget(horizon_us)
        self.outages.forget(horizon_us)
        self._covered = self.covered().clip(horizon_us, FOREVER)
        done = [name for name, each in self._incidents.items() if _over(each, horizon_us)]
        for name in done:
            del self._incidents[name]
        self._incidents_version += 1


def _over(incident: Incident, horizon_us: int) -> bool:
    last = max(incident.closings, default=FOREVER)
    if incident.opening is None:
        return last < horizon_us
    return incident.end_us < horizon_us and last < horizon_us


def _excluded(fact: ExclusionDeclaredFact) -> Declaration:
    return Declaration(
        fact.time,
        fact.source,
        fact.id,
        code=fact.code,
        starts_us=fact.starts_at,
        ends_us=fact.ends_at,
        sections=None if fact.sections is None else frozenset(fact.sections),
        consented=bool(fact.consent_ref),
        actor=fact.actor or "",
    )


def _down(fact: OutageDeclaredFact) -> Declaration:
    return Declaration(
        fact.time,
        fact.source,
        fact.id,
        code="",
        starts_us=fact.starts_at,
        ends_us=fact.ends_at,
        sections=None,
        consented=False,
        actor=fact.actor,
    )
