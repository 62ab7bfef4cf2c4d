"""Local months, days, weeks and working days (contract, rules that hold everywhere)."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest

from mailsla.streams.clauses.facts.base import Samples
from mailsla.streams.time.calendar import (
    DAY,
    HOUR,
    Month,
    Period,
    days_of_year,
    local_day,
    midnight,
    same_day_next_month,
    to_datetime,
    to_us,
)
from tests.unit.clauses_scene import at

SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")


def whole(label: str, zone: ZoneInfo = SHANGHAI) -> Period:
    return Period.whole(Month.parse(label), zone)


@pytest.mark.parametrize(
    ("label", "zone", "hours"),
    [
        pytest.param("2026-02", SHANGHAI, 28 * 24, id="february"),
        pytest.param("2028-02", SHANGHAI, 29 * 24, id="leap february"),
        pytest.param("2026-10", SHANGHAI, 31 * 24, id="31 days"),
        pytest.param("2026-03", BERLIN, 31 * 24 - 1, id="clocks go forward"),
        pytest.param("2026-10", BERLIN, 31 * 24 + 1, id="clocks go back"),
    ],
)
def test_a_month_is_as_long_as_it_really_was(label: str, zone: ZoneInfo, hours: int) -> None:
    assert whole(label, zone).length_us == hours * HOUR


def test_months_touch_over_the_turn_of_the_year() -> None:
    assert whole("2026-12").end_us == whole("2027-01").start_us == at("2027-01-01")
    assert Month(2026, 12).next() == Month(2027, 1)
    assert Month(2027, 1).previous() == Month(2026, 12)
    assert Month.of(date(2026, 1, 31)).label == "2026-01"


@pytest.mark.parametrize("label", ["2026", "2026-13", "2026-00", "26-01", "2026-1", "０００１-01"])
def test_a_month_is_written_with_four_and_two_digits(label: str) -> None:
    with pytest.raises(ValueError, match="write one such as"):
        Month.parse(label)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        pytest.param("America/Sao_Paulo", date(2018, 11, 4), 23, id="midnight skipped"),
        pytest.param("America/Havana", date(2026, 11, 1), 25, id="midnight twice"),
        pytest.param("Australia/Lord_Howe", date(2026, 4, 5), 24.5, id="half an hour"),
        pytest.param("Asia/Kathmandu", date(2026, 4, 5), 24, id="quarter offset"),
    ],
)
def test_days_tile_the_time_whatever_the_clocks_do(zone: str, day: date, hours: float) -> None:
    info = ZoneInfo(zone)
    start, end = midnight(day, info), midnight(day + timedelta(days=1), info)
    assert end - start == int(hours * HOUR)
    assert local_day(start, info) == local_day(end - 1, info) == day
    assert local_day(start - 1, info) == day - timedelta(days=1)


def test_every_local_midnight_since_2000_lies_on_a_quarter_of_an_hour() -> None:
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        for year in range(2000, 2038):
            for month in (1, 4, 7, 10):
                assert midnight(date(year, month, 1), zone) % Samples.CELL == 0, (name, year)


def test_instants_convert_exactly_to_the_microsecond() -> None:
    late = datetime(2199, 12, 31, 23, 59, 59, 999_999, tzinfo=SHANGHAI)
    assert to_datetime(to_us(late)) == late


def test_a_week_belongs_to_the_month_of_its_sunday() -> None:
    october = whole("2026-10")
    mondays = [date(2026, 9, 28), date(2026, 10, 5), date(2026, 10, 12), date(2026, 10, 19)]
    assert october.weeks() == mondays
    assert whole("2026-11").weeks()[0] == date(2026, 10, 26)


def test_a_week_partly_before_the_service_does_not_count() -> None:
    month = Month(2026, 10)
    began = date(2026, 10, 1)
    period = Period(month, SHANGHAI, month.first, month.end, began, date(2026, 10, 1))
    assert period.weeks()[0] == date(2026, 10, 5)


@pytest.mark.parametrize(
    ("day", "kept"),
    [
        (date(2026, 1, 31), date(2026, 2, 28)),
        (date(2028, 1, 30), date(2028, 2, 29)),
        (date(2026, 12, 31), date(2027, 1, 31)),
        (date(2026, 2, 28), date(2026, 3, 28)),
    ],
)
def test_a_calendar_month_ends_on_the_same_day_or_the_last(day: date, kept: date) -> None:
    assert same_day_next_month(day) == kept


def test_years_have_their_real_length() -> None:
    assert [days_of_year(each) for each in (2026, 2028, 2100, 2000)] == [365, 366, 365, 366]


def test_samples_are_summed_exactly_between_midnights() -> None:
    samples = Samples()
    start, end = at("2026-10-01"), at("2026-11-01")
    for time, value in ((start - 1, 1), (start, 2), (end - 1, 4), (end, 8)):
        samples.add(time, value)
    assert samples.total(start, end) == (6, 2)
    samples.add(start + DAY, 16)
    assert samples.total(start, end) == (22, 3)
    samples.forget(start + DAY)
    assert samples.total(start, end) == (20, 2)
    with pytest.raises(ValueError, match="quarter of an hour"):
        samples.total(start + 1, end)
