"""When a wait is given up: on standstill, not while there is progress, and at a limit if given."""

from hypothesis import given
from hypothesis import strategies as st

from mailsla.streams.runtime.waiting import STANDSTILL_S, Patience, Wait

readings = st.lists(
    st.tuples(st.integers(0, 1_000), st.floats(0.001, 100.0)), min_size=1, max_size=50
)
"""What was left, and how many seconds passed before the reading."""


def given_up_at(wait, readings):
    """When a wait over some readings is given up, and why; None if it never is."""
    now_s = wait.started_s
    for remaining, passed_s in readings:
        now_s += passed_s
        wait = wait.after(remaining, now_s)
        reason = wait.gives_up(now_s)
        if reason:
            return now_s, reason
    return None


def test_slow_progress_is_waited_for_without_end():
    """
    left   1000   999   998  …  0        one record every 59 s: 16 hours
           |-59 s-|-59 s-|
    """
    wait = Wait.begin(Patience(), 5.0)
    assert given_up_at(wait, [(left, STANDSTILL_S - 1) for left in range(1_000, -1, -1)]) is None


def test_a_standstill_is_given_up_after_its_time_and_not_before():
    """
    left   9    7    7     7      7
    s      10   20   40    79     80
                |------- 60 ------|
    """
    wait = Wait.begin(Patience(), 0.0)
    assert given_up_at(wait, [(9, 10), (7, 10), (7, 20), (7, 39)]) is None
    assert given_up_at(wait, [(9, 10), (7, 10), (7, 20), (7, 40)]) == (80, "standstill")


def test_reading_the_same_records_again_is_no_progress():
    """
    left   9    5    9    6    9    6 …   put back by every rebalance, never beyond
    """
    wait = Wait.begin(Patience(standstill_s=60), 0.0)
    again = [(9, 10), (5, 10), *[(9, 10), (6, 10)] * 10]
    assert given_up_at(wait, again) == (80, "standstill")


def test_a_limit_ends_a_wait_that_gets_on():
    wait = Wait.begin(Patience(timeout_s=100), 0.0)
    assert given_up_at(wait, [(left, 9) for left in range(50, 0, -1)]) == (108, "timeout")


def test_another_stage_has_its_own_records_and_the_same_limit():
    wait = Wait.begin(Patience(standstill_s=60, timeout_s=100), 0.0).after(3, 50.0)
    landing = wait.next_stage(55.0).after(1_000, 60.0)
    assert landing.progressed_s == 60.0, "more than the stage before had left, and yet progress"
    assert landing.gives_up(99.0) is None
    assert landing.gives_up(100.0) == "timeout"


@given(readings)
def test_given_up_exactly_when_nothing_new_was_done_for_so_long(readings):
    now_s, fewest, since_s, expected = 0.0, None, 0.0, None
    for remaining, passed_s in readings:
        now_s += passed_s
        if fewest is None or remaining < fewest:
            fewest, since_s = remaining, now_s
        if now_s - since_s >= STANDSTILL_S:
            expected = now_s, "standstill"
            break
    assert given_up_at(Wait.begin(Patience(), 0.0), readings) == expected
