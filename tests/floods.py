"""A flood with everything that must not disturb it, and a naive reckoning of what it holds.

The records come from `tests.mta_flood`; duplicates at any distance, records under a wrong
key and tombstones are mixed in here. The reckoning reads the published bytes one by one, as the
contract says it, with none of the project's decoding, windows or tables.
"""

import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import orjson

from mailsla.streams.simulate.bad import BAD_KINDS
from tests.mta_flood import flood

MTA = "mail.mta"
WRONG_KEY = b"somebody-else"
_ZONE = ZoneInfo("Asia/Shanghai")
_START = datetime(2025, 9, 20, tzinfo=UTC)
_DURATION = timedelta(days=25)
_OLD_ONES = 20_000

_REASONS = {
    "invalid_json": "JSON",
    "not_an_object": "object",
    "missing_field": "required",
    "naive_time": "offset",
    "wrong_enum": "allowed values",
    "unknown_type": "type",
    "too_long": "at most 256",
    "too_large": "at most 65536",
    "end_before_start": "accepted_at is after time",
    "far_future": "24 h ahead",
    "before_2000": "before 2000",
}
"""A word the reason of each kind of refusal must hold."""


@dataclass(repr=False)
class Expected:
    """What must be found after everything has been processed."""

    scope: str
    facts: set = field(default_factory=set)
    """(tenant, direction, id) of every good event"""
    months: dict = field(default_factory=lambda: defaultdict(list))
    """(tenant, direction, month's start) → latencies, µs"""
    bad: Counter = field(default_factory=Counter)
    """(kind, bytes) of every refused record"""
    miskeyed: Counter = field(default_factory=Counter)
    """bytes of every record published under a wrong key"""
    repeated: Counter = field(default_factory=Counter)
    """bytes of every duplicate"""
    published: int = 0


def mixed_flood(scope, seed, tenants, count, bad_share=0.01):
    """``(records, expected)``: records are made while they are published, and reckoned up then.

    ``scope`` names tenants and source, so that floods on one stack have nothing in common.
    ``expected`` is complete once ``records`` is exhausted. ``bad_share``: refused records for each
    good one, 0 to 1; None leaves the good ones out.
    """
    expected, share = Expected(scope), 1.0 if bad_share is None else bad_share
    source = flood(seed, tenants, count, share, start=_START, duration=_DURATION)
    within = (
        scoped(record, scope.encode())
        for record in source.records()
        if bad_share is not None or record.kind.startswith("bad:")
    )
    return _mixed(random.Random(seed), within, expected), expected


def scoped(record, scope):
    """The record of a flood with tenant and source of a scope of its own, bytes."""
    value = record.value.replace(b'"tenant_id":"t', b'"tenant_id":"%s-t' % scope, 1)
    value = value.replace(b"example.net/postfix", b"example.net/" + scope, 1)
    return record._replace(key=scope + b"-" + record.key, value=value)


def _mixed(chance, records, expected):
    old = []
    for record in records:
        if record.kind.startswith("bad:"):
            expected.bad[record.kind[4:], record.value] += 1
            yield _sent(expected, record)
            continue
        _reckon(expected, record.value)
        draw = chance.random()
        if draw < 0.005:
            expected.miskeyed[record.value] += 1
            yield _sent(expected, record._replace(key=WRONG_KEY))
        else:
            yield _sent(expected, record)
        if draw > 0.98:
            yield _repeated(expected, record)
        elif draw > 0.96 and old:
            yield _repeated(expected, old[chance.randrange(len(old))])
        elif draw > 0.959:
            yield _sent(expected, record._replace(value=None))
        if len(old) < _OLD_ONES:
            old.append(record)
        elif draw < 0.5:
            old[chance.randrange(len(old))] = record
    for record in old[:200]:
        yield _repeated(expected, record)


def _sent(expected, record):
    expected.published += 1
    return record.topic, record.key, record.value


def _repeated(expected, record):
    """A duplicate under the right key, at whatever distance."""
    expected.repeated[record.value] += 1
    return _sent(expected, record)


def _reckon(expected, value):
    event = orjson.loads(value)
    who = event["tenant_id"], event["direction"]
    assert (*who, event["id"]) not in expected.facts
    expected.facts.add((*who, event["id"]))
    accepted, done = (datetime.fromisoformat(event[name]) for name in ("accepted_at", "time"))
    latency = (done - accepted) // timedelta(microseconds=1)
    expected.months[*who, month_start(accepted)].append(latency)


def month_start(moment):
    """Start of the local month a moment is in, as the window record writes it."""
    local = moment.astimezone(_ZONE).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return local.astimezone(UTC)


def assert_reason_fits(kind, letter):
    """The dead letter names the field and the reason of its kind of refusal."""
    assert letter["field"] == BAD_KINDS[kind].field, (kind, letter["reason"])
    assert _REASONS[kind].lower() in letter["reason"].lower(), (kind, letter["reason"])
