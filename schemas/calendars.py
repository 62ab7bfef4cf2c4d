"""Working days, for live and closed months alike: ``CN``, a week by its days, or one's own.

A contract names its calendar (contract section 4). ``CN`` is the official Chinese calendar with
its moved working days (调休); ``MON-FRI`` and the like are weeks without holidays; any other name
is a calendar published on ``sla.calendars`` (`WorkingCalendar`).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from typing import Annotated, Final, Self

import chinese_calendar
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator
from pydantic import model_validator as _model_validator
from pydantic_core import PydanticCustomError

OFFICIAL: Final = "CN"
WEEKDAYS: Final = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")

WorkingDay = Callable[[date], bool]

_WEEK: Final = re.compile(rf"({'|'.join(WEEKDAYS)})-({'|'.join(WEEKDAYS)})")
_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_ONE_DAY: Final = timedelta(days=1)
_NOTICE_MAY_MOVE: Final = 25
"""From this day of December on a day may be moved by the notice of the next year.

Up to now it has been the 29th; a working day can be moved to the weekend before New Year, which
begins on the 25th at the earliest.
"""
_MOST_REMEMBERED: Final = 65_536


class CalendarError(ValueError):
    """A calendar is not known, or not for a day that is asked for: one sentence with the remedy."""


def week_of(name: str) -> tuple[int, int] | None:
    """First and last weekday of a week by its days, Monday = 0; ``None``: the name is no week."""
    found = _WEEK.fullmatch(name.upper())
    if found is None:
        return None
    first, last = (WEEKDAYS.index(day) for day in found.groups())
    return first, last


def is_published_name(name: str) -> bool:
    """Whether a contract that names this calendar needs it to be published."""
    return name != OFFICIAL and week_of(name) is None


def checked_name(name: str) -> str:
    """The name of a calendar as a contract may give it.

    Raises:
        ValueError: it is neither ``CN`` nor a week, and could not be published under it either.

    """
    if not is_published_name(name):
        return name
    if not re.fullmatch(_NAME, name) or name.upper() == OFFICIAL or _is_nearly_a_week(name):
        raise ValueError(
            f"{name!r} is no calendar; write CN, a week such as MON-FRI or SUN-THU, or the name of "
            "a published calendar"
        )
    return name


def _is_nearly_a_week(name: str) -> bool:
    """Whether it looks like a week with a mistake in it: ``MO-FRI``, ``MON-FRY``."""
    parts = name.upper().split("-")
    return len(parts) == 2 and max(map(len, parts)) <= 3 and not set(parts).isdisjoint(WEEKDAYS)


def _checked_week(name: str) -> str:
    if week_of(name) is None:
        raise ValueError(f"{name!r} is no week; write its first and last day such as MON-FRI")
    return name


Day = Annotated[date, Field(ge=date(2000, 1, 1), lt=date(2200, 1, 1))]
Year = Annotated[int, Field(ge=2000, lt=2200)]


class WorkingCalendar(BaseModel):
    """Working days of one's own (``sla.calendars``).

    A day works if it is one of ``working_days``, or is in the ``week`` and none of ``holidays``.
    Nothing is known of years that are not in ``complete_for``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    calendar: Annotated[str, StringConstraints(pattern=_NAME)]
    """Name by which contracts ask for it."""
    version: Annotated[int, Field(ge=1, lt=2**63)]
    """Grows with every version; the newest record of a name holds."""
    week: str = "MON-FRI"
    """Its usual working days, first and last."""
    holidays: tuple[Day, ...] = ()
    """Days of the week that do not work."""
    working_days: tuple[Day, ...] = ()
    """Other days that work."""
    complete_for: Annotated[tuple[Year, ...], Field(min_length=1)]
    """Years whose days it knows."""

    @field_validator("calendar")
    @classmethod
    def _own_name(cls, value: str) -> str:
        if not is_published_name(checked_name(value)):
            raise ValueError(f"{value} is known without being published; take another name")
        return value

    @field_validator("week")
    @classmethod
    def _known_week(cls, value: str) -> str:
        return _checked_week(value)

    @_model_validator(mode="after")
    def _check(self) -> Self:
        both = sorted(set(self.holidays) & set(self.working_days))
        if both:
            reason = f"{both[0]} is also a holiday; leave it out of one of the two"
            context = {"field": "working_days", "reason": reason}
            raise PydanticCustomError("misfit", "{reason}", context)
        return self

    def rule(self) -> WorkingDay:
        """Whether a day works; the function raises `CalendarError` in other years."""
        free, extra = frozenset(self.holidays), frozenset(self.working_days)
        years, in_week = frozenset(self.complete_for), _week_rule(*_bounds(self.week))

        def works(day: date) -> bool:
            if day.year not in years:
                raise CalendarError(
                    f"the calendar {self.calendar} (version {self.version}) is not complete for "
                    f"{day.year}; publish it with that year: mailsla calendar apply"
                )
            return day in extra or (in_week(day) and day not in free)

        return works


def _bounds(week: str) -> tuple[int, int]:
    bounds = week_of(week)
    if bounds is None:
        raise CalendarError(f"{week!r} is no week; write one such as MON-FRI")
    return bounds


def _week_rule(first: int, last: int) -> WorkingDay:
    span = (last - first) % 7
    return lambda day: (day.weekday() - first) % 7 <= span


def _official(day: date) -> bool:
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        raise CalendarError(
            f"the official Chinese calendar of {day.year} is not known; upgrade the package "
            "chinesecalendar to a release that knows the year, or name another calendar in the "
            "contract"
        ) from None


class Calendars:
    """The calendars that contracts may name.

    Args:
        published: documents of ``sla.calendars``; of one name the last counts.
        rules: name → rule that stands in the place of the calendar of that name, such as the days
            stored with a revision.

    """

    def __init__(
        self,
        published: Iterable[WorkingCalendar] = (),
        rules: Mapping[str, WorkingDay] | None = None,
    ) -> None:
        self._published: dict[str, WorkingCalendar] = {}
        self._rules: dict[str, WorkingDay] = dict(rules or {})
        self._remembered: dict[tuple[date, int, str], date] = {}
        for document in published:
            self.publish(document)

    def publish(self, document: WorkingCalendar) -> None:
        """Take a calendar; it replaces the former one of its name."""
        self._published[document.calendar] = document
        self._rules[document.calendar] = document.rule()
        self._remembered.clear()

    @property
    def published(self) -> Mapping[str, WorkingCalendar]:
        """Name → document of the published calendars."""
        return self._published

    def works(self, day: date, name: str) -> bool:
        """Whether people work on a day, moved working days included.

        Raises:
            CalendarError: no calendar has the name, or it does not know the year.

        """
        return self._rule(name)(day)

    def working_day_after(self, day: date, count: int, name: str) -> date:
        """The ``count``-th working day after a day, which is not counted itself; ``count`` >= 1.

        Raises:
            CalendarError: no calendar has the name, or it does not know a day that is needed.

        """
        key = (day, count, name)
        found = self._remembered.get(key)
        if found is None:
            found = day
            while count > 0:
                found += _ONE_DAY
                count -= self.works(found, name)
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[key] = found
        return found

    def is_decided(self, day: date, name: str) -> bool:
        """Whether no later notice can change the day.

        The last days of a December stand in the notice of the next year; until the package that
        holds the official days knows that year, they may change.
        """
        late = day.month == 12 and day.day >= _NOTICE_MAY_MOVE
        return not (name == OFFICIAL and late and day.year >= last_official_year())

    def _rule(self, name: str) -> WorkingDay:
        rule = self._rules.get(name)
        if rule is None:
            rule = self._rules[name] = self._standing(name)
        return rule

    def _standing(self, name: str) -> WorkingDay:
        if name == OFFICIAL:
            return _official
        bounds = week_of(name)
        if bounds is None:
            raise CalendarError(
                f"the calendar {name!r} is not published; publish it with mailsla calendar apply, "
                "or write CN or a week such as MON-FRI in the contract"
            )
        return _week_rule(*bounds)


def last_official_year() -> int:
    """The last year whose official Chinese working days are known."""
    last: date = max(chinese_calendar.holidays)
    return last.year
