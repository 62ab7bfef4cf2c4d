"""Indicators measured as time: so much of the month violated, or what is left of it."""

from collections.abc import Iterable
from dataclasses import replace

from mailsla.streams.clauses.model.measure import (
    Budget,
    Measure,
    View,
    earliest,
    first_evidence,
    seconds,
)
from mailsla.streams.time.calendar import SECOND
from mailsla.streams.time.intervals import IntervalSet


def duration_measure(
    indicator: str,
    raw: IntervalSet,
    net: IntervalSet,
    view: View,
    has_data: bool,
    evidence: Iterable[str] = (),
) -> Measure:
    """The violated time of the month in seconds.

    Args:
        indicator: its id.
        raw: the violating intervals, as far ahead as they are foreseen if nothing happens.
        net: the same without the excluded time.
        view: the tenant-month; cuts the intervals and says up to where they are known.
        has_data: whether there is a value at all.
        evidence: references of what happened.

    """
    return _measure(indicator, raw, net, view, has_data, evidence, whole_us=None)


def remaining_measure(
    indicator: str,
    raw: IntervalSet,
    net: IntervalSet,
    view: View,
    has_data: bool,
    evidence: Iterable[str] = (),
) -> Measure:
    """The share of the whole month that the violated time so far leaves; arguments as above."""
    whole_us = view.period.length_us
    return _measure(indicator, raw, net, view, has_data, evidence, whole_us)


def _measure(
    indicator: str,
    raw: IntervalSet,
    net: IntervalSet,
    view: View,
    has_data: bool,
    evidence: Iterable[str],
    whole_us: int | None,
) -> Measure:
    foreseen = net.clip(view.start_us, view.end_us)
    spent = foreseen.clip(view.start_us, view.known_us)
    raw_us, net_us = raw.within(view.start_us, view.known_us), spent.length()
    denominator = SECOND if whole_us is None else whole_us
    measure = Measure(
        indicator=indicator,
        trend="rises" if whole_us is None else "falls",
        numerator=net_us if whole_us is None else whole_us - net_us,
        denominator=denominator,
        raw_numerator=raw_us if whole_us is None else whole_us - raw_us,
        raw_denominator=denominator,
        excluded=seconds(raw_us - net_us),
        full=whole_us or 0,
        evidence=first_evidence(evidence),
        evidence_count=len(spent),
        spent=foreseen if whole_us is None else None,
    )
    measure = replace(measure, next_us=_next_level(measure, foreseen, view))
    return measure if has_data else replace(measure, denominator=0, raw_denominator=0)


def _next_level(measure: Measure, foreseen: IntervalSet, view: View) -> int | None:
    """When the budget is next at risk or used up, if what is going on goes on."""
    budget = Budget.of(measure, view.contract.term(measure.indicator))
    if budget is None:
        return None
    levels = (budget.risky(view.profile), budget.allowed + 1)
    reached = (foreseen.reach(level) for level in levels if level > budget.spent)
    return earliest(reached, view.known_us)
