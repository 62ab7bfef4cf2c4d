"""Burn rates of a budget of time: two windows a level, their thresholds, the end of a level."""

from dataclasses import replace

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailsla.schemas.topics import BREACHES
from mailsla.streams.clauses.model.burn_rate import MARK_US, burns, next_mark_us
from mailsla.streams.time.calendar import HOUR, SECOND
from mailsla.streams.time.intervals import FOREVER, IntervalSet
from tests.unit.clauses_scene import Scene, at
from tests.unit.test_feed_clock import Watched, event, second

MINUTE = 60 * SECOND
BEGIN = at("2026-10-10 12:00")
ALLOWED = 2640 * SECOND - 1  # less than 44 minutes of 31 days
MONTH = 31 * 24 * HOUR


def active(scene, now):
    measure = scene.measure("connectivity.downtime", now)
    return [each.long for each in burns(measure, scene.governed, now) if each.active]


def least(threshold, window):
    """So much downtime in a window burns at a threshold, microseconds."""
    return -(-int(threshold * 10) * window * ALLOWED // (10 * MONTH))


@pytest.mark.parametrize(
    ("long", "window", "threshold"),
    [("1h", HOUR, 14.4), ("6h", 6 * HOUR, 6), ("1d", 24 * HOUR, 3), ("3d", 72 * HOUR, 1)],
)
def test_a_level_begins_when_both_windows_reach_its_threshold(long, window, threshold):
    length = least(threshold, window)
    for down, found in ((length - 1, False), (length, True)):
        scene = Scene()
        scene.outage(BEGIN, BEGIN + down)
        assert (long in active(scene, BEGIN + down)) is found


def test_what_was_down_long_ago_burns_no_more():
    scene = Scene()
    scene.outage(BEGIN, BEGIN + 20 * MINUTE)
    assert active(scene, BEGIN + 20 * MINUTE) == ["1h", "6h", "1d", "3d"]
    assert active(scene, BEGIN + 25 * MINUTE) == ["6h", "1d", "3d"]
    assert active(scene, BEGIN + 7 * HOUR) == []


def test_a_budget_that_is_used_up_burns_no_more():
    scene = Scene()
    scene.outage(BEGIN, BEGIN + HOUR)
    assert active(scene, BEGIN + 43 * MINUTE)
    assert not active(scene, BEGIN + 44 * MINUTE)


@given(
    st.lists(st.tuples(st.integers(0, 4_000), st.integers(1, 12)), max_size=4),
    st.integers(0, 4_000),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_the_next_mark_is_the_first_at_which_a_level_begins_or_ends(outages, minute, goes_on):
    scene, now = Scene(), BEGIN + minute * MINUTE + 1
    for begins, lasts in outages:
        scene.outage(BEGIN + begins * MINUTE, BEGIN + (begins + lasts) * MINUTE)
    measure, burning = scene.measure("connectivity.downtime", now), active(scene, now)
    if goes_on and not burning:
        measure = replace(measure, spent=measure.spent | IntervalSet.of([(now, FOREVER)]))
    if measure.denominator == 0:
        return
    found = next_mark_us(measure, scene.governed, burning, now)
    marks = [(now // MARK_US + 1 + number) * MARK_US for number in range(288)]
    for mark in marks:
        levels = burns(measure, scene.governed, mark)
        if [each.long for each in levels if each.active] != burning:
            assert found == mark
            return
    goes_on = len(measure.spent.clip(marks[-1], FOREVER)) > 0
    assert found == (marks[-1] if burning or goes_on else None)


def test_every_level_is_told_to_begin_and_to_end():
    run = Watched()
    probe = {"probe": "p", "channel": "smtp", "capability": "send", "scope": "internal"}
    run.feed([event(1, "probe.result", 0, ok=False, interval_s=600, **probe)])
    run.until(600)
    run.feed([event(2, "probe.result", 600, ok=True, interval_s=90_000, **probe)])
    run.until(8 * 3600)
    run.checkpoint()
    told = [
        (burn["long"], burn["active"])
        for record in run.told
        if record.topic == BREACHES.name
        and (burn := orjson.loads(record.value)["data"].get("burn"))
    ]
    assert [long for long, is_active in told if is_active] == ["1h", "6h", "1d", "3d"]
    assert [long for long, is_active in told if not is_active] == ["1h", "6h", "1d", "3d"]


def test_an_outage_that_is_the_first_thing_known_burns_from_its_first_mark():
    run = Watched()
    probe = {"probe": "p", "channel": "smtp", "capability": "send", "scope": "internal"}
    run.feed([event(1, "probe.result", 0, ok=False, interval_s=600, **probe)])
    run.feed([event(2, "probe.result", 900, ok=True, interval_s=600, **probe)])
    run.checkpoint()
    told = [orjson.loads(each.value) for each in run.told if each.topic == BREACHES.name]
    burning = [each for each in told if each["type"] == "sla.budget.burn"]
    assert second(burning[0]["time"]) == 300
