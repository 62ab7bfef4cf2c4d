"""Facts of ``mail.ops``: incidents, exclusions, declared outages and heartbeats of one scope."""

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from typing import ClassVar, Final

from mailsla.streams.clauses.facts.base import Fact, Facts, micros
from mailsla.streams.clauses.model.exclusions import ExclusionRegister
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
        self.outages = ExclusionRegister("outage")
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

    def first_declared_us(self, fact: Fact) -> int | None:
        """The earliest start of what a fact declares, revokes or approves."""
        if "approves" in fact:
            name = fact["approves"]
            starts = (each.first_start(name) for each in (self.exclusions, self.outages))
            return min((start for start in starts if start is not None), default=None)
        if "outage_id" in fact:
            return self.outages.first_start(fact["outage_id"])
        return self.exclusions.first_start(fact["exclusion_id"])

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
        if fact["type"] != "source.progress":
            super().observe(fact)

    def speaks(self, fact: Fact) -> bool:
        """Maintenance that nobody agreed to excludes nothing, and tells of no operations."""
        idle = fact.get("code") == "agreed_maintenance" and not fact.get("consent_ref")
        return not (fact["type"] == "exclusion.declared" and idle)

    def _take(self, fact: Fact) -> None:
        match fact["type"]:
            case "incident.opened":
                incident = self._incidents.setdefault(fact["incident_id"], Incident())
                opening = Opening(fact["time"], fact["id"], fact["source"], fact["kind"])
                if incident.opening is None or opening < incident.opening:
                    incident.opening = opening
                self._incidents_version += 1
            case "incident.closed":
                incident = self._incidents.setdefault(fact["incident_id"], Incident())
                insort(incident.closings, fact["time"])
                self._incidents_version += 1
            case "exclusion.declared":
                self.exclusions.declare(fact)
            case "exclusion.revoked":
                self.exclusions.revoke(fact)
            case "outage.declared":
                self.outages.declare(fact)
            case "outage.revoked":
                self.outages.revoke(fact)
            case "approval.given":
                self.exclusions.approve(fact)
                self.outages.approve(fact)
            case "monitor.heartbeat":
                interval_us = min(micros(fact["interval_s"], SECOND), _LONGEST_COVER)
                cover_us = _HEARTBEAT_COVERS * interval_us
                self._fresh.append((fact["time"], fact["time"] + cover_us))
                if len(self._fresh) >= _MOST_UNMERGED:
                    self.covered()

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
