"""When the closer finds a month due, and which."""

from datetime import UTC, date, datetime, timedelta

import pytest

from mailsla.sinks.closer import months_due, newest_due

FIVE_DAYS = timedelta(days=5)


@pytest.mark.parametrize(
    ("now", "after", "due"),
    [
        # November ends at noon of 1 December UTC in the last zone of all.
        ("2026-12-06T11:59:59+00:00", FIVE_DAYS, date(2026, 10, 1)),
        ("2026-12-06T12:00:00+00:00", FIVE_DAYS, date(2026, 11, 1)),
        ("2026-12-06T20:00:00+08:00", FIVE_DAYS, date(2026, 11, 1)),
        ("2026-12-01T12:00:00+00:00", timedelta(0), date(2026, 11, 1)),
        ("2027-01-31T23:00:00+00:00", timedelta(0), date(2026, 12, 1)),
        ("2027-01-31T23:00:00+00:00", timedelta(days=62), date(2026, 10, 1)),
    ],
)
def test_a_month_is_due_when_it_has_ended_everywhere_for_long_enough(now, after, due):
    assert newest_due(datetime.fromisoformat(now).astimezone(UTC), after) == due


@pytest.mark.parametrize(
    ("booked", "months"),
    [
        (None, [11]),  # nothing was ever closed: the past is left alone
        (date(2026, 8, 1), [8, 9, 10, 11]),
        (date(2026, 11, 1), [11]),
        (date(2026, 12, 1), []),  # somebody was faster
    ],
)
def test_what_was_missed_is_made_up_for_oldest_first(booked, months):
    assert [month.month for month in months_due(booked, date(2026, 11, 1))] == months
