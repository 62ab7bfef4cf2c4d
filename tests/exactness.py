"""Nothing lost, nothing doubled: what a stack holds against the reckoning of a flood."""

from base64 import b64decode
from collections import Counter, defaultdict
from datetime import datetime

import orjson
import pytest

from tests.floods import MTA, WRONG_KEY, assert_reason_fits
from tests.stack import say

_COUNTED = (
    "startsWith(tenant_id, {scope:String}) AND (landed_at, partition, offset) NOT IN "
    "(SELECT landed_at, partition, offset FROM conflict_log WHERE topic = 'mail.mta')"
)


def assert_exact(stack, expected, once=True):
    """Facts, month windows, dead letters and re-keyed records equal the reckoning.

    ``once``: result records stand in their topics exactly once. Without transactions a crash may
    repeat a dead letter or a re-keyed record; then only what they amount to is compared.
    """
    assert_facts(stack, expected)
    assert_months(stack, expected)
    assert_dead_letters(stack, expected, once)
    assert_rekeyed(stack, expected, once)
    say(
        f"{expected.scope}: {len(expected.facts)} facts, {len(expected.months)} month windows, "
        f"{sum(expected.bad.values())} dead letters: lost 0, doubled 0, altered 0"
    )


def assert_equal(found, expected):
    """Two sets of keys, or two tallies, are equal; a failure shows some of what differs."""
    if isinstance(found, dict):
        found, expected = found.items(), expected.items()
    lost, doubled = expected - found, found - expected
    assert not lost and not doubled, (
        f"{len(lost)} missing, {len(doubled)} too many: "
        f"{list(lost)[:3]!r:.600} | {list(doubled)[:3]!r:.600}"
    )


def assert_facts(stack, expected):
    """ClickHouse has every good event, once; what contradicts it does not count."""
    found = stack.rows(
        f"SELECT tenant_id, direction, id FROM mta_events FINAL WHERE {_COUNTED}",
        scope=f"{expected.scope}-",
    )
    assert_equal(set(found), expected.facts)
    assert len(found) == len(expected.facts)


def assert_first_landed(stack, scope, values):
    """What counts in ClickHouse has the content of these events, the first of their ids."""
    wanted = set()
    for value in values:
        event = orjson.loads(value)
        times = tuple(datetime.fromisoformat(event[name]) for name in ("accepted_at", "time"))
        wanted.add((event["tenant_id"], event["source"], event["id"], *times))
    found = stack.rows(
        f"SELECT tenant_id, source, id, accepted_at, time FROM mta_events FINAL WHERE {_COUNTED}",
        scope=f"{scope}-",
    )
    assert_equal(set(found), wanted)


def assert_months(stack, expected):
    """The last month windows published, and those in ClickHouse, count every message once."""
    published = month_windows(stack, expected.scope)
    assert_equal(published.keys(), expected.months.keys())
    landed = stack.rows(
        "SELECT tenant_id, direction, window_start, count FROM windows FINAL "
        "WHERE family = 'latency' AND window = 'month' AND startsWith(tenant_id, {scope:String})",
        scope=f"{expected.scope}-",
    )
    counts = {key: len(latencies) for key, latencies in expected.months.items()}
    assert_equal({tuple(row[:3]): row[3] for row in landed}, counts)
    for key, latencies in expected.months.items():
        window = published[key]
        assert window["count"] == len(latencies), key
        assert window["mean_s"] == pytest.approx(sum(latencies) / len(latencies) / 1e6)
        assert window["max_s"] == max(latencies) / 1e6
        assert window["exceedances"] == sum(one > 3_600_000_000 for one in latencies)


def assert_dead_letters(stack, expected, once):
    """Every refused record, with its bytes, field and reason."""
    kinds = {value: kind for kind, value in expected.bad}
    letters = [letter for letter in dead_letters(stack) if letter["value"] in kinds]
    wanted = Counter({value: count for (_, value), count in expected.bad.items()})
    if once:
        assert_equal(Counter(letter["value"] for letter in letters), wanted)
    places = {(letter["partition"], letter["offset"]): letter["value"] for letter in letters}
    assert_equal(Counter(places.values()), wanted)
    for letter in letters:
        assert letter["topic"] == MTA
        assert_reason_fits(kinds[letter["value"]], letter)
    landed = stack.rows("SELECT value_b64, count() FROM dead_letters FINAL GROUP BY value_b64")
    decoded = {b64decode(text): count for text, count in landed}
    assert_equal({value: decoded.get(value) for value in kinds}, wanted)


def assert_rekeyed(stack, expected, once):
    """Every record under a wrong key stands in the topic once more, under the right one."""
    wanted = set(expected.miskeyed)
    keys = defaultdict(list)
    for record in stack.read(MTA):
        if record.value in wanted:
            keys[record.value].append(record.key)
    assert_equal(keys.keys(), wanted)
    for value, found in keys.items():
        right = orjson.loads(value)["tenant_id"].encode()
        again = len(found) - 1 - expected.repeated[value]
        assert set(found) == {WRONG_KEY, right}
        assert again == 1 if once else again >= 1


def dead_letters(stack):
    """The dead letters of a stack, with the original bytes as ``value``."""
    letters = [orjson.loads(record.value) for record in stack.read("sla.dead_letters")]
    return [{**letter, "value": b64decode(letter["value_b64"])} for letter in letters]


def month_windows(stack, scope):
    """The last month window of each (tenant, direction, window's start) published."""
    newest = {}
    for record in stack.read("sla.windows"):
        if b'"month"' not in record.value or not record.key.startswith(scope.encode() + b"-"):
            continue
        window = orjson.loads(record.value)
        start = datetime.fromisoformat(window["window_start"])
        newest[window["tenant_id"], window["direction"], start] = window
    return newest


def assert_results_landed(stack, scope):
    """The tables hold what was published last of each state and each rolling window."""
    states, windows = {}, {}
    for record in stack.read("sla.status"):
        one = orjson.loads(record.value)
        if one["tenant_id"].startswith(f"{scope}-"):
            key = tuple(one[name] for name in ("tenant_id", "indicator", "period"))
            states[key] = one["state"], one["sequence"]
    for record in stack.read("sla.windows"):
        one = orjson.loads(record.value)
        if one["tenant_id"].startswith(f"{scope}-") and one["family"] == "latency":
            key = tuple(one[name] for name in ("tenant_id", "direction", "window"))
            end = datetime.fromisoformat(one["window_end"])
            windows[*key, end] = one["count"], one.get("revision", 1)
    landed = stack.rows(
        "SELECT tenant_id, indicator, period, state, sequence FROM status FINAL "
        "WHERE startsWith(tenant_id, {scope:String})",
        scope=f"{scope}-",
    )
    assert_equal({row[:3]: row[3:] for row in map(tuple, landed)}, states)
    landed = stack.rows(
        "SELECT tenant_id, direction, window, window_end, count, revision FROM windows FINAL "
        "WHERE family = 'latency' AND startsWith(tenant_id, {scope:String})",
        scope=f"{scope}-",
    )
    assert_equal({row[:4]: row[4:] for row in map(tuple, landed)}, windows)
    say(f"{scope}: {len(states)} states, {len(windows)} windows: lost 0, doubled 0, altered 0")


def told_feed(stack, scope):
    """(tenant, indicator, period) → its events on the feed, in order; an id tells one thing."""
    contents, told = {}, defaultdict(list)
    for record in stack.read("sla.breaches"):
        event = orjson.loads(record.value)
        data = event["data"]
        if not data["tenant_id"].startswith(f"{scope}-"):
            continue
        assert contents.setdefault(event["id"], record.value) == record.value, event["id"]
        lines = told[data["tenant_id"], data["indicator"], data["period"]]
        if event not in lines:
            lines.append(event)
    for key, lines in told.items():
        numbers = [event["data"]["sequence"] for event in lines]
        assert numbers == list(range(1, len(lines) + 1)), key
    return dict(told)
