"""Logs that come again, altered or late, and hosts whose clocks are wrong: nothing is different.

Too long for the suite; `make faults SCENARIO=...` runs them. In the suite the same is shown of
one task in process.
"""

import os
import random
import subprocess
import sys
from datetime import datetime, timedelta
from itertools import islice

import orjson
import pytest

from mailsla.sinks.schema import install_schema
from tests.exactness import (
    assert_exact,
    assert_first_landed,
    assert_results_landed,
    told_feed,
)
from tests.faults.altered_worker import altered_worker
from tests.faults.test_faults import SMALL_STEPS
from tests.floods import MTA, WRONG_KEY, mixed_flood
from tests.stack import running_stack, say, wait_for

EVENTS = 12_000
MONTHS = ("2025-09", "2025-10")

_WRONG_CLOCK = """
import time
ahead_s = float(arguments[0])
real_s, real_ns = time.time, time.time_ns
time.time = lambda: real_s() + ahead_s
time.time_ns = lambda: real_ns() + int(ahead_s * 1e9)
"""

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.timeout(3_600),
    pytest.mark.skipif("MAILSLA_FAULTS" not in os.environ, reason="make faults runs it"),
]


@pytest.fixture(scope="module")
def kafka(tmp_path_factory):
    with running_stack(tmp_path_factory.mktemp("clocks"), "kafka") as stack:
        install_schema(stack.client())
        yield stack


def audited(stack):
    """Every live figure of the months is the one that ClickHouse works out."""
    for month in MONTHS:
        command = (sys.executable, "-m", "mailsla.streams.cli.main", "audit", month)
        variables = {**os.environ, **stack.variables}
        done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        say(f"audit {month}: {done.stdout.strip()}")


def altered(value, chance):
    """The same event of the same message, with another instant of acceptance or finish."""
    event = orjson.loads(value)
    accepted, done = (datetime.fromisoformat(event[name]) for name in ("accepted_at", "time"))
    accepted -= timedelta(seconds=chance.choice((0, 1, 3_600, 40 * 86_400)))
    done = max(accepted, done - timedelta(seconds=chance.choice((-5_000, -1, 1, 86_400))))
    return orjson.dumps(event | {"accepted_at": accepted.isoformat(), "time": done.isoformat()})


def test_a_log_that_comes_again_whole_and_altered_changes_nothing(kafka):
    made, expected = mixed_flood("again", 9, 12, EVENTS)
    records, chance = list(made), random.Random(4)
    refused = {value for _, value in expected.bad}
    good = [one for one in records if one[2] and one[1] != WRONG_KEY and one[2] not in refused]
    with kafka.workers("streams", "sinks", **SMALL_STEPS):
        kafka.publish(records)
        kafka.drain()
        feed = told_feed(kafka, "again")
        # The event time of its end is 25 days after its beginning: every distance is among them.
        kafka.publish(good)
        kafka.publish([(topic, key, altered(value, chance)) for topic, key, value in good[::3]])
        kafka.publish(good[: len(good) // 4])
        for _, _, value in [*good, *good[: len(good) // 4]]:
            expected.repeated[value] += 1
        kafka.drain()
        conflicts = kafka.rows("SELECT count() FROM conflicts")[0][0]
        assert conflicts > 0
        say(f"{len(good)} records again, {len(good[::3])} altered: {conflicts} in conflicts")
        assert_exact(kafka, expected)
        assert_first_landed(kafka, {one[2] for one in records if one[2]} - refused)
        assert_results_landed(kafka, "again")
        assert told_feed(kafka, "again") == feed
        audited(kafka)


def disordered(records, chance):
    """Neighbours change places, some records come hours late, one source is hours behind."""
    late = []
    records = iter(records)
    while some := list(islice(records, 200)):
        chance.shuffle(some)
        late += [one for one in some if chance.random() < 0.02]
        yield from (one for one in some if one not in late[-20:])
        if len(late) > 60:
            yield from late[:40]
            del late[:40]
    yield from late


def test_disorder_and_wrong_clocks_change_nothing(kafka):
    made, expected = mixed_flood("clocks", 13, 12, EVENTS)
    records = list(disordered(made, random.Random(6)))
    before = kafka.applied("streams", MTA)
    kafka.publish(records)
    # Hosts in turn: an hour ahead, set back to 1971, ten years ahead; then one that is right.
    for number, ahead_s in enumerate((3_600, -1_700_000_000, 315_360_000)):
        with (
            altered_worker(kafka, "streams", _WRONG_CLOCK, str(ahead_s), **SMALL_STEPS) as streams,
            altered_worker(kafka, "sinks", _WRONG_CLOCK, str(ahead_s), **SMALL_STEPS) as sinks,
        ):
            least = before + (number + 1) * EVENTS // 4
            wait_for(lambda least=least: kafka.applied("streams", MTA) >= least, 180, "progress")
            wait_for(lambda least=least: kafka.applied("sinks", MTA) >= least, 180, "progress")
            assert not streams.has_ended() and not sinks.has_ended()
    with kafka.workers("streams", "sinks"):
        kafka.drain()
        assert_exact(kafka, expected)
        assert_results_landed(kafka, "clocks")
        events = sum(map(len, told_feed(kafka, "clocks").values()))
        say(f"{events} events of the feed, each id with one content, no gap in the sequences")
        audited(kafka)
