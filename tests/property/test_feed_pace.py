"""The breach feed does not depend on pace: the same log tells the same events.

A month is lived through record by record, each when the clock reaches it and with idle time in
between, or replayed as fast as it can be read, in random batches, with checkpoints and restarts
anywhere: the feed's events, their ids and their order are the same.
"""

from random import Random

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.identifiers import PLATFORM
from schemas.topics import BREACHES
from streams.windows.calendar import HOUR, to_us
from tests.live_run import LiveRun, contract_record
from tests.reference.instants import parse
from tests.reference.strategies import SCENES, histories, seeded_month

ALONE = [name for name in SCENES if name != "charges"]
MONTHS = 40


def own_log(history, rng):
    """Contracts and the tenants' own events, in one order."""
    log = [contract_record(each) for each in history.contracts]
    records = [
        record
        for event, record in zip(history.events, history.records(), strict=True)
        if event["tenant_id"] != PLATFORM and event["type"] not in BILLED
    ]
    for record in log:
        records.insert(rng.randrange(len(records) // 2 + 1), record)
    return records


BILLED = {"customer.charged", "billing.error_confirmed"}


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
    """Let the clock come to an instant, in a few steps."""
    for _ in range(rng.choice((1, 2, 4))):
        left_us = instant_us - run.task.clock.now_us(run.now_s)
        if run.task.clock.latest_us == 0 or left_us <= 0:
            break
        run.now_s += left_us / 1_000_000 * rng.random()
        settle(run)
    left_us = instant_us - run.task.clock.now_us(run.now_s)
    if run.task.clock.latest_us and left_us > 0:
        run.now_s += left_us / 1_000_000
        settle(run)


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


def lived(log, history, rng):
    """Record by record, each when the clock reaches it."""
    run, reached = LiveRun(), 0
    for record in log:
        event = orjson.loads(record[2])
        if "time" in event:
            reached = max(reached, parse(event["time"]))
            idle_until(run, reached, rng)
        run.feed([record])
        if rng.random() < 0.5:
            settle(run)
    return ended(run, history)


def replayed(log, history, rng, sizes, restarts):
    """As fast as it goes, in batches cut anywhere."""
    run, place = LiveRun(), 0
    while place < len(log):
        size = rng.choice(sizes)
        for group in in_order(log[place : place + size]):
            run.feed(group)
        place += size
        if rng.random() < 0.5:
            run.checkpoint()
            if rng.random() < restarts:
                run.restart()
    return ended(run, history)


def ended(run, history):
    run.now_s += 0.1
    settle(run)
    idle_until(run, to_us(history.cutoff) + 2 * HOUR, Random(0))
    settle(run)
    return feed_of(run)


def assert_one_feed(history, seed):
    log = own_log(history, Random(seed))
    once = replayed(log, history, Random(seed), (10_000,), 0)
    for other in (
        replayed(log, history, Random(seed + 1), (1, 2, 7, 40), 0.5),
        replayed(log, history, Random(seed + 2), (1,), 0.1),
        lived(log, history, Random(seed + 3)),
    ):
        assert other == once


@pytest.mark.parametrize("seed", range(MONTHS))
def test_a_month_tells_one_feed_at_any_pace(seed):
    assert_one_feed(seeded_month(50_000 + seed), seed)


@given(history=histories(scenes=ALONE), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_month_tells_one_feed_at_any_pace(history, seed):
    assert_one_feed(history, seed)
