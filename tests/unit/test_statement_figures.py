"""How numbers are shown: readable and exact."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsla.schemas.presentation.figures import (
    Figure,
    budget,
    duration,
    figure,
    holds,
    money,
    observed_figure,
    percent,
    promise,
)


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        ("0", "0 s", "0秒"),
        ("59.9996", "1 min", "1分"),
        ("2640", "44 min", "44分"),
        ("9000.5", "2 h 30 min 0.5 s", "2小时30分0.5秒"),
        ("90061.25", "1 d 1 h 1 min 1.25 s", "1天1小时1分1.25秒"),
        ("86400", "1 d", "1天"),
        ("-61", "−1 min 1 s", "−1分1秒"),
    ],
)
def test_durations_read_like_a_clock(seconds, english, chinese):
    assert duration(Decimal(seconds), "en") == english
    assert duration(Decimal(seconds), "zh") == chinese


def test_a_figure_stands_beside_its_exact_value_unless_they_agree():
    assert figure(Decimal("2640.000000000"), "s", "en") == Figure("44 min", "2640 s")
    assert figure(Decimal("12.5"), "s", "en") == Figure("12.5 s")
    assert figure(Decimal("4.839250001"), "s", "en") == Figure("4.839 s", "4.839250001 s")
    assert figure(Decimal("0.998655913"), "ratio", "en") == Figure("99.8655913 %", "0.998655913")
    assert figure(Decimal("3.000000000"), "count", "zh") == Figure("3")
    assert figure(Decimal("360"), "days", "zh") == Figure("360 天")
    assert figure(None, "s", "en") == Figure("–")


def test_small_ratios_and_round_ones_keep_their_digits():
    assert percent(Decimal("0.00003")) == "0.003 %"
    assert percent(Decimal(1)) == "100 %"


def test_promises_show_their_comparator():
    assert promise("<", Decimal(2640), "s", "en") == Figure("< 44 min", "< 2640 s")
    assert promise(">=", Decimal("0.999"), "ratio", "zh") == Figure("≥ 99.9 %", "≥ 0.999")
    assert promise(None, None, "count", "en") == Figure("–")


@pytest.mark.parametrize(
    ("observed", "comparator", "target", "unit", "told"),
    [
        ("600", "<", "2640", "s", Figure("34 min left", "2040 s · 77.3 %")),
        ("2640", "<", "2640", "s", Figure("nothing left")),
        ("2641", "<", "2640", "s", Figure("1 s over")),
        ("0.9995", ">=", "0.999", "ratio", Figure("0.05 % left", "0.0005")),
        ("0", "<", "2", "count", Figure("1 left", "100 %")),
        ("1", "<", "2", "count", Figure("nothing left")),
        ("2", "<", "2", "count", Figure("1 over")),
        ("355", ">=", "360", "days", Figure("5 days short")),
        ("0", "=", "0", "count", Figure("none is allowed")),
        ("3", "=", "0", "count", Figure("3 over")),
        (None, "=", "0", "count", Figure("–")),
        ("6000.002", "<=", "6000", "s", Figure("2 ms over")),
        ("6000.000001", "<=", "6000", "s", Figure("1 µs over")),
        ("6000.000000001", "<=", "6000", "s", Figure("1 ns over")),
    ],
)
def test_what_remains_of_the_budget(observed, comparator, target, unit, told):
    value = None if observed is None else Decimal(observed)
    assert budget(value, comparator, Decimal(target), unit, "en") == told


@pytest.mark.parametrize(
    ("amount", "text"),
    [("1200.000000000", "1200.00"), ("1200.5", "1200.50"), ("0.125", "0.125"), ("1E+3", "1000.00")],
)
def test_money_is_exact_with_two_decimals_at_least(amount, text):
    assert money(Decimal(amount)) == text


@pytest.mark.parametrize(
    ("observed", "breached", "text"),
    [
        ("6000", False, "1 h 40 min"),
        ("6000.002", True, "1 h 40 min 0.002 s"),
        ("6000.0004", True, "1 h 40 min 0.0004 s"),
        ("6000.000000001", True, "1 h 40 min 0.000000001 s"),
        ("6000.000000000", True, "just over 1 h 40 min"),
        ("5999.9996", False, "1 h 40 min"),
    ],
)
def test_a_rounded_figure_never_contradicts_its_verdict(observed, breached, text):
    limit = ("<=", Decimal(6000), "s", "en")
    assert observed_figure(Decimal(observed), *limit, breached=breached).text == text


@given(
    st.decimals("0", "10000", places=9),
    st.sampled_from(["<", "<=", ">=", "="]),
    st.integers(0, 10_000).map(Decimal),
)
def test_a_shown_duration_stands_on_the_side_of_its_verdict(value, comparator, target):
    breached = not holds(value, comparator, target)
    shown = observed_figure(value, comparator, target, "s", "en", breached=breached).text
    units = {"d": 86_400, "h": 3_600, "min": 60, "s": 1}
    words = shown.split()
    told = sum(Decimal(n) * units[u] for n, u in zip(words[::2], words[1::2], strict=True))
    assert holds(told, comparator, target) is not breached
