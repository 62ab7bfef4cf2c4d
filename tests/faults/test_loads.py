"""Starts with a large state.

Too long for the suite; `make faults SCENARIO=...` runs them.
"""

import os
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from tests.exactness import assert_equal
from tests.faults.test_outages import RECOVERY_S, SLOW
from tests.faults.test_poison import contract
from tests.floods import MTA
from tests.mta_flood import Flood
from tests.stack import PARTITIONS, running_stack, say, wait_for

ROUNDS = int(os.environ.get("MAILSLA_ROUNDS", "3"))

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(7_200), SLOW]


@pytest.fixture
def stack(tmp_path):
    with running_stack(tmp_path, "kafka") as started:
        yield started


class Sent:
    """What was published, by tenant; the names of all begin alike."""

    def __init__(self, scope):
        self._scope, self.count = scope, Counter()

    def of(self, tenants, count, source, ago_s, lasting_s):
        """So many events from so long ago on, evenly over a time; of a source of their own."""
        start = datetime.now(UTC) - timedelta(seconds=ago_s)
        flood = Flood(11, tuple(tenants), count, 0.0, start, timedelta(seconds=lasting_s))
        for record in flood.records():
            self.count[record.key.decode()] += 1
            value = record.value.replace(b"mx1.", b"%s." % source.encode(), 1)
            yield record.topic, record.key, value

    def assert_all_counted(self, stack):
        """Every event is a fact, once, and counts in the month windows, once."""
        rows = "FROM {} FINAL WHERE startsWith(tenant_id, {{scope:String}}) {} GROUP BY tenant_id"
        month = "AND family = 'latency' AND window = 'month'"
        facts = "SELECT tenant_id, count() " + rows.format("mta_events", "")
        windows = "SELECT tenant_id, toInt64(sum(count)) " + rows.format("windows", month)
        for query in (facts, windows):
            assert_equal(dict(stack.rows(query, scope=self._scope)), dict(self.count))
        say(
            f"{self.count.total()} events of {len(self.count)} tenants: as many facts, as many in "
            "month windows"
        )


def await_tasks(streams):
    """Return once a live worker that has just been started has all tasks."""
    wait_for(lambda: streams.log.count("read back in") == PARTITIONS, 120, "all tasks")


def test_a_state_of_ten_thousand_tenants_is_read_back_every_time(stack):
    tenants, took_s = [f"many-{number}" for number in range(10_000)], []
    sent = Sent("many-")
    stack.publish(map(contract, tenants))
    stack.publish(sent.of(tenants, 50_000, "first", 3_660, 3_600))
    with stack.workers("sinks"):
        with stack.workers("streams"):
            wait_for(lambda: stack.behind("streams", MTA) == 0, 300, "the first life")
        for number in range(ROUNDS):
            stack.publish(sent.of(tenants, 200, f"round-{number}", 10, 5))
            begun = time.monotonic()
            worker = stack.worker("streams", session_timeout_s="2")
            await_tasks(worker)
            took_s.append(time.monotonic() - begun)
            wait_for(lambda: stack.behind("streams", MTA) == 0, 60, "what came meanwhile")
            worker.kill() if number % 2 else worker.terminate()
        with stack.workers("streams"):
            stack.drain()
        each = " ".join(f"{one:.1f}" for one in took_s)
        say(f"10,000 tenants read back, seconds from start to all tasks: {each}")
        assert max(took_s) < RECOVERY_S
        sent.assert_all_counted(stack)
