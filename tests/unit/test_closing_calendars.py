"""Working days and the plan's days: numbers worked out by hand."""

import tracemalloc
from datetime import UTC, date, datetime

from mailsla.schemas.calendars import Calendars, WorkingCalendar
from mailsla.schemas.contract import Contract
from mailsla.schemas.indicators import INDICATORS
from mailsla.sinks.closing.errors import TenantFailure
from mailsla.sinks.closing.plan.calendars import NotedCalendars, changed_days, day_rows
from mailsla.sinks.closing.plan.contract_segments import period_of
from mailsla.sinks.closing.plan.deadline_days import days_of
from mailsla.sinks.closing.plan.plan import make_plan

OCTOBER = date(2025, 10, 1)


def contract(**fields):
    return Contract.model_validate(
        {"tenant_id": "acme", "version": 1, "effective_from": "2025-01-01"} | fields
    )


def days(month=OCTOBER, calendars=None, **fields):
    period = period_of("acme", [contract(**fields)], month)
    return {day.day: day for day in days_of(period, calendars or Calendars())}


def shanghai(year, month, day):
    return int(datetime(year, month, day, tzinfo=UTC).timestamp() - 8 * 3600) * 1_000_000


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


def test_a_tenant_that_cannot_be_judged_is_named_and_the_others_are_planned():
    versions = {
        "a": [contract(tenant_id="a")],
        "b": [contract(tenant_id="b", calendar="nobody.published")],
        "c": [contract(tenant_id="c", calendar="SUN-THU")],
    }
    plan = make_plan(OCTOBER, versions, versions)
    assert [row["tenant_id"] for row in plan.tenants] == list(plan.periods) == ["a", "c"]
    (failure,) = plan.failures
    assert (failure.tenant_id, failure.field) == ("b", "calendar")
    assert "mailsla calendar apply" in failure.reason
    published = Calendars([WorkingCalendar(calendar="nobody.published", version=1,
                                           complete_for=(2024, 2025))])  # fmt: skip
    assert make_plan(OCTOBER, versions, versions, published).failures == []
    assert (
        make_plan(OCTOBER, versions, versions).content
        != make_plan(OCTOBER, ["a", "c"], versions).content
    )


def test_a_tenant_of_whom_a_document_cannot_be_read_is_left_out():
    failure = TenantFailure("a", "calendar", "no calendar")
    plan = make_plan(OCTOBER, ["a", "b"], {}, failures=[failure])
    assert (list(plan.periods), list(plan.failures)) == (["b"], [failure])


def test_the_days_asked_for_are_noted_and_answer_again():
    noted = NotedCalendars()
    first = days(calendars=noted)
    rows = day_rows("run", noted.noted)
    assert [row["calendar"] for row in rows] == ["CN"]
    assert len(rows[0]["days"]) == len(rows[0]["works"]) > 31
    stored = noted.noted["CN"]
    assert days(calendars=Calendars(rules={"CN": stored.__getitem__})) == first


def test_a_changed_day_is_found():
    day = date(2025, 10, 11)
    before, after = {"CN": {day: True}}, {"CN": {day: False, OCTOBER: False}, "MON-FRI": {}}
    (changed,) = changed_days(before, after, ["CN", "MON-FRI"])
    assert (changed.calendar, changed.day, changed.worked) == ("CN", day, True)


def test_days_of_december_that_the_next_notice_decides_are_marked(monkeypatch):
    monkeypatch.setattr("mailsla.schemas.calendars.last_official_year", lambda: 2025)
    december = days(date(2025, 12, 1))
    marked = [day.day for day, row in zip(december, december.values(), strict=True)
              if row.undecided]  # fmt: skip
    assert marked == [24, 25, 26, 27, 28, 29, 30]
    assert december[date(2025, 12, 31)].undecided == ()
    assert days(date(2025, 12, 1), calendar="MON-FRI")[date(2025, 12, 30)].undecided == ()
    monkeypatch.setattr("mailsla.schemas.calendars.last_official_year", lambda: 2026)
    assert days(date(2025, 12, 1))[date(2025, 12, 30)].undecided == ()


def test_many_invented_tenants_cost_little_more_than_their_names():
    names = {f"invented-{number}" for number in range(20_000)}
    tracemalloc.start()
    try:
        plan = make_plan(OCTOBER, names, {})
        content, (kept, most) = plan.content, tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(plan.periods) == sum(1 for _ in plan.tenants) == len(names)
    assert kept < most < 500 * len(names)
    alone = make_plan(OCTOBER, ["invented-1"], {})
    assert next(alone.tenants) in list(plan.tenants)
    assert (alone.terms, alone.days) == (plan.terms, plan.days)
    assert content != alone.content
