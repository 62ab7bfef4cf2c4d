"""A state that release 0.1.0 wrote: what it told is neither lost, nor doubled, nor renumbered."""

import base64
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from mailsla.schemas.topics import BREACHES, STREAMS_STATE, WINDOWS
from mailsla.streams.live.checkpoint.former import carry_over, is_former, leftovers
from mailsla.streams.runtime.checkpoint.state_log import StateError, read_state
from mailsla.streams.time.calendar import Month
from tests.live_run import BROKER_US, LiveRun, assessments

FORMER = orjson.loads((Path(__file__).parents[1] / "corpora/state_0_1_0.json").read_bytes())
OCTOBER = Month(2025, 10)


def log(name):
    return [(topic, key.encode(), value.encode()) for topic, key, value in FORMER[name]]


def former_state():
    return {key.encode(): base64.b64decode(value) for key, value in FORMER["state"].items()}


def told(run):
    """Tenant, indicator, month, sequence number and state of every transition."""
    fields = ("tenant_id", "indicator", "period", "sequence", "state")
    found = [orjson.loads(each.value)["data"] for each in run.told if each.topic == BREACHES.name]
    return [[each[name] for name in fields] for each in found]


def carried():
    run = LiveRun(most_messages=FORMER["most_messages"])
    made = carry_over(0, former_state(), BROKER_US)
    state = {each.key: each.value for each in made}
    offsets = {}
    for topic, _, _ in log("read"):
        offsets[topic] = offsets.get(topic, 0) + 1
    run.take_over(state, [each.encode() for each in FORMER["broadcast"]], offsets)
    return run


def lived():
    """A task of this release that has read the same."""
    run = LiveRun(most_messages=FORMER["most_messages"])
    run.feed(log("read"))
    run.checkpoint()
    run.hear()
    return run


def figures(run):
    now_us = run.task.scheduler.position_us
    return {
        (tenant, found.measure.indicator): (
            found.state,
            found.verdict,
            replace(found.measure, evidence=tuple(sorted(found.measure.evidence))),
        )
        for tenant in ("acme", "beta")
        for found in assessments(run.task, tenant, OCTOBER, now_us)
    }


def month_windows(run):
    """Tenant and direction → the newest value of the month's window."""
    found = [orjson.loads(each.value) for each in run.told if each.topic == WINDOWS.name]
    return {
        (each["tenant_id"], each["direction"]): (each["count"], each["mean_s"], each["p95_s"])
        for each in found
        if (each["family"], each["window"]) == ("latency", "month")
    }


def test_nothing_is_told_again_or_anew_of_what_was_told():
    run = carried()
    run.pass_time(60)
    run.restart()
    run.pass_time(60)
    assert told(run) == []


def test_the_figures_are_those_of_who_read_the_log():
    run, other = carried(), lived()
    # And who waits for a message that never comes: three are in flight, one of them for long.
    for passed_s in (60, 12_000):
        run.pass_time(passed_s)
        other.pass_time(passed_s)
        assert figures(run) == figures(other)
    assert figures(run)["acme", "latency.exceedances"][2].observed == 3


def test_the_feed_goes_on_where_it_was():
    run, other = carried(), lived()
    for each in (run, other):
        each.feed(log("after"))
        each.pass_time(1)
        each.restart()
        each.pass_time(8_000)
    assert figures(run) == figures(other)
    assert month_windows(run) == month_windows(other)
    numbers, last = {}, {}
    for *key, sequence, state in [*FORMER["told"], *told(run)]:
        numbers.setdefault(tuple(key), []).append(sequence)
        last[tuple(key)] = state
    assert {tuple(key) for *key, _, _ in told(run)} >= {
        ("beta", "connectivity.downtime", "2025-10"),
        ("beta", "latency.exceedances", "2025-10"),
    }
    for found in numbers.values():
        assert found == list(range(1, len(found) + 1))
    assert last == {tuple(key): state for *key, _, state in told(other)}


def test_what_was_carried_over_replaces_what_was_there():
    state = former_state()
    assert is_former(state)
    made = carry_over(0, state, BROKER_US)
    after = state | {each.key: each.value for each in made}
    assert not is_former(after)
    gone = leftovers(0, after)
    assert {each.key for each in gone} == {key for key in state if key.startswith(b"segment/")}
    assert {each.topic for each in (*made, *gone)} == {STREAMS_STATE.name}
    assert made[-1].key == b"head"
    read_state({key: value for key, value in after.items() if key not in {e.key for e in gone}})


def test_a_segment_that_is_missing_is_said():
    state = former_state()
    del state[b"segment/9"]
    with pytest.raises(StateError, match="segment 9 of the state is missing"):
        carry_over(0, state, BROKER_US)
