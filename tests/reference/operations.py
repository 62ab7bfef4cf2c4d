"""Section 3: operations."""

from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction

from tests.reference.exclusions import excluded_intervals
from tests.reference.instants import (
    Interval,
    days_between,
    edges,
    from_millis,
    from_seconds,
    inside,
    measure,
    midnight,
)
from tests.reference.log import PLATFORM, Event, between, of_type, own, seen_by
from tests.reference.period import Period
from tests.reference.values import NOTHING, Value, duration, keeps, mean_seconds, plain


def operations(events: Sequence[Event], period: Period, spoken: bool) -> dict[str, Value]:
    """The section's indicators; ``spoken``: whether ``mail.ops`` ever carried an event."""
    values = {
        "operations.billing_error_rate": _billing_error_rate(events, period),
        "operations.page_load.narrowband": _page_load(events, period, "narrowband"),
        "operations.page_load.broadband": _page_load(events, period, "broadband"),
        "operations.monitoring": _monitoring(events, period),
    }
    if not spoken:
        return values | {
            "operations.fault_duration": NOTHING,
            "operations.adjustment_duration": NOTHING,
            "operations.availability": NOTHING,
            "operations.fault_free_days": NOTHING,
        }
    faults = _incidents(events, period, "fault")
    excuses = excluded_intervals(events, period, 3)
    raw = _covered(period.start, period.end, faults, [])
    net = _covered(period.start, period.end, faults, excuses)
    adjusted = _covered(period.start, period.end, _incidents(events, period, "adjustment"), [])
    faulty = duration(net, raw)
    return values | {
        "operations.fault_duration": faulty,
        "operations.adjustment_duration": duration(adjusted),
        "operations.availability": Value(
            1 - Fraction(net, period.length), 1 - Fraction(raw, period.length), faulty.excluded
        ),
        "operations.fault_free_days": _fault_free_days(period, faults, excuses),
    }


def _covered(
    start: int, end: int, intervals: Sequence[Interval], without: Sequence[Interval]
) -> int:
    """µs of ``[start, end)`` inside some interval and outside every one of ``without``."""
    return measure(
        start,
        end,
        edges([*intervals, *without]),
        lambda instant: inside(instant, intervals) and not inside(instant, without),
    )


def _incidents(events: Sequence[Event], period: Period, kind: str) -> list[Interval]:
    """The incidents of a kind the tenant sees; one without an end runs to the month's end."""
    mine = seen_by(events, period.tenant_id)
    opened = of_type(mine, "incident.opened")
    closed = of_type(mine, "incident.closed")
    intervals = []
    for identity in {(event["tenant_id"], event["incident_id"]) for event in opened}:
        first = min(
            (e for e in opened if (e["tenant_id"], e["incident_id"]) == identity),
            key=lambda event: (event["time"], event["id"]),
        )
        ends = [
            event["time"]
            for event in closed
            if (event["tenant_id"], event["incident_id"]) == identity
            and event["time"] >= first["time"]
        ]
        if first["kind"] == kind:
            intervals.append((first["time"], min(ends, default=period.end)))
    return intervals


def _fault_free_days(
    period: Period, faults: Sequence[Interval], excuses: Sequence[Interval]
) -> Value:
    """Days of the year less faulty days so far; settled once an earlier month missed it."""
    new_year = date(period.month.year, 1, 1)
    in_year = (date(period.month.year + 1, 1, 1) - new_year).days

    def free(until: date, without: Sequence[Interval]) -> Fraction:
        faulty = [
            day
            for day in days_between(new_year, until)
            if period.active(day)
            and _covered(
                midnight(day, period.zone),
                midnight(day + timedelta(days=1), period.zone),
                faults,
                without,
            )
        ]
        return Fraction(in_year - len(faulty))

    term = period.contract.term("operations.fault_free_days")
    settled = period.month > new_year and not keeps(free(period.month, excuses), term)
    net, raw = free(period.last, excuses), free(period.last, [])
    return Value(net, raw, net - raw, settled)


def _billing_error_rate(events: Sequence[Event], period: Period) -> Value:
    month = f"{period.month:%Y-%m}"

    def customers(name: str) -> set[str]:
        return {e["tenant_id"] for e in of_type(events, name) if e["billing_month"] == month}

    charged = customers("customer.charged")
    if not charged:
        return NOTHING
    return plain(Fraction(len(charged & customers("billing.error_confirmed")), len(charged)))


def _page_load(events: Sequence[Event], period: Period, bandwidth: str) -> Value:
    samples = [
        event
        for event in between(of_type(events, "page.loaded"), period.start, period.end)
        if event["bandwidth"] == bandwidth
    ]
    speaking = own(samples, period.tenant_id) or own(samples, PLATFORM)
    mean = mean_seconds([from_millis(event["load_ms"]) for event in speaking])
    return NOTHING if mean is None else plain(mean)


def _monitoring(events: Sequence[Event], period: Period) -> Value:
    watched = [
        (event["time"], event["time"] + 2 * from_seconds(event["interval_s"]))
        for event in of_type(seen_by(events, period.tenant_id), "monitor.heartbeat")
    ]
    return plain(Fraction(_covered(period.start, period.end, watched, []), period.length))
