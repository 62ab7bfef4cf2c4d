"""The breach feed in a terminal: lines that fit, one for each cause, figures that agree."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from mailsla.schemas.presentation.feed import Told, condensed
from mailsla.schemas.results import BreachEvent
from mailsla.streams.cli.output.feed_lines import day_line, heading, line

AT = datetime(2026, 10, 3, 2, 0, 5, tzinfo=timezone(timedelta(hours=8)))


def event(tenant="acme", type_="sla.indicator.breached", number=1, **data):
    fields = {
        "tenant_id": tenant,
        "contract_version": 1,
        "section": 3,
        "indicator": "operations.fault_duration",
        "period": "2026-10",
        "state": "breached",
        "observed": "6000.002",
        "target": "6000",
        "comparator": "<=",
        "unit": "s",
        "remedy": "double_service",
        "sequence": number,
        "evidence": ["i1"],
        "profile": "default/1",
        "event_time": AT.astimezone(UTC),
    }
    return BreachEvent(
        id=f"{tenant}-{number}-{data}",
        source="mailsla",
        subject=tenant,
        time=AT,
        type=type_,
        data=fields | data,
    )


def burning(long, rate, number):
    burn = {
        "long": long,
        "short": "5m",
        "long_rate": Decimal(rate),
        "short_rate": Decimal(rate),
        "threshold": Decimal(1),
        "active": True,
    }
    return event(type_="sla.budget.burn", number=number, state="at_risk", burn=burn)


@pytest.mark.parametrize("width", [80, 100, 140])
def test_a_line_is_as_wide_as_the_screen(width):
    told = Told(event(tenant="a-tenant-with-a-long-name", indicator="latency.exceedances"))
    for text in (
        heading(width),
        line(told, AT, width),
        line(Told(burning("1h", 20, 1)), AT, width),
    ):
        assert len(text.plain) == width


def test_a_breach_by_two_milliseconds_does_not_read_as_kept():
    text = line(Told(event()), AT, 80).plain
    assert text.startswith("02:00:05 acme          breached  Fault time")
    assert text.endswith("1 h 40 min 0.002 s (≤ 1 h 40 min)")
    assert "2026-10" not in text


def test_a_wide_line_has_month_and_evidence():
    assert line(Told(event()), AT, 100).plain.endswith(" 2026-10  1")


def test_the_date_stands_with_its_zone():
    assert day_line(AT).plain == "2026-10-03, times in UTC+08:00"
    assert day_line(AT.astimezone(UTC)).plain == "2026-10-02, times in UTC"


def test_of_a_burning_budget_the_worst_window_speaks():
    levels = [burning("1h", 20, 1), burning("6h", 8, 2), burning("1d", 30, 3), burning("3d", 2, 4)]
    (told,) = condensed((one, None) for one in levels)
    assert "30.0 × what is allowed, 1d" in line(told, AT, 80).plain


def test_a_fault_of_the_platform_is_one_line_for_everybody():
    (told,) = condensed((event(f"t{n}"), "storm-1") for n in range(3000))
    text = line(told, AT, 80).plain
    assert "3,000 tenants" in text
    assert len(text) == 80
    assert "storm-1" in line(told, AT, 100).plain


def test_what_has_no_common_cause_stays_apart():
    events = [event("a"), event("b"), event("a", number=2)]
    assert len(condensed((one, None) for one in events)) == 3
    assert len(condensed([(event("a"), "x"), (event("b"), "y")])) == 2
