"""The local days of a period with the deadlines that run from each. Pure.

Deadlines are looked for forward from the day of receipt and only up to the end of the period, so
that no calendar of a later year is needed.
"""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from mailsla.schemas.calendars import Calendars
from mailsla.schemas.contract import Profile
from mailsla.sinks.closing.plan.contract_segments import SegmentPeriod, midnight_us, next_month

DAY = timedelta(days=1)
SUNDAY = 7
_MONTH_KEPT = 63
"""A backup older than this many days is more than one calendar month old."""


@dataclass(frozen=True)
class Day:
    """One row of ``plan_days``, whose comments say what each field means; µs since 1970."""

    day: date
    start_us: int
    end_us: int
    active: bool
    in_part: bool
    in_year: bool
    before_month: bool
    week_start_us: int
    full_from_us: int
    respond_by_us: int
    notify_by_us: int
    process_by_us: int
    report_by_us: int
    keep_backup_until_us: int
    keep_account_until_us: int
    undecided: tuple[str, ...]


def days_of(period: SegmentPeriod, calendars: Calendars) -> list[Day]:
    """Every day from which a deadline of the period can run, and every day of its year so far.

    Args:
        period: the tenant's part of the month.
        calendars: the working days by the names that contracts give.

    Raises:
        CalendarError: the contract's calendar is unknown or does not cover a day needed.

    """
    new_year = period.month.replace(month=1, day=1)
    reach = max(_reach(span.contract.profile) for span in period.versions)
    first = min(new_year, date.fromordinal(max(1, period.first.toordinal() - reach)))
    return [_day(day, period, calendars) for day in _between(first, period.last)]


def _reach(profile: Profile) -> int:
    working = max(
        profile.response_working_days,
        profile.blocklist_working_days,
        profile.listing_report_working_days,
    )
    # Two working days are never further apart than the longest holiday, eight days and weekends.
    return max(
        _MONTH_KEPT,
        12 * working,
        profile.result_notice_days + 1,
        profile.account_retention_days + 2,
    )


def _between(first: date, last: date) -> Iterator[date]:
    while first < last:
        yield first
        first += DAY


def _day(day: date, period: SegmentPeriod, calendars: Calendars) -> Day:
    zone, profile = period.contract.zone, period.contract.profile
    received = period.received_under(day)
    undecided: list[str] = []

    def end_of(deadline: date) -> int:
        if not period.first <= deadline < period.last:
            return 0
        return midnight_us(deadline + DAY, zone)

    def after(indicator: str, count: int) -> int:
        name = received.calendar
        deadline = _working_days_after(day, count, calendars, name, period.last)
        if not all(calendars.is_decided(one, name) for one in _between(day + DAY, deadline + DAY)):
            undecided.append(indicator)
        return end_of(deadline)

    monday = day - 6 * DAY
    counts = day.isoweekday() == SUNDAY and period.first <= day
    week = counts and all(_served(one, period) for one in _between(monday, day + DAY))
    return Day(
        day=day,
        start_us=midnight_us(day, zone),
        end_us=midnight_us(day + DAY, zone),
        active=_served(day, period),
        in_part=period.first <= day,
        in_year=day.year == period.month.year,
        before_month=day < period.month,
        week_start_us=midnight_us(monday, zone) if week else 0,
        full_from_us=midnight_us(day - (profile.full_backup_days - 1) * DAY, zone),
        respond_by_us=after("antispam.complaint_response", received.profile.response_working_days),
        notify_by_us=end_of(day + received.profile.result_notice_days * DAY),
        process_by_us=after(
            "antispam.blocklist_processing", received.profile.blocklist_working_days
        ),
        report_by_us=after("antispam.listing_report", received.profile.listing_report_working_days),
        keep_backup_until_us=midnight_us(_same_day_next_month(day) + DAY, zone),
        keep_account_until_us=midnight_us(day + (profile.account_retention_days + 1) * DAY, zone),
        undecided=tuple(undecided),
    )


def _served(day: date, period: SegmentPeriod) -> bool:
    return any(first <= day < last for first, last in period.served)


def _working_days_after(day: date, count: int, calendars: Calendars, name: str, stop: date) -> date:
    """The ``count``-th working day after ``day``, or ``stop`` where that is not before it."""
    while count and day < stop:
        day += DAY
        if day < stop and calendars.works(day, name):
            count -= 1
    return day


def _same_day_next_month(day: date) -> date:
    following = next_month(day)
    last_day = monthrange(following.year, following.month)[1]
    return following.replace(day=min(day.day, last_day))
