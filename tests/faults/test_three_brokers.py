"""Three brokers, two of which must have every record: leaders die, all are restarted in turn."""

import time
from itertools import islice

import pytest

from tests.faults.test_faults import SMALL_STEPS, goes_on_s, publish, reached, seconds
from tests.faults.test_outages import RECOVERY_S, SLOW
from tests.floods import MTA, mixed_flood
from tests.stack import say, wait_for
from tests.three_brokers import wide_stack
from tests.undisturbed import assert_all

KILLS = 3
EVENTS = 20_000
PORTION = EVENTS // 16
REPLICATED = (MTA, "sla.windows", "mailsla.streams.state")

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(3_600), SLOW]


@pytest.fixture
def stack(tmp_path):
    with wide_stack(tmp_path) as started:
        yield started


def dies_s(stack, node, partition):
    """Kill the leader of a partition; how long it takes until another one leads, seconds.

    The controllers miss a dead broker for nine seconds, Kafka's own default.
    """
    stack.broker.nodes[node].kill()
    since = time.monotonic()
    wait_for(lambda: stack.leader(MTA, partition) not in (node, -1), what="another leads")
    return time.monotonic() - since


def test_leaders_are_killed_under_load(stack):
    before, expected = publish(stack, "leaders", EVENTS)
    elections, pauses = [], []
    with stack.workers("streams", "sinks", **SMALL_STEPS):
        for number in range(KILLS):
            reached(stack, "streams", before, expected.published * (number + 1) // (KILLS + 2))
            node = stack.leader(MTA, number)
            elections.append(dies_s(stack, node, number))
            pauses.append(goes_on_s(stack, "streams"))
            stack.broker.nodes[node].start()
            stack.await_replicas(*REPLICATED)
        stack.drain(300)
        say(
            f"a leader killed: another leads after {seconds(elections)}, and the live worker goes "
            f"on {seconds(pauses)} later"
        )
        assert_all(stack, expected)
        assert max(pauses) < RECOVERY_S


def test_brokers_are_restarted_one_after_the_other(stack):
    before, expected = publish(stack, "rolling", EVENTS // 2)
    records, later = mixed_flood("meanwhile", 5, 12, EVENTS // 2)
    behind = []

    def publish_more():
        stack.publish(islice(records, PORTION))
        behind.append(stack.behind("streams", MTA))

    with stack.workers("streams", "sinks", **SMALL_STEPS):
        reached(stack, "streams", before, PORTION // 2)
        for node in stack.broker.nodes.values():
            node.terminate()
            publish_more()
            node.launch()
            publish_more()
            node.await_ready()
            stack.await_replicas(*REPLICATED)
        back = time.monotonic()
        stack.publish(records)
        stack.drain(300)
        say(
            f"records behind, with a broker gone or starting: {behind}; "
            f"all restarted, drained {time.monotonic() - back:.1f} s later"
        )
        assert_all(stack, expected)
        assert_all(stack, later)
