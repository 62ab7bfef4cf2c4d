"""Records in any order and hosts whose clocks are wrong: nothing is different.

Too long for the suite; `make faults SCENARIO=clocks` runs it.
"""

import os
import random
import subprocess
import sys
from itertools import islice

import pytest

from tests.exactness import (
    assert_exact,
    assert_results_landed,
)
from tests.faults.altered_worker import altered_worker
from tests.faults.test_faults import SMALL_STEPS
from tests.faults.test_outages import SLOW
from tests.floods import MTA, mixed_flood
from tests.stack import say, wait_for

EVENTS = 12_000
MONTHS = ("2025-09", "2025-10")
"""One that is over when the log ends, and one in which it ends."""

_WRONG_CLOCK = """
import time
ahead_s = float(arguments[0])
real_s, real_ns = time.time, time.time_ns
time.time = lambda: real_s() + ahead_s
time.time_ns = lambda: real_ns() + int(ahead_s * 1e9)
"""

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(3_600), SLOW]


def audited(stack):
    """Every live figure of the months is the one that ClickHouse works out."""
    for month in MONTHS:
        command = (sys.executable, "-m", "mailsla.streams.cli.main", "audit", month)
        variables = {**os.environ, **stack.variables}
        done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "no longer followed" not in done.stdout
        say(f"audit {month}: {done.stdout.strip()}")


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
        audited(kafka)
