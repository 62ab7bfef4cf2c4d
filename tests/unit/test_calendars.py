"""Working days: numbers worked out by hand, and every day of an independent source."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from mailsla.schemas.calendars import CalendarError, Calendars, WorkingCalendar, checked_name
from mailsla.schemas.contract import Contract

CALENDARS = Calendars()
HOLIDAY_CN = Path(__file__).parents[1] / "corpora" / "holiday-cn"
"""Holidays and moved working days as the State Council published them."""


@pytest.mark.parametrize(
    ("day", "number", "due"),
    [
        pytest.param(date(2026, 10, 12), 1, date(2026, 10, 13), id="plain"),
        pytest.param(date(2026, 10, 16), 1, date(2026, 10, 19), id="over a weekend"),
        pytest.param(date(2026, 9, 30), 1, date(2026, 10, 8), id="over the national days"),
        pytest.param(date(2026, 10, 9), 1, date(2026, 10, 10), id="a moved working Saturday"),
        pytest.param(date(2026, 10, 9), 2, date(2026, 10, 12), id="second working day"),
        pytest.param(date(2025, 12, 31), 1, date(2026, 1, 4), id="over the turn of the year"),
    ],
)
def test_chinese_working_days_with_their_moved_days(day, number, due):
    assert CALENDARS.working_day_after(day, number, "CN") == due


def test_a_plain_calendar_knows_no_holidays():
    assert CALENDARS.working_day_after(date(2026, 9, 30), 1, "MON-FRI") == date(2026, 10, 1)
    assert CALENDARS.working_day_after(date(2100, 1, 1), 1, "MON-FRI") == date(2100, 1, 4)


def test_a_year_without_a_calendar_says_what_to_do():
    with pytest.raises(CalendarError, match="2100 is not known; upgrade the package"):
        CALENDARS.working_day_after(date(2099, 12, 31), 1, "CN")
    with pytest.raises(CalendarError, match="is not published"):
        CALENDARS.working_day_after(date(2026, 1, 1), 1, "XX")


def test_every_day_agrees_with_the_published_notices():
    moved = {
        date.fromisoformat(day["date"]): not day["isOffDay"]
        for path in sorted(HOLIDAY_CN.glob("*.json"))
        for day in json.loads(path.read_text("utf-8"))["days"]
    }
    day, differing = date(2007, 1, 1), []
    while day < date(2027, 1, 1):
        if CALENDARS.works(day, "CN") != moved.get(day, day.weekday() < 5):
            differing.append(day)
        day += timedelta(days=1)
    assert len(moved) > 500
    assert differing == []


@pytest.mark.parametrize(
    ("name", "free"), [("MON-FRI", {5, 6}), ("SUN-THU", {4, 5}), ("mon-sat", {6}), ("WED-WED",
     {0, 1, 3, 4, 5, 6})]
)  # fmt: skip
def test_a_week_is_named_by_its_days(name, free):
    monday = date(2025, 10, 13)
    found = {n for n in range(7) if not CALENDARS.works(monday + timedelta(days=n), name)}
    assert found == free


def own(**changes):
    document = {
        "calendar": "acme", "version": 1, "week": "SUN-THU", "complete_for": [2026],
        "holidays": ["2026-10-04"], "working_days": ["2026-10-09"],
    }  # fmt: skip
    return WorkingCalendar.model_validate_json(json.dumps(document | changes))


def test_a_published_calendar_has_its_own_week_holidays_and_extra_days():
    calendars = Calendars([own()])
    works = [calendars.works(date(2026, 10, day), "acme") for day in range(1, 12)]
    #        Thu   Fri    Sat    Sun    Mon   Tue   Wed   Thu   Fri   Sat    Sun
    assert works == [True, False, False, False, True, True, True, True, True, False, True]
    assert calendars.working_day_after(date(2026, 10, 1), 1, "acme") == date(2026, 10, 5)
    calendars.publish(own(version=2, holidays=[]))
    assert calendars.working_day_after(date(2026, 10, 1), 1, "acme") == date(2026, 10, 4)


def test_a_published_calendar_knows_only_the_years_it_is_complete_for():
    with pytest.raises(CalendarError, match=r"acme \(version 1\) is not complete for 2027"):
        Calendars([own()]).works(date(2027, 1, 4), "acme")


@pytest.mark.parametrize("name", ["", "cn", "MON-FRY", "MO-FRI", "a b", "x" * 65, "MON-", "-x"])
def test_a_misspelt_calendar_is_refused_in_the_document_with_its_field(name):
    with pytest.raises(ValidationError) as refused:
        Contract(tenant_id="acme", version=1, effective_from="2026-01-01", calendar=name)
    assert refused.value.errors()[0]["loc"] == ("calendar",)


@pytest.mark.parametrize("name", ["CN", "MON-FRI", "sun-thu", "acme", "HK-2026.1", "de-by"])
def test_known_weeks_and_names_that_can_be_published_are_taken(name):
    assert checked_name(name) == name
