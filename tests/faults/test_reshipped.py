"""Logs that come again, whole, in part and with other content under the same ids.

First while their months are open, minutes to weeks after; then more than a year later. Too long for
the suite, where the same is shown of one task in process; `make faults SCENARIO=reshipped` runs it.
"""

import json
import os
import random
import subprocess
import sys
from datetime import datetime, timedelta

import orjson
import pytest

from tests.exactness import assert_exact, assert_first_landed, assert_results_landed, told_feed
from tests.faults.test_faults import SMALL_STEPS
from tests.faults.test_outages import SLOW
from tests.floods import WRONG_KEY, mixed_flood
from tests.stack import say

EVENTS = 12_000
MONTHS = ("2025-09", "2025-10")
SCOPE = "again"

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(3_600), SLOW]


def mailsla(stack, *words):
    """What a command prints."""
    command = (sys.executable, "-m", "mailsla.streams.cli.main", *words)
    variables = {**os.environ, **stack.variables}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def altered(records, chance):
    """The same events of the same messages, with other instants of acceptance and finish."""
    for topic, key, value in records:
        event = orjson.loads(value)
        accepted, done = (datetime.fromisoformat(event[name]) for name in ("accepted_at", "time"))
        accepted -= timedelta(seconds=chance.choice((0, 1, 3_600, 40 * 86_400)))
        done = max(accepted, done - timedelta(seconds=chance.choice((-5_000, -1, 1, 86_400))))
        times = {"accepted_at": accepted.isoformat(), "time": done.isoformat()}
        yield topic, key, orjson.dumps(event | times)


def of_a_day(records, day):
    return [one for one in records if orjson.loads(one[2])["accepted_at"].startswith(day)]


def identities(records):
    return {orjson.loads(value)["id"] for _, _, value in records}


def books(stack):
    """Every tenant's month as it is closed, without the time of the closing."""
    closed = {}
    for month in MONTHS:
        for one in json.loads(mailsla(stack, "close", month, "--json")):
            closed[one["tenant_id"], month] = one["revision"], one["fingerprint"], one["items"]
    return closed


def test_logs_that_come_again_change_nothing(kafka):
    made, expected = mixed_flood(SCOPE, 9, 12, EVENTS)
    records, chance = list(made), random.Random(4)
    refused = {value for _, value in expected.bad}
    good = [one for one in records if one[2] and one[1] != WRONG_KEY and one[2] not in refused]
    day = of_a_day(good, "2025-10-02")
    assert day
    again = [*day, *good[: len(good) // 4]]

    def repeat(some):
        for _, _, value in some:
            expected.repeated[value] += 1
        return some

    def agrees(others):
        closed = books(kafka)  # looks for conflicts as well
        assert_exact(kafka, expected)
        assert_first_landed(kafka, SCOPE, {one[2] for one in records if one[2]} - refused)
        assert_results_landed(kafka, SCOPE)
        audited = mailsla(kafka, "audit", MONTHS[0])
        assert "no longer followed" not in audited
        say(f"audit {MONTHS[0]}: {audited}")
        found = kafka.rows("SELECT uniqExact(source, id) FROM conflicts")[0][0]
        say(
            f"{sum(expected.repeated.values())} records again, {others} with other instants: "
            f"{found} events in conflicts, as many as were altered"
        )
        return closed, found

    others = [*altered(good[::3], chance)]
    kafka.publish([*records, *repeat(again), *others])
    with kafka.workers("streams", "sinks", **SMALL_STEPS):
        kafka.drain()
        closed, found = agrees(len(others))
        feed = told_feed(kafka, SCOPE)
        assert found == len(identities(others))
        more = [*altered(good[1::3], chance)]
        kafka.publish([*repeat(good), *more])
        kafka.drain()
        closed_again, found_again = agrees(len(others) + len(more))
        assert found_again == len(identities([*others, *more]))
        assert told_feed(kafka, SCOPE) == feed
        assert closed_again == closed
        say(f"{len(closed)} closings and {sum(map(len, feed.values()))} events of the feed stay")
