"""Section 3: faults, adjustments, faulty days, billing errors, page loads and monitoring."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from mailsla.streams.clauses.facts.billing import BillingRegister
from mailsla.streams.clauses.facts.exclusions import OPERATIONS
from mailsla.streams.clauses.facts.ops import OpsFacts
from mailsla.streams.clauses.facts.probes import ProbeFacts
from mailsla.streams.clauses.kinds.durations import duration_measure, remaining_measure
from mailsla.streams.clauses.model.measure import Measure, View, first_evidence, holds, mean_measure
from mailsla.streams.time.calendar import days, days_of_year, local_day, midnight
from mailsla.streams.time.intervals import IntervalSet, span

INDICATORS = (
    "operations.fault_duration",
    "operations.adjustment_duration",
    "operations.availability",
    "operations.fault_free_days",
    "operations.billing_error_rate",
    "operations.page_load.narrowband",
    "operations.page_load.broadband",
    "operations.monitoring",
)
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class FaultWindow:
    """Faults and adjustments in a window, microseconds; incidents open at its end."""

    open_incidents: int
    fault_us: int
    adjustment_us: int
    length_us: int

    @property
    def availability(self) -> Fraction:
        """The share of the window without fault."""
        return 1 - Fraction(self.fault_us, self.length_us)


@dataclass(frozen=True, slots=True)
class Faults:
    """The fault intervals of a tenant and of the platform, and what is left without exclusions."""

    raw: IntervalSet
    net: IntervalSet

    @classmethod
    def of(cls, own: OpsFacts, platform: OpsFacts, view: View) -> "Faults":
        """Faults as far as they are foreseen: an open one runs on for ever."""
        raw = own.intervals("fault") | platform.intervals("fault")
        return cls(raw, raw - view.exclusions.intervals(OPERATIONS, view.profile))


def window(
    own: OpsFacts, platform: OpsFacts, view: View, start_us: int, end_us: int
) -> FaultWindow:
    """Faults (without excluded time) and adjustments in ``[start_us, end_us)``."""
    adjustments = own.intervals("adjustment") | platform.intervals("adjustment")
    return FaultWindow(
        open_incidents=own.open_at(end_us) + platform.open_at(end_us),
        fault_us=Faults.of(own, platform, view).net.within(start_us, end_us),
        adjustment_us=adjustments.within(start_us, end_us),
        length_us=end_us - start_us,
    )


def measure(own: OpsFacts, platform: OpsFacts, view: View) -> list[Measure]:
    """Faults, adjustments, faulty days and monitoring, from ``mail.ops``."""
    spoken = view.spoken(own, platform)
    faults = Faults.of(own, platform, view)
    adjustments = own.intervals("adjustment") | platform.intervals("adjustment")
    unwatched = span(view.start_us, view.end_us) - (own.covered() | platform.covered())
    evidence = _evidence(own, platform, "fault", view)
    adjusted = _evidence(own, platform, "adjustment", view)
    return [
        duration_measure(
            "operations.fault_duration", faults.raw, faults.net, view, spoken, evidence
        ),
        duration_measure(
            "operations.adjustment_duration", adjustments, adjustments, view, spoken, adjusted
        ),
        remaining_measure(
            "operations.availability", faults.raw, faults.net, view, spoken, evidence
        ),
        _fault_free_days(faults, view, spoken, evidence),
        remaining_measure("operations.monitoring", unwatched, unwatched, view, has_data=True),
    ]


def measure_pages(own: ProbeFacts, platform: ProbeFacts, view: View) -> list[Measure]:
    """Mean page loads: the tenant's own samples of the month, or else the platform's."""
    measures = []
    for bandwidth in ("narrowband", "broadband"):
        sum_us, count = own.pages[bandwidth].total(view.start_us, view.end_us)
        if count == 0:
            sum_us, count = platform.pages[bandwidth].total(view.start_us, view.end_us)
        measures.append(mean_measure(f"operations.page_load.{bandwidth}", sum_us, count))
    return measures


def measure_billing(register: BillingRegister, view: View) -> list[Measure]:
    """The share of charged customers that were charged wrongly; every tenant gets the same."""
    label = view.period.month.label
    charged, wronged = register.charged(label), register.wronged(label)
    return [
        Measure(
            indicator="operations.billing_error_rate",
            trend="moves",
            numerator=len(wronged),
            denominator=charged,
            raw_numerator=len(wronged),
            raw_denominator=charged,
            evidence=first_evidence(wronged),
            evidence_count=len(wronged),
        )
    ]


def _fault_free_days(faults: Faults, view: View, spoken: bool, evidence: list[str]) -> Measure:
    zone, month = view.period.zone, view.period.month
    start_us = midnight(view.period.year_from, zone)
    year = days_of_year(month.year)
    faulty = set(_days(faults.net.clip(start_us, view.known_us), view))
    raw = set(_days(faults.raw.clip(start_us, view.known_us), view))
    term = view.contract.term("operations.fault_free_days")
    before = year - sum(day < month.first for day in faulty)
    missed = (
        term.comparator is not None
        and term.target is not None
        and not holds(before, 1, term.comparator, term.target)
    )
    return Measure(
        indicator="operations.fault_free_days",
        trend="falls",
        numerator=year - len(faulty),
        denominator=1 if spoken else 0,
        raw_numerator=year - len(raw),
        raw_denominator=1 if spoken else 0,
        excluded=Decimal(len(raw) - len(faulty)),
        full=year,
        evidence=first_evidence(evidence),
        evidence_count=len(faulty),
        next_us=_next_faulty_day(faults.net.clip(view.known_us, view.end_us), faulty, view),
        settled_before=missed and month.number > 1,
    )


def _days(intervals: IntervalSet, view: View) -> Iterator[date]:
    """The local days of service that have a part of the intervals, in order, some twice."""
    for start_us, end_us in intervals.pairs():
        first = local_day(start_us, view.period.zone)
        for day in days(first, local_day(end_us - 1, view.period.zone) + _ONE_DAY):
            if not any(gap <= day < end for gap, end in view.period.gaps):
                yield day


def _next_faulty_day(foreseen: IntervalSet, faulty: set[date], view: View) -> int | None:
    """When, with what is going on, one more day will have a faulty moment."""
    for day in _days(foreseen, view):
        if day not in faulty:
            start_us = midnight(day, view.period.zone)
            return int(foreseen.clip(start_us, view.end_us).starts[0]) + 1
    return None


def _evidence(own: OpsFacts, platform: OpsFacts, kind: str, view: View) -> list[str]:
    references = [
        mark
        for facts in (own, platform)
        for mark in facts.references(kind, view.start_us, view.known_us)
    ]
    return [label for _, label in sorted(references)]
