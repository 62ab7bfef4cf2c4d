"""Local months, days and weeks as exact instants; working days are in `mailsla.schemas.calendars`.

Every bound is a local midnight of the contract's zone in microseconds since 1970 UTC, so that a
day has the length it really had (23 to 25 hours where clocks change). Days are ``date`` objects;
ranges of days are half-open like every period.
"""

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final, NamedTuple, Self
from zoneinfo import ZoneInfo

SECOND: Final = 1_000_000
HOUR: Final = 3_600 * SECOND
DAY: Final = 24 * HOUR
"""Nominal lengths in microseconds; a local day may be longer or shorter."""

_MONTH: Final = re.compile(r"(?!0000)(\d{4})-(0[1-9]|1[0-2])", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_ONE_DAY: Final = timedelta(days=1)
_QUARTER_US: Final = HOUR // 4
_QUARTERS_SINCE_US: Final = (datetime(2023, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND


def to_us(instant: datetime) -> int:
    """An aware time as microseconds since 1970 in UTC, exact."""
    return (instant - _EPOCH) // _MICROSECOND


def to_datetime(us: int) -> datetime:
    """Microseconds since 1970 as an aware time in UTC, exact."""
    return _EPOCH + timedelta(microseconds=us)


@lru_cache(maxsize=65_536)
def midnight(day: date, zone: ZoneInfo) -> int:
    """The instant at which a local day begins.

    Where clocks go forward over midnight the day begins at the change; where 00:00 comes twice,
    at the first.
    """
    return to_us(datetime.combine(day, time.min, tzinfo=zone))


def local_day(us: int, zone: ZoneInfo) -> date:
    """The local day on which an instant falls."""
    if us < _QUARTERS_SINCE_US:
        return to_datetime(us).astimezone(zone).date()
    return _day_of_quarter(us // _QUARTER_US, zone)


@lru_cache(maxsize=65_536)
def _day_of_quarter(quarter: int, zone: ZoneInfo) -> date:
    # Since 2023 clocks change at full quarters of an hour everywhere, so a day begins at one.
    return to_datetime(quarter * _QUARTER_US).astimezone(zone).date()


@lru_cache(maxsize=4096)
def _label(year: int, number: int) -> str:
    return f"{year:04d}-{number:02d}"


class Month(NamedTuple):
    """A calendar month, ``number`` 1 to 12: very much is looked up by it."""

    year: int
    number: int

    @classmethod
    def parse(cls, label: str) -> Self:
        """Read ``YYYY-MM``.

        Raises:
            ValueError: another form, with the remedy.

        """
        if found := _MONTH.fullmatch(label):
            return cls(int(found[1]), int(found[2]))
        raise ValueError(f"{label!r} is no month; write one such as 2026-10")

    @classmethod
    def of(cls, day: date) -> Self:
        """The month in which a day lies."""
        return cls(day.year, day.month)

    @property
    def label(self) -> str:
        """``YYYY-MM``."""
        return _label(self.year, self.number)

    @property
    def first(self) -> date:
        """Its first day."""
        return date(self.year, self.number, 1)

    @property
    def end(self) -> date:
        """The first day of the next month."""
        return self.next().first

    def next(self) -> "Month":
        """The month after."""
        return Month(self.year + self.number // 12, self.number % 12 + 1)

    def previous(self) -> "Month":
        """The month before."""
        return Month(self.year - (self.number == 1), (self.number - 2) % 12 + 1)


@dataclass(frozen=True, slots=True)
class Period:
    """The part of a month in which a tenant is served: local days ``[first, end)`` of ``zone``.

    ``served_from`` is the first day of the service that reaches into the month, and
    ``year_from`` the first day of the month's year on which the tenant was served; both bound
    what is counted from before the month (weeks, faulty days of the year). ``gaps`` are the days
    ``[first, end)`` before the period on which a tenant served earlier was not served.
    """

    month: Month
    zone: ZoneInfo
    first: date
    end: date
    served_from: date
    year_from: date
    gaps: tuple[tuple[date, date], ...] = ()

    @classmethod
    def whole(cls, month: Month, zone: ZoneInfo) -> Self:
        """A whole month of a tenant that has always been served."""
        return cls(month, zone, month.first, month.end, date.min, date(month.year, 1, 1))

    @property
    def start_us(self) -> int:
        """Instant at which the period begins."""
        return midnight(self.first, self.zone)

    @property
    def end_us(self) -> int:
        """Instant at which the period ends; no longer part of it."""
        return midnight(self.end, self.zone)

    def holds(self, instant_us: int) -> bool:
        """Whether an instant is part of the period."""
        return self.start_us <= instant_us < self.end_us

    @property
    def length_us(self) -> int:
        """Exact length in microseconds."""
        return self.end_us - self.start_us

    def days(self) -> Iterator[date]:
        """The days of the period in order."""
        return days(self.first, self.end)

    def weeks(self) -> list[date]:
        """The Mondays of the weeks whose Sunday is in the period and that were served throughout.

        Contract section 5: a week belongs to the month of its Sunday.
        """
        mondays = (day - 6 * _ONE_DAY for day in self.days() if day.weekday() == 6)
        return [monday for monday in mondays if monday >= self.served_from]


def days(first: date, end: date) -> Iterator[date]:
    """The days of ``[first, end)`` in order."""
    for number in range((end - first).days):
        yield first + number * _ONE_DAY


def days_of_year(year: int) -> int:
    """365 or 366."""
    return 366 if calendar.isleap(year) else 365


def same_day_next_month(day: date) -> date:
    """The same day of the next month, or that month's last day (contract section 7)."""
    following = Month.of(day).next()
    last = calendar.monthrange(following.year, following.number)[1]
    return date(following.year, following.number, min(day.day, last))
