"""The worker is killed again and again: the breach feed is that of a run nobody disturbed."""

import os
import random
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from tests.live_run import LiveRun
from tests.stack import PARTITIONS, running_stack, wait_for
from tests.topic_records import partition_of

KILLS = int(os.environ.get("MAILSLA_KILLS", "6"))
MESSAGES = 1_500 * max(KILLS, 10)
TENANTS = 16
MTA, SCANS, FEED = "mail.mta", "mail.antivirus", "sla.breaches"
# A Tuesday: no deadline of a week or a month lies within the flood.
START = datetime(2025, 9, 23, 2, tzinfo=UTC)
SPAN_S = 12 * 3600
CALM_S = 1_200
"""In the end nothing changes any more, so that every change has held for long enough."""
QUICK = {
    "fetch_bytes": "65536",
    "checkpoint_events": "1000",
    "checkpoint_s": "0.1",
    "session_timeout_s": "2",
}
"""Many batches and checkpoints, so that a kill meets one half done; the dead are missed soon."""

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]


def message(number, tenant, clock_s, latency_s, type_="dispatched"):
    accepted, done = (START + timedelta(seconds=s) for s in (clock_s - latency_s, clock_s))
    event = {
        "id": f"{number}/{type_}",
        "source": "mx",
        "type": f"message.{type_}",
        "tenant_id": tenant,
        "time": (accepted if type_ == "accepted" else done).isoformat(),
        "accepted_at": accepted.isoformat(),
        "message_id": f"m{number}",
        "recipient": "r@example.org",
        "direction": "outbound",
    }
    return MTA, tenant.encode(), orjson.dumps(event)


def flood(seed, scope="feed", messages=MESSAGES):
    """Messages whose means fail and recover, some too late, some stuck; and scans that fail."""
    rng = random.Random(seed)
    tenants = [f"{scope}-{number}" for number in range(TENANTS)]
    records = []
    for number in range(messages):
        clock_s, tenant = number * SPAN_S / messages, tenants[rng.randrange(TENANTS)]
        if clock_s > SPAN_S - CALM_S:
            records.append(message(number, tenant, clock_s, 60))
            continue
        # The mean follows slow and fast times, a few of each, shorter and longer than the hold.
        slow = (clock_s // rng.choice((300, 900))) % 2 == len(tenant) % 2
        records.append(message(number, tenant, clock_s, rng.choice((61, 119) if slow else (1, 50))))
        if rng.random() < 0.001:
            records.append(message(f"late-{number}", tenant, clock_s, 3_700))
        if rng.random() < 0.002 and clock_s < SPAN_S / 2:
            records.append(message(f"stuck-{number}", tenant, clock_s, 0, "accepted"))
        if rng.random() < 0.001:
            records.append(scan(number, tenant))
    return records


def scan(number, tenant):
    event = {
        "id": f"scan-{number}",
        "source": "av",
        "type": "message.scanned",
        "tenant_id": tenant,
        "time": START.isoformat(),
        "message_id": f"m{number}",
        "mailbox": "a@example.cn",
        "verdict": "skipped",
        "action": "none",
        "policy": "clean",
    }
    return SCANS, tenant.encode(), orjson.dumps(event)


def told(values):
    """(tenant, indicator, period) → (sequence, type, id) in order; an id repeated counts once."""
    found = {}
    for value in values:
        event = orjson.loads(value)
        data = event["data"]
        lines = found.setdefault((data["tenant_id"], data["indicator"], data["period"]), [])
        line = (data["sequence"], event["type"], event["id"])
        if line not in lines:
            lines.append(line)
    for key, lines in found.items():
        assert [line[0] for line in lines] == list(range(1, len(lines) + 1)), key
    return found


def undisturbed(records):
    """The feed of tasks that nobody kills, one for each partition."""
    values = []
    for partition in range(PARTITIONS):
        run = LiveRun()
        own = [record for record in records if partition_of(record[1]) == partition]
        for start in range(0, len(own), 5_000):
            run.feed(own[start : start + 5_000])
            run.checkpoint()
        values += [record.value for record in run.told if record.topic == FEED]
    return told(values)


def test_a_worker_killed_at_random_points_tells_the_same_feed(tmp_path_factory):
    records, chance = flood(11), random.Random(3)
    expected = undisturbed(records)
    assert {line[1] for lines in expected.values() for line in lines} >= {
        "sla.indicator.at_risk",
        "sla.indicator.failing",
        "sla.indicator.recovered",
        "sla.indicator.breached",
    }
    with running_stack(tmp_path_factory.mktemp("feed"), "kafka") as stack:
        stack.publish(records)
        messages = sum(topic == MTA for topic, _, _ in records)
        moments = sorted(chance.randrange(1, messages * 9 // 10) for _ in range(KILLS))
        for moment in moments:
            worker = stack.worker("streams", **QUICK)
            wait_for(lambda least=moment: stack.applied("streams", MTA) >= least, 60, "progress")
            worker.kill()
        with stack.workers("streams"):
            wait_for(lambda: stack.behind("streams", MTA) == 0, 60, "the end of the messages")
            wait_for(lambda: stack.behind("streams", SCANS) == 0, 60, "the end of the scans")
            wait_for(
                lambda: len(told(r.value for r in stack.read(FEED))) >= len(expected),
                60,
                "the feed",
            )
        assert told(record.value for record in stack.read(FEED)) == expected
