"""Working days: the official Chinese calendar, or a week named by its days (contract §4)."""

import re
from collections.abc import Callable
from datetime import date
from functools import cache
from typing import Final

import chinese_calendar

WEEKDAYS: Final = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_WEEK: Final = re.compile(rf"^({'|'.join(WEEKDAYS)})-({'|'.join(WEEKDAYS)})$")

WorkingDay = Callable[[date], bool]


class CalendarError(ValueError):
    """A calendar is unknown, or does not cover a day that is asked for."""


@cache
def working_day(calendar: str) -> WorkingDay:
    """Whether a local day is a working day of ``calendar``.

    ``CN`` is the official Chinese calendar with its moved working days (调休); ``MON-FRI`` and
    the like a week without holidays.

    Raises:
        CalendarError: no such calendar; the returned function raises it for a year without data.

    """
    if calendar == "CN":
        return _chinese_working_day
    match = _WEEK.match(calendar.upper())
    if match is None:
        raise CalendarError(
            f"The calendar {calendar!r} is unknown; write CN or a week such as MON-FRI "
            "in the contract."
        )
    first, last = (WEEKDAYS.index(name) for name in match.groups())
    span = (last - first) % 7
    return lambda day: (day.weekday() - first) % 7 <= span


@cache
def _chinese_working_day(day: date) -> bool:
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        raise CalendarError(
            f"The official Chinese calendar of {day.year} is not known yet; "
            "upgrade it with `pip install -U chinesecalendar`."
        ) from None
