"""Working days and the plan's days: numbers worked out by hand."""

from datetime import UTC, date, datetime

import pytest

from schemas.contract import Contract
from schemas.indicators import INDICATORS
from sinks.closing.calendars import CalendarError, working_day
from sinks.closing.days import days_of
from sinks.closing.periods import period_of
from sinks.closing.plan import PlanError, make_plan

OCTOBER = date(2025, 10, 1)


def contract(**fields):
    return Contract.model_validate(
        {"tenant_id": "acme", "version": 1, "effective_from": "2025-01-01"} | fields
    )


def days(month=OCTOBER, **fields):
    return {day.day: day for day in days_of(period_of("acme", [contract(**fields)], month))}


def shanghai(year, month, day):
    return int(datetime(year, month, day, tzinfo=UTC).timestamp() - 8 * 3600) * 1_000_000


def test_the_chinese_calendar_knows_holidays_and_moved_working_days():
    works = working_day("CN")
    assert not works(date(2025, 10, 8))
    assert works(date(2025, 10, 11))  # a Saturday
    assert not works(date(2025, 10, 12))


def test_a_year_without_data_is_an_error_and_not_a_guess():
    with pytest.raises(CalendarError, match="calendar of 2003 is not known yet"):
        working_day("CN")(date(2003, 5, 1))


@pytest.mark.parametrize(
    ("name", "free"), [("MON-FRI", {5, 6}), ("SUN-THU", {4, 5}), ("mon-sat", {6})]
)
def test_a_week_is_named_by_its_days(name, free):
    works = working_day(name)
    monday = date(2025, 10, 13)
    assert {n for n in range(7) if not works(monday.replace(day=13 + n))} == free


@pytest.mark.parametrize("name", ["DE", "MON", "MON-XYZ", ""])
def test_an_unknown_calendar_is_refused(name):
    with pytest.raises(CalendarError, match="is unknown; write CN"):
        working_day(name)


def test_deadlines_run_to_the_end_of_the_next_working_day():
    table = days()
    assert table[date(2025, 9, 30)].respond_by_us == shanghai(2025, 10, 10)  # over the holidays
    assert table[date(2025, 10, 10)].respond_by_us == shanghai(2025, 10, 12)  # a working Saturday
    assert table[date(2025, 10, 17)].respond_by_us == shanghai(2025, 10, 21)
    assert table[date(2025, 10, 31)].respond_by_us == 0  # November's case
    assert table[date(2025, 9, 26)].respond_by_us == 0  # September's case
    assert table[date(2025, 9, 28)].notify_by_us == shanghai(2025, 10, 2)


def test_december_needs_no_calendar_of_the_next_year():
    assert days(date(2026, 12, 1))[date(2026, 12, 31)].respond_by_us == 0


def test_weeks_belong_to_the_month_of_their_sunday_when_all_of_them_is_active():
    sundays = [day.day.day for day in days().values() if day.week_start_us]
    assert sundays == [5, 12, 19, 26]
    partial = [
        day.day.day for day in days(effective_from="2025-10-01").values() if day.week_start_us
    ]
    assert partial == [12, 19, 26]


def test_what_is_kept_a_month_is_kept_through_its_last_day():
    table = days(date(2025, 3, 1))
    assert table[date(2025, 1, 31)].keep_backup_until_us == shanghai(2025, 3, 1)
    assert table[date(2025, 2, 28)].keep_backup_until_us == shanghai(2025, 3, 29)


def test_tenants_alike_share_their_days_and_terms():
    versions = {"a": [], "b": [], "c": [contract(tenant_id="c", timezone="Europe/Berlin")]}
    plan = make_plan(OCTOBER, versions, versions)
    assert [row["days"] for row in plan.tenants] == [1, 1, 2]
    assert [row["terms"] for row in plan.tenants] == [1, 1, 1]
    assert len(plan.terms) == len(INDICATORS)
    assert plan.content == make_plan(OCTOBER, ["c", "b", "a", "a"], versions).content


def test_a_target_that_cannot_be_compared_exactly_is_refused():
    fine = contract(overrides={"connectivity.ratio": {"target": "0.9990000000001"}})
    with pytest.raises(PlanError, match="at most 12 decimals"):
        make_plan(OCTOBER, ["acme"], {"acme": [fine]})
