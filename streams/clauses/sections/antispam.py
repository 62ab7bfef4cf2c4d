"""Section 4: complaints, results, block lists and listings, each due by the end of a local day."""

import logging
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import ClassVar, Final

from mailsla.schemas.calendars import CalendarError
from mailsla.schemas.contract import Contract, Profile
from mailsla.schemas.facts.abuse import (
    BlocklistProcessedFact,
    BlocklistPublishedFact,
    ComplaintReceivedFact,
    ComplaintRespondedFact,
    ComplaintResultNotifiedFact,
    ListingDetectedFact,
    ListingReportedFact,
    SourceConfirmedFact,
    SourceReportedFact,
)
from mailsla.schemas.facts.fact import Fact
from mailsla.streams.clauses.facts.base import Facts
from mailsla.streams.clauses.kinds.deadlines import Deadline, deadline_measure
from mailsla.streams.clauses.model.measure import Measure, View, count_measure
from mailsla.streams.time.calendar import DAY, local_day, midnight

INDICATORS = (
    "antispam.complaint_response",
    "antispam.result_notice",
    "antispam.blocklist_processing",
    "antispam.listing_report",
    "antispam.foreign_source_report",
)
_ONE_DAY = timedelta(days=1)
_LONGEST_FREE = timedelta(days=16)
"""No two working days are further apart; China's longest holiday takes ten days."""
_EVERYONE: Final = frozenset({"association", "provider", "nsp"})
"""To whom an outside source of spam is reported."""

_LEFT_OUT: Final[set[tuple[str, str, str]]] = set()
"""Cases of which this process has said that they are not judged: each is said once."""
_MOST_LEFT_OUT: Final = 100_000
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Case:
    """One complaint, list, listing or source: when it came and when it was first answered."""

    began: tuple[int, str] | None = None
    """Earliest begin: ``(time, reference)``."""
    answers: dict[str, int] = field(default_factory=dict)
    """Kind of answer → earliest time."""
    told: set[str] = field(default_factory=set)
    """Who was told of an outside source."""
    latest_us: int = 0


class AbuseFacts(Facts):
    """Cases of one scope by kind and identity."""

    topic: ClassVar[str] = "mail.abuse"
    reach_us: ClassVar[int] = 400 * DAY  # a contract may allow a year for an answer

    def __init__(self) -> None:
        super().__init__()
        self._cases: defaultdict[str, dict[str, Case]] = defaultdict(dict)

    def begun(self, kind: str) -> Iterator[tuple[int, str, Case]]:
        """The cases of a kind that have come in: ``(time, reference, case)``."""
        for case in self._cases[kind].values():
            if case.began is not None:
                yield *case.began, case

    def source_confirmed_us(self, case_id: str) -> int | None:
        """When an outside source was confirmed."""
        case = self._cases["source"].get(case_id)
        return None if case is None or case.began is None else case.began[0]

    def _take(self, fact: Fact) -> None:
        match fact:
            case ComplaintReceivedFact():
                if fact.origin != "foreign":
                    self._begin("complaint", fact.case_id, fact)
            case BlocklistPublishedFact():
                self._begin("blocklist", fact.list_id, fact)
            case ListingDetectedFact():
                self._begin("listing", fact.listing_id, fact)
            case SourceConfirmedFact():
                self._begin("source", fact.case_id, fact)
            case ComplaintRespondedFact():
                self._answer("complaint", fact.case_id, "responded", fact.time)
            case ComplaintResultNotifiedFact():
                self._answer("complaint", fact.case_id, "notified", fact.time)
            case BlocklistProcessedFact():
                self._answer("blocklist", fact.list_id, "processed", fact.time)
            case ListingReportedFact():
                self._answer("listing", fact.listing_id, "reported", fact.time)
            case SourceReportedFact():
                if fact.reported_to:
                    self._case("source", fact.case_id, fact.time).told.add(fact.reported_to)

    def _begin(self, kind: str, name: str, fact: Fact) -> None:
        case = self._case(kind, name, fact.time)
        mark = (fact.time, fact.reference)
        case.began = mark if case.began is None else min(case.began, mark)

    def _answer(self, kind: str, name: str, answer: str, time_us: int) -> None:
        answers = self._case(kind, name, time_us).answers
        answers[answer] = min(time_us, answers.get(answer, time_us))

    def _case(self, kind: str, name: str, time_us: int) -> Case:
        case = self._cases[kind].setdefault(name, Case())
        case.latest_us = max(case.latest_us, time_us)
        return case

    def _drop(self, horizon_us: int) -> None:
        for kind, cases in self._cases.items():
            self._cases[kind] = {
                name: case for name, case in cases.items() if case.latest_us >= horizon_us
            }


def measure(own: AbuseFacts, platform: AbuseFacts, view: View) -> list[Measure]:
    """The indicators of section 4 in the order of the agreement.

    A case whose deadline needs working days that its calendar does not know is left out, and only
    that case: it is judged once the calendar knows them.
    """
    spoken = view.spoken(own, platform)
    scopes = (own, platform)
    rules = (
        ("antispam.complaint_response", "complaint", "responded"),
        ("antispam.result_notice", "complaint", "notified"),
        ("antispam.blocklist_processing", "blocklist", "processed"),
        ("antispam.listing_report", "listing", "reported"),
    )
    measures = [
        deadline_measure(indicator, list(_due(scopes, kind, answer, view)), view, spoken)
        for indicator, kind, answer in rules
    ]
    untold = sorted(
        (time_us, label)
        for facts in scopes
        for time_us, label, case in facts.begun("source")
        if view.start_us <= time_us < view.end_us and not case.told >= _EVERYONE
    )
    evidence = [label for _, label in untold]
    # A source can still be reported, hence the count moves both ways.
    reports = count_measure(
        "antispam.foreign_source_report", len(untold), spoken, evidence=evidence, trend="moves"
    )
    return [*measures, reports]


def _due(scopes: tuple[AbuseFacts, ...], kind: str, answer: str, view: View) -> Iterator[Deadline]:
    """The deadlines of a kind whose day lies in the period, each judged as known now."""
    for facts in scopes:
        for time_us, label, case in facts.begun(kind):
            received = local_day(time_us, view.period.zone)
            contract = view.received_under(time_us)
            try:
                due_day = _deadline_day(received, answer, view, contract)
            except CalendarError as error:
                _leave_out(contract, answer, received, label, error)
                continue
            if due_day is None or not view.period.first <= due_day < view.period.end:
                continue
            due_us = midnight(due_day + _ONE_DAY, view.period.zone)
            answered_us = case.answers.get(answer)
            done = answered_us is not None and answered_us < due_us
            late = not done and (answered_us is not None or view.now_us >= due_us)
            yield Deadline(time_us, due_us, late, done, label)


def _deadline_day(received: date, answer: str, view: View, contract: Contract) -> date | None:
    """The last local day on which the answer is in time; ``None`` if surely not in the period."""
    if answer == "notified":
        return received + contract.profile.result_notice_days * _ONE_DAY
    count = _working_days(answer, contract.profile)
    # Where the answer is plain no calendar is asked: it may not know those years.
    soonest, latest = received + count * _ONE_DAY, received + count * _LONGEST_FREE
    if soonest >= view.period.end or latest < view.period.first:
        return None
    return view.calendars.working_day_after(received, count, contract.calendar)


def _leave_out(
    contract: Contract, answer: str, received: date, label: str, error: CalendarError
) -> None:
    """Say once which case is not judged, and why."""
    unknown = (contract.tenant_id, answer, label)
    if unknown in _LEFT_OUT:
        return
    if len(_LEFT_OUT) < _MOST_LEFT_OUT:
        _LEFT_OUT.add(unknown)
    _log.warning(
        "%s, calendar: the deadline of %s, received on %s, is not known: %s",
        *(contract.tenant_id, label, received, error),
    )


def left_out() -> int:
    """How many cases have not been judged because their deadline was not known."""
    return len(_LEFT_OUT)


def _working_days(answer: str, profile: Profile) -> int:
    match answer:
        case "responded":
            return profile.response_working_days
        case "processed":
            return profile.blocklist_working_days
        case _:
            return profile.listing_report_working_days
