"""A mean that is in no danger has met its target after every message since it was looked at."""

from itertools import accumulate

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.windows.margins import Margins
from streams.windows.steps import STEP

TARGET_US = 1_000
MONTH = (10_000, 20_000)
latencies = st.integers(0, 4 * TARGET_US)
messages = st.tuples(
    st.integers(0, 200), latencies, st.sampled_from((1, 1, 1, -1)), st.integers(9_000, 20_100)
)


def steps_of(told):
    steps = np.zeros(len(told), dtype=STEP)
    for place, (series, latency_us, sign, accepted_us) in enumerate(told):
        steps[place] = (series, accepted_us, latency_us, sign, True, 0, place)
    return steps


@given(
    st.dictionaries(st.integers(0, 200), st.lists(latencies, max_size=5)),
    st.lists(messages, max_size=60),
    st.integers(1, 7),
)
def test_what_is_in_no_danger_never_missed_its_target(before, told, size):
    margins = Margins()
    for series, looked_at in before.items():
        left_us = TARGET_US * len(looked_at) - sum(looked_at)
        margins.note(series, TARGET_US, left_us, *MONTH)
    for place in range(0, len(told), size):
        margins.add(steps_of(told[place : place + size]))
    in_danger = set(margins.in_danger().tolist())
    for series, looked_at in before.items():
        own = [each for each in told if each[0] == series]
        if series in in_danger or not own:
            continue
        assert all(sign == 1 and MONTH[0] <= at < MONTH[1] for _, _, sign, at in own)
        sums = accumulate(own, lambda total, each: total + each[1], initial=sum(looked_at))
        assert all(
            total <= TARGET_US * count for count, total in enumerate(sums, start=len(looked_at))
        )
    assert {each[0] for each in told} - before.keys() <= in_danger


def test_quick_messages_leave_a_good_mean_in_no_danger():
    margins = Margins()
    margins.note(3, TARGET_US, 10 * TARGET_US, *MONTH)
    margins.add(steps_of([(3, TARGET_US + 1, 1, 15_000)] * 9_999))
    assert 3 not in margins.in_danger()
    margins.add(steps_of([(3, TARGET_US + 1, 1, 15_000)]))
    assert 3 in margins.in_danger()
