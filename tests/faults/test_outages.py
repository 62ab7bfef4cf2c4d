"""What stands still, or cannot be reached: all wait, nothing is dropped, and all of it comes.

Too long for the suite; `make faults SCENARIO=...` runs them.
"""

import os
import signal
import time

import pytest

from tests.faults.test_faults import MEMORY_BOUND, SMALL_STEPS, publish, reached
from tests.floods import MTA
from tests.stack import resident_bytes, running_stack, say, wait_for
from tests.undisturbed import assert_all

HUNG_S = float(os.environ.get("MAILSLA_AWAY_S", "30"))
RECOVERY_S = 15.0
"""Within it a stack goes on once the cause is gone, on a quiet machine."""
SLOW = pytest.mark.skipif("MAILSLA_FAULTS" not in os.environ, reason="make faults runs it")

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(3_600), SLOW]


@pytest.fixture
def stack(tmp_path):
    with running_stack(tmp_path, "kafka") as started:
        yield started


def test_a_clickhouse_that_hangs(stack):
    before, expected = publish(stack, "hung", 40_000)
    with stack.workers("streams", "sinks", **SMALL_STEPS) as (_, sinks):
        reached(stack, "sinks", before, 3_000)
        with stack.clickhouse.held():
            wait_for(lambda: stack.behind("streams", MTA) == 0, 120, "the live worker")
            time.sleep(HUNG_S)
            behind = stack.behind("sinks", MTA)
            assert behind > 0
            assert resident_bytes(sinks.pid) < MEMORY_BOUND
        answers = time.monotonic()
        stack.drain(300)
        say(f"{behind} records behind, all landed {time.monotonic() - answers:.0f} s later")
        assert_all(stack, expected)


def test_a_broker_that_does_not_answer(stack):
    before, expected = publish(stack, "away", 40_000)
    with stack.workers("streams", "sinks", **SMALL_STEPS) as workers:
        reached(stack, "streams", before, 3_000)
        lines = {worker.kind: worker.log.count("\n") for worker in workers}
        with stack.broker.held():
            time.sleep(HUNG_S)
        answers, behind = time.monotonic(), stack.behind("streams", MTA)
        wait_for(lambda: stack.behind("streams", MTA) < behind, 60, "the workers go on")
        took_s = time.monotonic() - answers
        stack.drain(300)
        said = {worker.kind: worker.log.count("\n") - lines[worker.kind] for worker in workers}
        say(f"away {HUNG_S:.0f} s: goes on {took_s:.1f} s after it answers; lines logged: {said}")
        assert took_s < RECOVERY_S
        assert_all(stack, expected)


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
        assert_all(stack, expected)
