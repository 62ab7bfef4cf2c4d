"""The working days a run judges by: noted while it plans, stored with it, read back to verify."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import orjson

from mailsla.schemas.calendars import CalendarError, Calendars, WorkingCalendar, WorkingDay
from mailsla.sinks.clickhouse import Client

Days = Mapping[str, Mapping[date, bool]]
"""Calendar → day → whether it works."""

_PUBLISHED: Final = """
SELECT argMax(document, _version)
FROM calendars
GROUP BY calendar
"""
_STORED: Final = """
SELECT calendar, days, works
FROM closing_calendars
WHERE run = {run:UUID}
"""


class NotedCalendars(Calendars):
    """Calendars that note every day they are asked for, so that it can be stored."""

    def __init__(
        self,
        published: Iterable[WorkingCalendar] = (),
        rules: Mapping[str, WorkingDay] | None = None,
    ) -> None:
        super().__init__(published, rules)
        self.noted: dict[str, dict[date, bool]] = {}

    def works(self, day: date, name: str) -> bool:
        """Whether people work on a day; notes the answer. Raises as `Calendars.works`."""
        answer = super().works(day, name)
        self.noted.setdefault(name, {})[day] = answer
        return answer


def load_calendars(client: Client) -> NotedCalendars:
    """The calendars as they are published now."""
    rows = client.query(_PUBLISHED).result_rows
    return NotedCalendars(WorkingCalendar.model_validate(orjson.loads(row[0])) for row in rows)


def day_rows(run: str, noted: Days) -> list[dict[str, object]]:
    """Rows of ``closing_calendars``."""
    return [
        {
            "run": run,
            "calendar": name,
            "days": [day.isoformat() for day in sorted(days)],
            "works": [days[day] for day in sorted(days)],
        }
        for name, days in sorted(noted.items())
    ]


def stored_days(client: Client, run: str) -> Days:
    """The days that a run judged by; nothing of a run before they were stored."""
    rows = client.query(_STORED, parameters={"run": run}).result_rows
    return {name: dict(zip(days, works, strict=True)) for name, days, works in rows}


def calendars_of(client: Client, run: str) -> NotedCalendars:
    """The calendars as a run used them; those of today for a run before they were stored."""
    days = stored_days(client, run)
    if not days:
        return load_calendars(client)
    return NotedCalendars(rules={name: _stored(name, known) for name, known in days.items()})


def _stored(name: str, known: Mapping[date, bool]) -> WorkingDay:
    def works(day: date) -> bool:
        if day not in known:
            raise CalendarError(
                f"the revision has not stored whether {day} was a working day of {name}; "
                "was a row of closing_calendars removed?"
            )
        return known[day]

    return works


@dataclass(frozen=True)
class ChangedDay:
    """A day that two revisions see differently; ``worked`` is what the older one saw."""

    calendar: str
    day: date
    worked: bool


def changed_days(before: Days, after: Days, calendars: Iterable[str]) -> Sequence[ChangedDay]:
    """The days of some calendars that two runs judged by and saw differently, in order."""
    return [
        ChangedDay(name, day, before[name][day])
        for name in sorted(calendars)
        if name in before and name in after
        for day in sorted(before[name].keys() & after[name].keys())
        if before[name][day] != after[name][day]
    ]
