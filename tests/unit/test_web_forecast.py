"""Where a budget will stand at the end of its month, at the pace of the month so far."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from mailsla.streams.web.readings.forecast import Forecast, forecast
from mailsla.streams.web.readings.reading import IndicatorState

START, END = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
TENTH = datetime(2026, 11, 11, tzinfo=UTC)
"""A third of the month has passed."""


def state(observed, indicator="connectivity.downtime", target="2640"):
    value = None if observed is None else Decimal(observed)
    limit = Decimal(target)
    return IndicatorState(1, indicator, "ok", value, "<", limit, "s", START)


def test_a_budget_goes_on_as_it_has():
    assert forecast(state("600"), START, END, TENTH) == Forecast(Decimal(1800), None)


def test_it_is_used_up_when_the_pace_reaches_its_target():
    used_up = datetime(2026, 11, 21, tzinfo=UTC)
    assert forecast(state("1320"), START, END, TENTH) == Forecast(Decimal(3960), used_up)


def test_what_is_used_up_already_has_no_day_left():
    assert forecast(state("2700"), START, END, TENTH) == Forecast(Decimal(8100), None)


def test_nothing_used_stays_nothing():
    assert forecast(state("0"), START, END, TENTH) == Forecast(Decimal(0), None)


@pytest.mark.parametrize(
    "one", [state(None), state("10", "latency.send.mean"), state("1", "backup.full", "0")]
)
def test_what_is_no_budget_or_was_not_measured_has_no_forecast(one):
    assert forecast(one, START, END, TENTH) is None


@pytest.mark.parametrize("now", [START, END, datetime(2027, 1, 1, tzinfo=UTC)])
def test_a_month_that_has_not_begun_or_is_over_has_none(now):
    assert forecast(state("600"), START, END, now) is None
