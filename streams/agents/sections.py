"""Section 2 measured from the columnar store, in the form the clauses judge."""

import numpy as np

from streams.clauses.base import Measure
from streams.clauses.exclusions import LATENCY, Declaration
from streams.clauses.latency import (
    DirectionTotals,
    Exceedances,
    LatencyTotals,
    measure,
)
from streams.clauses.registry import Context
from streams.windows.inflight import InFlight
from streams.windows.latency import LatencyWindows, MonthTotals
from streams.windows.messages import Mask, Rows
from streams.windows.months import month_number

_SECOND = 1_000_000


def latency_measures(
    latency: LatencyWindows,
    in_flight: InFlight,
    code: int,
    context: Context,
    first_us: int | None,
    plain: bool,
) -> list[Measure]:
    """The indicators of section 2 of a tenant-month.

    Args:
        latency: the store and the sums of months.
        in_flight: messages not finished.
        code: the tenant's number; its series are twice that and one more.
        context: what the tenant-month is measured from.
        first_us: the earliest event time of ``mail.mta`` of the tenant.
        plain: whether the month panes are exactly the tenant's months, so that no message has to
            be looked at again.
    """
    totals = [
        _from_panes(latency, 2 * code + way, context)
        if plain
        else _from_rows(latency, 2 * code + way, context)
        for way in (0, 1)
    ]
    waiting = [_waiting(in_flight, 2 * code + way, context) for way in (0, 1)]
    soonest = [each.next_us for each in waiting if each.next_us is not None]
    exceedances = Exceedances(
        counted=sum(over for _, over, _ in totals) + sum(each.counted for each in waiting),
        everything=sum(over for _, _, over in totals) + sum(each.everything for each in waiting),
        next_us=min(soonest, default=None),
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
    rows, _ = latency.rows_of(series)
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


def _waiting(in_flight: InFlight, series: int, context: Context) -> Exceedances:
    """Messages of the month in flight for longer than the maximum."""
    period, limit = context.period, context.contract.profile.max_latency_s * _SECOND
    declared = _declarations(context)
    counted = everything = 0
    next_us: int | None = None
    for each in in_flight.of(series):
        if not period.start_us <= each.accepted_us < period.end_us:
            continue
        if each.accepted_us + limit >= context.now_us:
            crossing = each.accepted_us + limit + 1
            next_us = crossing if next_us is None else min(next_us, crossing)
            continue
        everything += 1
        excused = each.liable or any(each.accepted_us < one.ends_us for one in declared)
        counted += not excused
    return Exceedances(counted, everything, (), next_us)
