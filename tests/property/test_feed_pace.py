"""The breach feed does not depend on pace: the same log tells the same events.

A month is lived through record by record, each when the clock reaches it and with idle time in
between, or replayed as fast as it can be read, in random batches, with checkpoints and restarts
anywhere: the feed's events, their ids and their order are the same.
"""

import os
from datetime import UTC, datetime
from random import Random

import orjson
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from mailsla.schemas.topics import BREACHES, CONTRACTS, MTA
from mailsla.streams.live.task import SILENCE_US
from mailsla.streams.time.calendar import to_us
from tests.feed_logs import busy_days, late_news, own_log, received, with_platform
from tests.live_run import LiveRun
from tests.reference.strategies import SCENES, History, histories, seeded_month

NEVER_US = 2**60
ALONE = [name for name in SCENES if name != "charges"]
AGES_S = (0, 0, 1, 100, 130, 3_000, 90_000, 900_000)
MONTHS = int(os.environ.get("MAILSLA_MONTHS", "50")) // 10


def steadily(log):
    """Before which records a worker may be idle.

    What changes how mail is judged does so at the time that mail has come to, so idle time between
    the mail before it and the mail after it is not in the log. Nor is that before word of everybody
    that reaches back: a declared outage.
    """
    reach_back = b"exclusion.", b"outage.", b"event.voided"
    changes = [
        topic == CONTRACTS.name or any(word in value for word in reach_back)
        for topic, _, value in log
    ]
    steady, begin = [True] * len(log), 0
    for place, (topic, _, _) in enumerate(log):
        if topic == MTA.name or place == len(log) - 1:
            if any(changes[begin : place + 1]):
                steady[begin : place + 1] = [False] * (place + 1 - begin)
            begin = place + 1
    return steady


def in_order(records):
    """Consecutive records of one topic at a time."""
    group = []
    for record in records:
        if group and group[0][0] != record[0]:
            yield group
            group = []
        group.append(record)
    if group:
        yield group


def feed_of(run):
    """(tenant, indicator, period) → what was told of it, in order; an id repeated counts once."""
    told = {}
    for record in run.told:
        if record.topic == BREACHES.name:
            event = orjson.loads(record.value)
            data = event["data"]
            key = (data["tenant_id"], data["indicator"], data["period"])
            line = (data["sequence"], event["type"], data["state"], event["id"], event["time"])
            told.setdefault(key, []).append(line)
    for lines in told.values():
        assert [line[0] for line in lines] == list(range(1, len(lines) + 1))
    return told


def settle(run):
    """Tell whatever is due now."""
    while run.task.due(run.now_s):
        run.hear()
        run.checkpoint()


def idle_until(run, instant_us, rng):
    """Let the clocks come to when the broker receives something next, in a few steps."""
    goal_s = instant_us / 1_000_000
    for _ in range(rng.choice((0, 1, 3))):
        run.now_s += (goal_s - run.now_s) * rng.random()
        settle(run)


def lived(log, history, rng):
    """Record by record, each when the clock reaches it."""
    times = received(log)
    run = LiveRun(silence_us=NEVER_US, now_s=times[0] / 1_000_000)
    for record, reached, steady in zip(log, times, steadily(log), strict=True):
        if steady:
            idle_until(run, reached, rng)
        run.now_s = reached / 1_000_000
        run.feed([record], [reached])
        if rng.random() < 0.5 and steady:
            settle(run)  # which lets idle time pass, too
    return ended(run, history)


def replayed(log, history, rng, sizes, restarts, silence_us=SILENCE_US):
    """As fast as it goes, in batches cut anywhere."""
    place, times = 0, received(log)
    run = LiveRun(silence_us, now_s=times[-1] / 1_000_000)
    run.task.clock.waiting = True  # as long as there is more to read
    while place < len(log):
        size = rng.choice(sizes)
        for group in in_order(log[place : place + size]):
            run.feed(group, times[place : place + len(group)])
            place += len(group)
        if rng.random() < 0.5:
            run.checkpoint(everything=rng.random() < 0.5)
            if rng.random() < restarts:
                run.restart()
    return ended(run, history)


def ended(run, history):
    run.task.clock.waiting = False
    run.now_s += 2.0
    settle(run)
    run.now_s = max(run.now_s, to_us(history.cutoff) / 1_000_000 + 7_200)
    settle(run)
    return feed_of(run)


def assert_one_feed(log, history, seed):
    once = replayed(log, history, Random(seed), (10_000,), 0)
    assert replayed(log, history, Random(seed + 1), (1, 1, 2, 7, 40), 0.5) == once
    # Idle time trails the broker's by a second, so that which source is silent may differ by that.
    patient = replayed(log, history, Random(seed), (10_000,), 0, NEVER_US)
    assert lived(log, history, Random(seed + 2)) == patient


@pytest.mark.parametrize("seed", range(MONTHS))
def test_a_month_tells_one_feed_at_any_pace(seed):
    history = seeded_month(50_000 + seed)
    assert_one_feed(own_log(history, Random(seed)), history, seed)


@given(history=histories(scenes=ALONE), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=MONTHS, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_month_tells_one_feed_at_any_pace(history, seed):
    log = own_log(history, Random(seed))
    assume(log)  # of a month without a record there is nothing to tell
    assert_one_feed(log, history, seed)


@given(seed=st.integers(0, 2**32 - 1), platform=st.booleans())
@example(seed=964_170, platform=False)
@example(seed=8_080_444, platform=True)  # A declared outage is revoked.
@settings(max_examples=2 * MONTHS, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_busy_days_tell_one_feed_at_any_pace(seed, platform):
    log, cutoff = busy_days(Random(seed)), datetime(2025, 11, 3, tzinfo=UTC)
    log = with_platform(log, Random(~seed), (0,)) if platform else log
    assert_one_feed(log, History("2025-10", ("a", "b"), (), cutoff, ()), seed)


# A restart between a voiding and the end of what it lets settle.
@example(seed=371, platform=False)
@example(seed=800_875, platform=True)  # Word of the platform comes apart, of a later instant each.
@given(seed=st.integers(0, 2**32 - 1), platform=st.booleans())
@settings(max_examples=4 * MONTHS, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_past_tells_one_feed_however_it_is_cut(seed, platform):
    log, cutoff = late_news(Random(seed)), datetime(2025, 11, 4, tzinfo=UTC)
    log = with_platform(log, Random(~seed), AGES_S) if platform else log
    history = History("2025-11", ("a", "b"), (), cutoff, ())
    once = replayed(log, history, Random(seed), (10_000,), 0)
    for more in range(2):
        assert replayed(log, history, Random(seed + more), (1, 1, 2, 7, 40), 0.5) == once
