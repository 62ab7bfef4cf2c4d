"""Event time is the same whether records are read as they come or all at once, later."""

from hypothesis import given
from hypothesis import strategies as st

from mailsla.streams.time.clock import MICROS, EventClock

START_S = 1_760_000_000
steps = st.lists(
    st.tuples(st.integers(0, 20_000), st.sampled_from((0, 0, 1, 70, 8_000, 90_000))), min_size=1
)
"""Records: seconds since the one before it, and how late it was."""


@given(steps, st.integers(0, 20_000), st.data())
def test_event_time_does_not_hang_on_when_records_are_read(records, later_s, data):
    received = [START_S + sum(gap for gap, _ in records[: n + 1]) for n in range(len(records))]
    log = [(at - late, at) for at, (_, late) in zip(received, records, strict=True)]
    now_s = received[-1] + later_s
    steady, away = EventClock(), EventClock()
    for time_s, at_s in log:
        steady.now_us(at_s)
        steady.observe(time_s * MICROS, at_s, at_s * MICROS)
    # The other one stops somewhere, and reads the rest when all of it is there.
    stops = data.draw(st.integers(0, len(log)))
    for number, (time_s, at_s) in enumerate(log):
        away.waiting = number >= stops
        away.observe(time_s * MICROS, now_s if away.waiting else at_s, at_s * MICROS)
    away.waiting = False
    away.anchor(now_s, now_s * MICROS)
    assert away.now_us(now_s) == steady.now_us(now_s)
