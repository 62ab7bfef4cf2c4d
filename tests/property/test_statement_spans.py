"""Stretches of time against plain sets of instants."""

from datetime import date, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from mailsla.sinks.closing.plan.contract_segments import midnight_us
from mailsla.sinks.statement.facts import spans

INSTANTS = st.integers(0, 60)
SPANS = st.lists(st.tuples(INSTANTS, INSTANTS), max_size=8)
HOUR = 3_600_000_000


def instants(own):
    return {each for start, end in own for each in range(start, end)}


@given(SPANS, SPANS)
def test_union_and_subtraction_are_those_of_sets(some, others):
    merged = spans.union(some)
    assert instants(merged) == instants(some)
    assert all(a[1] < b[0] for a, b in pairwise(merged))
    assert instants(spans.subtract(merged, others)) == instants(some) - instants(others)
    assert spans.length(merged) == len(instants(some))


@given(SPANS, INSTANTS, INSTANTS)
def test_clipping_is_an_intersection(some, start, end):
    assert instants(spans.clip(some, start, end)) == instants(some) & set(range(start, end))


@given(
    st.dates(date(2025, 3, 28), date(2025, 4, 2)),
    st.integers(0, 80),
    st.integers(1, 80),
    st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/New_York"]),
)
def test_days_touched_are_those_with_an_instant_in_common(day, wait, hours, name):
    zone = ZoneInfo(name)
    start = midnight_us(day, zone) + wait * HOUR
    end = start + hours * HOUR
    touched = list(spans.days_touched([(start, end)], zone))
    around = [day + timedelta(days=n) for n in range(-1, 9)]
    expected = [
        one
        for one in around
        if midnight_us(one, zone) < end and midnight_us(one + timedelta(days=1), zone) > start
    ]
    assert touched == expected
