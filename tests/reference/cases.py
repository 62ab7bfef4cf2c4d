"""Sections 4 and 8: cases with a deadline."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from chinese_calendar import is_workday

from tests.reference.instants import HOUR, local_day, midnight
from tests.reference.log import Event, of_type, own, seen_by
from tests.reference.period import Period
from tests.reference.values import Value, plain

DeadlineDay = Callable[[date], date]
WorkingDay = Callable[[date], bool]

SATURDAY = 5
WORKING_DAYS: dict[str, WorkingDay] = {
    "CN": is_workday,
    "MON-FRI": lambda day: day.weekday() < SATURDAY,
}
RECIPIENTS_OF_REPORTS = {"association", "provider", "nsp"}


def antispam(
    events: Sequence[Event], period: Period, calendars: Sequence[Mapping[str, Any]]
) -> dict[str, Value]:
    """The indicators of section 4; of published calendars, in order, the last of a name holds."""
    rules = WORKING_DAYS | {each["calendar"]: _published(each) for each in calendars}
    mine = seen_by(events, period.tenant_id)
    complaints = [e for e in of_type(mine, "complaint.received") if e["origin"] == "own_domain"]
    responded = of_type(mine, "complaint.responded")
    notified = of_type(mine, "complaint.result_notified")
    published = of_type(mine, "blocklist.published")
    processed = of_type(mine, "blocklist.processed")
    detected = of_type(mine, "listing.detected")
    reported = of_type(mine, "listing.reported")
    respond_by = _working_days("response_working_days", period, rules)
    notify_by = _natural_days(period)
    process_by = _working_days("blocklist_working_days", period, rules)
    report_by = _working_days("listing_report_working_days", period, rules)
    return {
        "antispam.complaint_response": _late(period, complaints, responded, "case_id", respond_by),
        "antispam.result_notice": _late(period, complaints, notified, "case_id", notify_by),
        "antispam.blocklist_processing": _late(period, published, processed, "list_id", process_by),
        "antispam.listing_report": _late(period, detected, reported, "listing_id", report_by),
        "antispam.foreign_source_report": _unreported_sources(mine, period),
    }


def provisioning(events: Sequence[Event], period: Period) -> dict[str, Value]:
    """The indicators of section 8."""
    mine = own(events, period.tenant_id)
    return {
        "provisioning.own_domain": _late_orders(mine, period, "own"),
        "provisioning.new_domain": _late_orders(mine, period, "new"),
    }


def _published(calendar: Mapping[str, Any]) -> WorkingDay:
    """Monday to Friday without the holidays, and days that are worked besides."""
    free, worked = calendar.get("holidays", ()), calendar.get("working_days", ())
    return lambda day: str(day) in worked or (day.weekday() < SATURDAY and str(day) not in free)


def _working_days(reading: str, period: Period, rules: Mapping[str, WorkingDay]) -> DeadlineDay:
    """So many working days after a day: official Chinese (``CN``), ``MON-FRI``, or published.

    How many, and by which calendar, says the version in force on that day.
    """

    def deadline(day: date) -> date:
        contract = period.received_under(day)
        working = rules[contract.calendar]
        for _ in range(getattr(contract.profile, reading)):
            day += timedelta(days=1)
            while not working(day):
                day += timedelta(days=1)
        return day

    return deadline


def _natural_days(period: Period) -> DeadlineDay:
    def deadline(day: date) -> date:
        return day + timedelta(days=period.received_under(day).profile.result_notice_days)

    return deadline


def _late(
    period: Period,
    openings: Sequence[Event],
    answers: Sequence[Event],
    name: str,
    deadline_day: DeadlineDay,
) -> Value:
    """Cases whose deadline day is in the month, not answered by the end of that day."""
    late = 0
    for identity in {(event["tenant_id"], event[name]) for event in openings}:
        opened = min(e["time"] for e in openings if (e["tenant_id"], e[name]) == identity)
        deadline = deadline_day(local_day(opened, period.zone))
        if not period.first <= deadline < period.last:
            continue
        too_late = midnight(deadline + timedelta(days=1), period.zone)
        late += not any(
            event["time"] < too_late
            for event in answers
            if (event["tenant_id"], event[name]) == identity
        )
    return plain(late)


def _unreported_sources(mine: Sequence[Event], period: Period) -> Value:
    """Sources confirmed in the month and not reported to all who must know."""
    confirmed = of_type(mine, "source.confirmed")
    unreported = 0
    for identity in {(event["tenant_id"], event["case_id"]) for event in confirmed}:
        first = min(e["time"] for e in confirmed if (e["tenant_id"], e["case_id"]) == identity)
        told = {
            event.get("reported_to")
            for event in of_type(mine, "source.reported")
            if (event["tenant_id"], event["case_id"]) == identity
        }
        unreported += period.holds(first) and not told >= RECIPIENTS_OF_REPORTS
    return plain(unreported)


def _late_orders(mine: Sequence[Event], period: Period, domain_kind: str) -> Value:
    """Orders whose deadline is in the month, not opened and notified by then."""
    payments = of_type(mine, "payment.confirmed")
    late = 0
    for order_id in {event["order_id"] for event in payments}:
        paid = min(
            (event for event in payments if event["order_id"] == order_id),
            key=lambda event: (event["time"], event["id"]),
        )
        allowed = period.received_under(local_day(paid["time"], period.zone)).profile
        hours = allowed.own_domain_hours if domain_kind == "own" else allowed.new_domain_hours
        deadline = paid["time"] + hours * HOUR
        if paid["domain_kind"] != domain_kind or not period.holds(deadline):
            continue
        late += not any(
            max(event["time"], event["notified_at"]) <= deadline
            for event in of_type(mine, "service.opened")
            if event["order_id"] == order_id
        )
    return plain(late)
