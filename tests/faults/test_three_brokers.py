"""Three brokers, two of which must have every record: leaders die, all are restarted in turn."""

import time

import pytest

from tests.faults.test_faults import SMALL_STEPS, publish, reached
from tests.faults.test_outages import RECOVERY_S, SLOW
from tests.floods import MTA
from tests.stack import say, wait_for
from tests.three_brokers import wide_stack
from tests.undisturbed import assert_all

KILLS = 3
EVENTS = 40_000

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(3_600), SLOW]


@pytest.fixture
def stack(tmp_path):
    with wide_stack(tmp_path) as started:
        yield started


def goes_on_s(stack, since):
    """How long after a moment something more is committed, or everything is, seconds."""
    behind = stack.behind("streams", MTA)
    wait_for(lambda: not behind or stack.behind("streams", MTA) < behind, 120, "progress")
    return time.monotonic() - since


def test_leaders_are_killed_under_load(stack):
    before, expected = publish(stack, "leaders", EVENTS)
    pauses = []
    with stack.workers("streams", "sinks", **SMALL_STEPS):
        for number in range(KILLS):
            reached(stack, "streams", before, expected.published * (number + 1) // (KILLS + 2))
            leader = stack.broker.nodes[stack.leader(MTA, number)]
            leader.kill()
            pauses.append(goes_on_s(stack, time.monotonic()))
            leader.start()
            stack.await_replicas(MTA, "sla.windows", "mailsla.streams.state")
        stack.drain(300)
        say("a leader killed: goes on after " + ", ".join(f"{pause:.1f} s" for pause in pauses))
        assert_all(stack, expected)
        assert max(pauses) < RECOVERY_S


def test_brokers_are_restarted_one_after_the_other(stack):
    before, expected = publish(stack, "rolling", EVENTS)
    with stack.workers("streams", "sinks", **SMALL_STEPS):
        reached(stack, "streams", before, EVENTS // 20)
        for node in stack.broker.nodes.values():
            node.terminate()
            node.start()
            stack.await_replicas(MTA, "sla.windows", "mailsla.streams.state")
        back = time.monotonic()
        stack.drain(300)
        say(f"all restarted: drained {time.monotonic() - back:.1f} s later")
        assert_all(stack, expected)
