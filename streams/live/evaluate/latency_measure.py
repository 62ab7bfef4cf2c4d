"""Section 2 measured from the columnar store, in the form the clauses judge."""

from dataclasses import replace
from typing import Final

import numpy as np

from streams.clauses.base import Measure
from streams.clauses.exclusions import LATENCY, Declaration
from streams.clauses.latency import (
    DirectionTotals,
    Exceedances,
    LatencyTotals,
    measure,
)
from streams.clauses.limits import stuck_us
from streams.clauses.registry import Context
from streams.latency.in_flight import InFlight, Waiting
from streams.latency.messages import Mask, Rows
from streams.latency.slow_messages import Exceeding
from streams.windows.latency import LatencyWindows, MonthTotals
from streams.windows.months import month_number

_SECOND = 1_000_000
_TOGETHER_US: Final = 10 * _SECOND
"""Messages that cross the limit within this time are counted together once the month is lost."""


def latency_measures(
    latency: LatencyWindows,
    in_flight: InFlight,
    exceeding: Exceeding,
    code: int,
    context: Context,
    first_us: int | None,
    by_window: bool,
) -> list[Measure]:
    """The indicators of section 2 of a tenant-month.

    Args:
        latency: the store and the sums of months.
        in_flight: messages not finished.
        exceeding: references of finished messages over the limit.
        code: the tenant's number; its series are twice that and one more.
        context: what the tenant-month is measured from.
        first_us: the earliest event time of ``mail.mta`` of the tenant.
        by_window: whether the month windows are what is judged, so that no message has to
            be looked at again.
    """
    totals = [
        _from_panes(latency, 2 * code + way, context)
        if by_window
        else _from_rows(latency, 2 * code + way, context)
        for way in (0, 1)
    ]
    finished = sum(over for _, over, _ in totals)
    waiting = _waiting(in_flight, code, context, finished)
    exceedances = replace(
        waiting,
        counted=finished + waiting.counted,
        everything=sum(over for _, _, over in totals) + waiting.everything,
        evidence=[*(_named(exceeding, code, context) if finished else ()), *waiting.evidence],
    )
    spoken = first_us is not None and first_us < context.governed.heard_until_us
    return measure(totals[0][0], totals[1][0], exceedances, spoken)


_Totals = tuple[DirectionTotals, int, int]


def _from_panes(latency: LatencyWindows, series: int, context: Context) -> _Totals:
    number = month_number(context.period.month.first)
    counted, everything = latency.month_totals(series, number)
    return (
        DirectionTotals(_sums(counted), _sums(everything)),
        counted.exceedances,
        everything.exceedances,
    )


def _sums(month: MonthTotals) -> LatencyTotals:
    return LatencyTotals(month.sum_us, month.count, month.max_us)


def _from_rows(latency: LatencyWindows, series: int, context: Context) -> _Totals:
    rows = latency.store.of_series(series)
    period = context.period
    rows = rows[(rows["accepted_us"] >= period.start_us) & (rows["accepted_us"] < period.end_us)]
    left_out = rows["liable"] | _excluded(rows, context)
    limit = context.contract.profile.max_latency_s * _SECOND
    counted, everything = rows[~left_out], rows
    return (
        DirectionTotals(_of_rows(counted), _of_rows(everything)),
        _over(counted, limit),
        _over(everything, limit),
    )


def _of_rows(rows: Rows) -> LatencyTotals:
    if len(rows) == 0:
        return LatencyTotals()
    latency = rows["finished_us"] - rows["accepted_us"]
    return LatencyTotals(int(latency.sum()), len(rows), int(latency.max()))


def _over(rows: Rows, limit_us: int) -> int:
    return int(np.count_nonzero(rows["finished_us"] - rows["accepted_us"] > limit_us))


def _excluded(rows: Rows, context: Context) -> Mask:
    mask: Mask = np.zeros(len(rows), dtype=np.bool_)
    for each in _declarations(context):
        mask |= (rows["accepted_us"] < each.ends_us) & (rows["finished_us"] >= each.starts_us)
    return mask


def _declarations(context: Context) -> list[Declaration]:
    return [
        each
        for each in context.view().exclusions.declarations
        if each.applies(LATENCY, context.contract.profile)
    ]


def _named(exceeding: Exceeding, code: int, context: Context) -> list[str]:
    """The references of finished messages of the month that count as exceedances."""
    period, limit_us = context.period, context.contract.profile.max_latency_s * _SECOND
    declared = _declarations(context)
    return [
        each.reference
        for each in exceeding.of((2 * code, 2 * code + 1), period.start_us, period.end_us)
        if each.finished_us - each.accepted_us > limit_us
        and not any(
            each.accepted_us < one.ends_us and each.finished_us >= one.starts_us for one in declared
        )
    ]


def _waiting(in_flight: InFlight, code: int, context: Context, finished: int) -> Exceedances:
    """Messages of the month in flight for longer than the maximum, or for a share of it.

    Args:
        in_flight: messages not finished.
        code: the tenant's number.
        context: what the tenant-month is measured from.
        finished: exceedances besides.

    """
    period, profile = context.period, context.contract.profile
    limit, share = profile.max_latency_s * _SECOND, stuck_us(profile)
    declared = _declarations(context)
    counted: list[Waiting] = []
    impending: list[Waiting] = []
    everything = 0
    over: list[int] = []
    stuck: list[int] = []
    for each in (*in_flight.of(2 * code), *in_flight.of(2 * code + 1)):
        age = context.now_us - each.accepted_us
        if not period.start_us <= each.accepted_us < period.end_us:
            continue
        everything += age > limit
        excused = each.liable or any(each.accepted_us < one.ends_us for one in declared)
        if age <= limit:
            over.append(each.accepted_us + limit + 1)
        if age < share:
            stuck.append(each.accepted_us + share)
        elif not excused:
            (counted if age > limit else impending).append(each)
    references = [
        each.reference
        for some in (counted, impending)
        for each in sorted(some, key=lambda one: one.place)
        if each.reference
    ]
    target, spent = context.contract.term("latency.exceedances").target, finished + len(counted)
    known_at_risk = target is not None and spent + len(impending) > target
    next_us = min(over if known_at_risk else [*over, *stuck], default=None)
    if next_us is not None and target is not None and spent > target:
        # Broken already: only the number is told, which may wait for others.
        next_us = -(-next_us // _TOGETHER_US) * _TOGETHER_US
    return Exceedances(len(counted), everything, references, len(impending), next_us)
