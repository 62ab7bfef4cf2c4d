"""What stands still, or cannot be reached: all wait, nothing is dropped, and all of it comes.

Too long for the suite; `make faults SCENARIO=...` runs them.
"""

import os
import signal
import time

import orjson
import pytest

from tests.exactness import assert_exact
from tests.faults.test_faults import MEMORY_BOUND, SMALL_STEPS, publish, reached
from tests.stack import resident_bytes, running_stack, say, wait_for

TENANTS = int(os.environ.get("MAILSLA_TENANTS", "100000"))
HUNG_S = 30.0

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.timeout(3_600),
    pytest.mark.skipif("MAILSLA_FAULTS" not in os.environ, reason="make faults runs it"),
]


@pytest.fixture
def stack(tmp_path):
    with running_stack(tmp_path, "kafka") as started:
        yield started


def test_a_clickhouse_that_hangs(stack):
    before, expected = publish(stack, "hung", 40_000)
    with stack.workers("streams", "sinks", **SMALL_STEPS) as (_, sinks):
        reached(stack, "sinks", before, 3_000)
        with stack.clickhouse.held():
            wait_for(lambda: stack.behind("streams", "mail.mta") == 0, 120, "the live worker")
            time.sleep(HUNG_S)
            behind = stack.behind("sinks", "mail.mta")
            assert behind > 0
            assert resident_bytes(sinks.pid) < MEMORY_BOUND
        answers = time.monotonic()
        stack.drain(300)
        say(f"{behind} records behind, all landed {time.monotonic() - answers:.0f} s later")
        assert_exact(stack, expected)


def test_a_broker_that_does_not_answer(stack):
    before, expected = publish(stack, "away", 40_000)
    with stack.workers("streams", "sinks", **SMALL_STEPS):
        reached(stack, "streams", before, 3_000)
        with stack.broker.held():
            time.sleep(HUNG_S)
        answers = time.monotonic()
        stack.drain(300)
        say(f"drained {time.monotonic() - answers:.0f} s after it answers")
        assert_exact(stack, expected)


def test_a_zombie_that_wakes(stack):
    before, expected = publish(stack, "zombie", 40_000)
    with stack.workers("sinks", "streams", **SMALL_STEPS) as (_, zombie):
        reached(stack, "streams", before, 5_000)
        os.kill(zombie.pid, signal.SIGSTOP)
        with stack.workers("streams", **SMALL_STEPS) as (second,):
            wait_for(lambda: "task " in second.log, 60, "the second worker has a task")
            reached(stack, "streams", before, 10_000)
            os.kill(zombie.pid, signal.SIGCONT)
            stack.drain(300)
        assert_exact(stack, expected)


def test_invented_tenants(stack):
    event = {"source": "watch", "type": "monitor.heartbeat", "monitor": "m", "interval_s": 60}
    records = (
        ("mail.ops", name.encode(), orjson.dumps({**event, "id": name, "tenant_id": name,
                                                  "time": "2026-10-05T08:00:00Z"}))
        for name in (f"invented-{number}" for number in range(TENANTS))
    )  # fmt: skip
    with stack.workers("streams", "sinks") as workers:
        stack.publish(records)
        stack.drain(1_800)
        largest = {worker.kind: resident_bytes(worker.pid) for worker in workers}
        say(f"{TENANTS} tenants: " + ", ".join(f"{k} {v / 1e6:.0f} MB" for k, v in largest.items()))
        assert max(largest.values()) < 2 * MEMORY_BOUND
        assert stack.rows("SELECT count() FROM ops_events FINAL") == [(TENANTS,)]
