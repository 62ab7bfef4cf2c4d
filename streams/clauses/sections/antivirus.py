"""Section 5: weekly definition updates, outbreaks, unscanned mail and actions against policy."""

from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import ClassVar

from mailsla.schemas.facts.antivirus import (
    DefinitionsUpdatedFact,
    MessageScannedFact,
    OutbreakDeclaredFact,
    OutbreakEndedFact,
)
from mailsla.schemas.facts.fact import Fact
from mailsla.streams.clauses.facts.base import Facts, Marks, Samples, micros
from mailsla.streams.clauses.facts.probes import MILLISECOND
from mailsla.streams.clauses.kinds.counted_violations import Identities
from mailsla.streams.clauses.kinds.deadlines import Deadline, deadline_measure
from mailsla.streams.clauses.model.measure import Measure, View, count_measure, mean_measure
from mailsla.streams.time.calendar import DAY, Period, midnight
from mailsla.streams.time.intervals import FOREVER

INDICATORS = (
    "antivirus.definition_updates",
    "antivirus.outbreak_updates",
    "antivirus.unscanned",
    "antivirus.policy_mismatch",
    "antivirus.scan_delay",
)
_WEEK = timedelta(days=7)


@dataclass(slots=True)
class Outbreak:
    """What was said of one outbreak, whatever the order."""

    declared_us: int | None = None
    endings: list[int] = field(default_factory=list)

    def touches(self, start_us: int, end_us: int) -> bool:
        """Whether it was going on, or was declared, in ``[start_us, end_us)``."""
        if self.declared_us is None or self.declared_us >= end_us:
            return False
        return self.declared_us >= start_us or self.ended_us > start_us

    @property
    def ended_us(self) -> int:
        """The earliest end not before the declaration."""
        place = bisect_left(self.endings, self.declared_us or 0)
        return self.endings[place] if place < len(self.endings) else FOREVER


class AntivirusFacts(Facts):
    """Updates, outbreaks and scans of one scope."""

    topic: ClassVar[str] = "mail.antivirus"
    reach_us: ClassVar[int] = 8 * DAY  # the first week of a month begins before it

    def __init__(self) -> None:
        super().__init__()
        self.updates = Marks()
        self.unscanned = Marks()
        self.delays = Samples()
        self.outbreaks: dict[str, Outbreak] = {}
        self.mismatches = Identities()

    def _take(self, fact: Fact) -> None:
        match fact:
            case MessageScannedFact():
                self._take_scan(fact)
            case DefinitionsUpdatedFact():
                self.updates.add(fact.time, fact.reference)
            case OutbreakDeclaredFact():
                outbreak = self.outbreaks.setdefault(fact.outbreak_id, Outbreak())
                known = outbreak.declared_us
                outbreak.declared_us = fact.time if known is None else min(known, fact.time)
            case OutbreakEndedFact():
                insort(self.outbreaks.setdefault(fact.outbreak_id, Outbreak()).endings, fact.time)

    def _take_scan(self, fact: MessageScannedFact) -> None:
        if fact.verdict in {"skipped", "error"} and fact.policy != "off":
            self.unscanned.add(fact.time, fact.reference)
        if against_policy(fact):
            identity = (fact.source, fact.message_id, fact.mailbox)
            self.mismatches.add(identity, fact.time, fact.reference)
        if fact.scan_ms is not None:
            self.delays.add(fact.time, micros(fact.scan_ms, MILLISECOND))

    def _drop(self, horizon_us: int) -> None:
        for marks in (self.updates, self.unscanned):
            marks.forget(horizon_us)
        self.delays.forget(horizon_us)
        self.outbreaks = {
            name: each
            for name, each in self.outbreaks.items()
            if max(each.declared_us or 0, each.ended_us, *each.endings) >= horizon_us
        }
        self.mismatches.forget(horizon_us)


def against_policy(fact: MessageScannedFact) -> bool:
    """Whether a scan's action differs from the mailbox's configured policy.

    A mailbox set to detect only is cleaned, one set to clean keeps an infected message as it
    was, or the original is kept against its setting.
    """
    untouched = fact.action in {"none", "tagged"}
    infected = fact.verdict == "infected"
    if fact.policy == "detect" and not untouched:
        return True
    if fact.policy == "clean" and infected and untouched:
        return True
    kept, wanted = fact.kept_original, fact.keep_original_policy
    return infected and kept is not None and wanted is not None and kept != wanted


def measure(own: AntivirusFacts, platform: AntivirusFacts, view: View) -> list[Measure]:
    """The indicators of section 5 in the order of the agreement."""
    spoken = view.spoken(own, platform)
    scopes = (own, platform)
    outbreaks = [each for facts in scopes for each in facts.outbreaks.values()]
    unscanned = own.unscanned.labels(view.start_us, view.end_us)
    mismatches = own.mismatches.within(view.start_us, view.end_us)
    sum_us, count = own.delays.total(view.start_us, view.end_us)
    return [
        deadline_measure("antivirus.definition_updates", _weeks(scopes, view), view, spoken),
        deadline_measure(
            "antivirus.outbreak_updates", _outbreak_weeks(scopes, outbreaks, view), view, spoken
        ),
        count_measure("antivirus.unscanned", len(unscanned), spoken, evidence=unscanned),
        count_measure("antivirus.policy_mismatch", len(mismatches), spoken, evidence=mismatches),
        mean_measure("antivirus.scan_delay", sum_us, count),
    ]


def _weeks(scopes: Iterable[AntivirusFacts], view: View) -> list[Deadline]:
    """The weeks of the month, each to see an update."""
    return [_week(label, start, end, scopes, 1, view) for label, start, end in _bounds(view.period)]


def _outbreak_weeks(
    scopes: Iterable[AntivirusFacts], outbreaks: Iterable[Outbreak], view: View
) -> list[Deadline]:
    """The weeks that an outbreak touches, each to see several updates."""
    return [
        _week(label, start, end, scopes, view.profile.outbreak_updates, view)
        for label, start, end in _bounds(view.period)
        if any(each.touches(start, end) for each in outbreaks)
    ]


@lru_cache(maxsize=1024)
def _bounds(period: Period) -> list[tuple[str, int, int]]:
    """``(name, start, end)`` of the weeks of a period."""
    return [
        (f"week-{monday}", midnight(monday, period.zone), midnight(monday + _WEEK, period.zone))
        for monday in period.weeks()
    ]


def _week(
    label: str, start_us: int, end_us: int, scopes: Iterable[AntivirusFacts], due: int, view: View
) -> Deadline:
    done = sum(each.updates.count(start_us, end_us) for each in scopes) >= due
    return Deadline(start_us, end_us, not done and view.now_us >= end_us, done, label)
