"""What a stack has told against a life of the same log that nobody disturbed.

The log itself is read back, applied in this process by one task for each partition, and everything
they tell is compared: rolling windows, states, the breach feed; and what of it has landed.
"""

import os
import time

import orjson

from tests.exactness import assert_equal, assert_exact
from tests.floods import MTA
from tests.live_run import LiveRun
from tests.stack import PARTITIONS, say

WINDOWS, STATUS, FEED = "sla.windows", "sla.status", "sla.breaches"
SETTLE_S = 30.0
_AT_ONCE = 5_000
_WINDOW = ("tenant_id", "family", "direction", "window", "window_start")
_COUNTED = ("count", "mean_s", "max_s", "exceedances")
_STATUS = ("tenant_id", "indicator", "period")
_STATE = ("state", "observed", "target", "sequence")
_TOLD = ("sequence", "state", "observed", "target", "event_time")


def assert_all(stack, expected, once=True):
    """`assert_exact`, and where there is time for it all that was told as well."""
    assert_exact(stack, expected, once)
    if "MAILSLA_FAULTS" in os.environ and stack.kind == "kafka":
        for scope in (expected.scope, slow_scope(expected.scope)):
            assert_as_undisturbed(stack, scope)


def slow_scope(scope):
    """Of the tenants that come with a flood to make the breach feed speak."""
    return f"slow-{scope}"


def assert_as_undisturbed(stack, scope):
    """Windows, states and feed of the tenants of a flood are those of an undisturbed life."""
    prefix = f"{scope}-".encode()
    expected = _undisturbed(stack, prefix)
    # A tenant may still be about to be published when all of its events have been committed.
    deadline = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline:
        if _states(_of(stack, STATUS, prefix)) == _states(expected[STATUS]):
            break
    stack.drain()
    found = {topic: _of(stack, topic, prefix) for topic in (WINDOWS, STATUS, FEED)}
    assert_equal(_states(found[STATUS]), _states(expected[STATUS]))
    assert_equal(feed(found[FEED]), feed(expected[FEED]))
    # Which ends are published hangs on how often a worker looks, their values do not.
    told, wanted = _windows(found[WINDOWS]), _windows(expected[WINDOWS])
    common = told.keys() & wanted.keys()
    assert_equal({key: told[key] for key in common}, {key: wanted[key] for key in common})
    _assert_landed(stack, scope, found)
    say(
        f"{scope}: {len(common)} windows, {len(_states(found[STATUS]))} states, "
        f"{len(feed(found[FEED]))} events of the feed as in an undisturbed life"
    )


def _undisturbed(stack, prefix):
    """Topic → values that tasks nobody disturbs tell of the same log."""
    log = stack.read(MTA)
    told = {WINDOWS: [], STATUS: [], FEED: []}
    for partition in range(PARTITIONS):
        own = [one for one in log if one.partition == partition]
        run = LiveRun()
        for start in range(0, len(own), _AT_ONCE):
            some = own[start : start + _AT_ONCE]
            # While nothing came time has passed: when the broker had each is a part of the log.
            heard_us = [1_000 * one.timestamp for one in some]
            run.feed([(MTA, one.key, one.value) for one in some], heard_us)
            run.checkpoint()
        for record in run.told:
            if record.topic in told and record.key.startswith(prefix):
                told[record.topic].append(orjson.loads(record.value))
    return told


def _of(stack, topic, prefix):
    records = (one for one in stack.read(topic) if one.key.startswith(prefix))
    return [orjson.loads(one.value) for one in records if one.value is not None]


def _picked(value, names):
    return tuple(value.get(name) for name in names)


def _windows(values):
    """Each window as it was published last; a publication comes once, under its own revision."""
    newest, revisions = {}, set()
    for value in values:
        key = _picked(value, _WINDOW)
        revision = value.get("revision", 1)
        assert (key, revision) not in revisions, (key, revision)
        revisions.add((key, revision))
        newest[key] = _picked(value, _COUNTED)
    return newest


def _states(values):
    """The last state of each indicator that mail bears on; others change with time alone."""
    mail = [value for value in values if value["indicator"].startswith("latency.")]
    return {_picked(value, _STATUS): _picked(value, _STATE) for value in mail}


def feed(values):
    """Event id → what it says; an id comes once, and none is left out."""
    found, sequences = {}, {}
    for value in values:
        data = value["data"]
        assert value["id"] not in found, value["id"]
        found[value["id"]] = (*_picked(data, _STATUS), value["type"], *_picked(data, _TOLD))
        sequences.setdefault(_picked(data, _STATUS), []).append(data["sequence"])
    for key, told in sequences.items():
        assert told == list(range(1, len(told) + 1)), key
    return found


def _assert_landed(stack, scope, found):
    """What was told has landed, once."""

    def rows(query):
        return stack.rows(query + " WHERE startsWith(tenant_id, {scope:String})", scope=f"{scope}-")

    assert_equal({row[0] for row in rows("SELECT id FROM breaches FINAL")}, set(feed(found[FEED])))
    states = {key: state[0] for key, state in _states(found[STATUS]).items()}
    landed = rows("SELECT tenant_id, indicator, period, state FROM status FINAL")
    assert_equal({row[:3]: row[3] for row in landed if row[:3] in states}, states)
    counts = {
        (*_picked(one, _WINDOW)[:4], one["window_end"]): one["count"] for one in found[WINDOWS]
    }
    landed = rows(
        "SELECT tenant_id, family, direction, window, "
        "formatDateTime(window_end, '%FT%TZ', 'UTC'), count FROM windows FINAL"
    )
    assert_equal({row[:5]: row[5] for row in landed}, counts)
