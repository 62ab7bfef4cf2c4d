"""The whole live task on whatever is accepted: nothing raises out of it, in this life or the next.

Events of every topic, with contracts, calendars and exclusions, at the extremes of what is let in:
instants from 2000 to two years ahead, in any order; names that are alike; numbers as large as they
go. What the decoding refuses is a dead letter; what it accepts must be applied, looked at,
published, kept and taken up again.
"""

import json

from mailsla.schemas.topics import CALENDARS, CONTRACTS
from tests.fuzz.mutate import hostile
from tests.fuzz.samples import EVENTS
from tests.live_run import LiveRun
from tests.reference.log import TOPIC_OF

NOW_US = 1_792_497_600_000_000
"""Noon of 2026-10-20, when the broker received everything."""
TENANTS = ["acme", "b.example", "*"]
NAMES = ["a", "b", "c"]
EDGES = [
    "2000-01-01T00:00:00Z", "2000-02-29T23:59:59.999999Z", "2024-12-31T16:00:00Z",
    "2026-09-30T15:59:59.999999Z", "2026-10-01T00:00:00+08:00",
    "2026-10-20T11:59:59.999999Z",
    "2026-10-20T12:00:00Z", "2026-10-20T12:00:59Z", "2026-10-21T11:00:00Z", "2028-10-19T00:00:00Z",
]  # fmt: skip
"""Instants at the bounds of what is let in, of months and years, and of the present."""
VALUES = {
    "billing_month": ["2026-08", "2026-09", "2026-10", "2028-10"],
    "interval_s": [1, 60, 86_400],
    "attempt": [1, 2, 10**6],
    "amount": ["0", "-12.345678", "99999999999999.99"],
    "ok": [True, False],
    "direction": ["inbound", "outbound"],
    "source": NAMES,
    "of": NAMES,
    "id": [f"e{number}" for number in range(60)],
}
ZONES = ["Asia/Shanghai", "America/New_York", "Pacific/Kiritimati", "Asia/Kathmandu"]
SAMPLES = [event for events in EVENTS.values() for event in events]
LONG_S = 20 * 86_400


def event(chance, times):
    """(topic, key, value) of an event with some extreme fields, and one of some times."""
    sample = dict(chance.choice(SAMPLES))
    for name, value in sample.items():
        if name in VALUES:
            sample[name] = chance.choice(VALUES[name])
        elif name == "time" or name.endswith("_at"):
            sample[name] = chance.choice(times)
        if name == "billing_month" and times is EDGES:
            sample[name] = "2000-01"
        elif name.endswith(("_id", "_name", "recipient", "probe", "monitor")):
            sample[name] = chance.choice(NAMES)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            sample[name] = chance.choice((0, 1, 2**31, 2**53))
    sample["tenant_id"] = chance.choice(TENANTS)
    data = hostile(chance, sample) if chance.random() < 0.05 else json.dumps(sample).encode()
    return TOPIC_OF[sample["type"]], sample["tenant_id"].encode(), data


def contract(chance, times):
    """(topic, key, value) of a version of a contract."""
    document = {
        "tenant_id": chance.choice(TENANTS[:2]),
        "version": chance.randint(1, 4),
        "effective_from": chance.choice(["2000-01-01", "2026-09-15", "2026-10-01", "2028-02-29"]),
        "timezone": chance.choice(ZONES),
        "calendar": chance.choice(["CN", "own"]),
        "profile": {
            "feed_hold_s": chance.choice((0, 60, 86_400)),
            "max_latency_s": chance.choice((1, 3_600, 86_400)),
        },
        "overrides": {"latency.send.mean": {"target": chance.choice((0.001, 60, 10**6))}},
    }
    return CONTRACTS.name, document["tenant_id"].encode(), json.dumps(document).encode()


def calendar(chance, times):
    """(topic, key, value) of working days."""
    days = chance.sample(["2000-01-01", "2026-10-01", "2026-10-20", "2028-10-19"], 2)
    document = {
        "calendar": "own",
        "version": chance.randint(1, 3),
        "week": chance.choice(["MON-FRI", "SUN-THU"]),
        "holidays": days[:1],
        "working_days": days[1:],
        "complete_for": [2000, 2026],
    }
    return CALENDARS.name, b"own", json.dumps(document).encode()


def task(chance):
    """A log of all topics, applied with checkpoints, idle time and restarts in between."""
    # From 2000 on there are very many months to look at.
    times = EDGES if chance.random() < 0.05 else EDGES[3:]
    run = LiveRun(now_s=float(NOW_US // 1_000_000))
    for _ in range(chance.randint(1, 4)):
        makers = chance.choices((event, contract, calendar), (90, 8, 2), k=chance.choice((1, 30)))
        records = [make(chance, times) for make in makers]
        run.feed(records, [NOW_US] * len(records))
        if chance.random() < 0.7:
            run.checkpoint(everything=chance.random() < 0.7)
            if chance.random() < 0.4:
                run.restart()
        run.hear()
        run.now_s += chance.choice((0.0, 1.0, 1.0, 900.0, 3_700.0, LONG_S))
    run.checkpoint()
    run.restart()
    run.checkpoint()


task.longest_s = 30.0  # of twenty-six years it looks at every month
