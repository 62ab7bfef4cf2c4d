"""Working calendars from YAML, JSON or iCalendar files: read, checked, complaints with place."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import icalendar
import orjson
from dateutil.rrule import rrulestr

from mailsla.schemas.calendars import WorkingCalendar
from mailsla.schemas.codec.records import Rejection, decode_calendar
from mailsla.streams.cli.support.contract_files import Problem, encoded_as_json, parsed, unreadable

_WORKING: Final = frozenset({"WORKDAY", "WORKING DAY", "WORKING-DAY"})
"""Categories of an event that says that people work on its days."""
_WORKING_SUMMARY: Final = ("上班", "补班")
"""What the summary of such an event holds in Chinese holiday calendars."""
_ONE_DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class CalendarDocument:
    """A valid calendar: where it stands, what it says, the bytes to publish."""

    place: str
    calendar: WorkingCalendar
    value: bytes


@dataclass(frozen=True)
class Heading:
    """What an iCalendar file does not say of a working calendar."""

    name: str | None
    version: int | None
    week: str
    complete_for: Sequence[int]


def read_calendars(
    files: Sequence[Path], heading: Heading
) -> tuple[list[CalendarDocument], list[Problem]]:
    """Every calendar of the files, valid or with its problem; ``heading`` is for iCalendar."""
    valid: list[CalendarDocument] = []
    problems: list[Problem] = []
    for path in files:
        read = [_icalendar(path, heading)] if path.suffix.lower() == ".ics" else parsed(path)
        for each in read:
            checked = each if isinstance(each, Problem) else _check(*each)
            if isinstance(checked, Problem):
                problems.append(checked)
            else:
                valid.append(checked)
    return valid, problems


def _check(place: str, value: object) -> CalendarDocument | Problem:
    encoded = encoded_as_json(place, value)
    if isinstance(encoded, Problem):
        return encoded
    decoded = decode_calendar(encoded)
    if isinstance(decoded, Rejection):
        return Problem(place, decoded.reason, decoded.field)
    return CalendarDocument(place, decoded, encoded)


def _icalendar(path: Path, heading: Heading) -> tuple[str, object] | Problem:
    """An iCalendar file (RFC 5545) as a calendar document.

    An event of whole days is a holiday, or extra working days where its category or summary says
    so. An event that comes again does so in the years the calendar is complete for.
    """
    try:
        parsed_file: Any = icalendar.Calendar.from_ical(path.read_bytes())
        holidays, working = _days(parsed_file, heading.complete_for)
    except (OSError, ValueError) as error:
        return Problem(str(path), unreadable(error))
    name = heading.name or str(parsed_file.get("X-WR-CALNAME", ""))
    given = {
        "--name": name,
        "--version": heading.version,
        "--complete-for": heading.complete_for,
    }
    if missing := [option for option, value in given.items() if not value]:
        return Problem(str(path), f"the file does not say it; give {' and '.join(missing)}")
    document = {
        "calendar": name,
        "version": heading.version,
        "week": heading.week,
        # What is worked although the rule of a holiday meets it is worked.
        "holidays": sorted(holidays - working),
        "working_days": sorted(working),
        "complete_for": sorted(set(heading.complete_for)),
    }
    return str(path), orjson.loads(orjson.dumps(document))


def _days(calendar: Any, years: Sequence[int]) -> tuple[set[date], set[date]]:
    """Holidays and extra working days of a parsed file.

    Raises:
        ValueError: an event does not take whole days.

    """
    holidays: set[date] = set()
    working: set[date] = set()
    for event in calendar.walk("VEVENT"):
        if str(event.get("STATUS", "")).upper() == "CANCELLED":
            continue
        chosen = working if _is_working(event) else holidays
        for start in _starts(event, years):
            chosen.update(start + number * _ONE_DAY for number in range(_length(event)))
    return holidays, working


def _is_working(event: Any) -> bool:
    found = event.get("CATEGORIES", [])
    groups = found if isinstance(found, list) else [found]
    names = {str(name).upper() for group in groups for name in group.cats}
    summary = str(event.get("SUMMARY", ""))
    return bool(names & _WORKING) or any(word in summary for word in _WORKING_SUMMARY)


def _first_day(event: Any) -> date:
    start = event.get("DTSTART")
    if start is None or isinstance(start.dt, datetime) or not isinstance(start.dt, date):
        summary = str(event.get("SUMMARY", "without summary"))
        raise ValueError(f"the event {summary!r} does not take whole days (DTSTART;VALUE=DATE)")
    first: date = start.dt
    return first


def _length(event: Any) -> int:
    """How many days an event takes; its end is the first day after it."""
    end, duration = event.get("DTEND"), event.get("DURATION")
    length: timedelta = _ONE_DAY
    if end is not None:
        length = end.dt - _first_day(event)
    elif duration is not None:
        length = duration.dt
    return max(1, length.days)


def _starts(event: Any, years: Sequence[int]) -> Iterator[date]:
    first = _first_day(event)
    rule = event.get("RRULE")
    if rule is None:
        yield first
        return
    begin = datetime(first.year, first.month, first.day)  # noqa: DTZ001 - days have no zone
    text = rule.to_ical().decode()
    last = datetime(max(years, default=first.year) + 1, 1, 1)  # noqa: DTZ001
    for found in rrulestr(text, dtstart=begin, ignoretz=True).between(begin, last, inc=True):
        if found.year in years:
            yield found.date()
