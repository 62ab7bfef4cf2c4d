"""What a stack costs that has nothing to do, and what it says meanwhile."""

import time

import pytest

from tests.faults.test_outages import SLOW
from tests.faults.test_poison import heartbeat
from tests.stack import cpu_seconds, running_stack, say, wait_for

SETTLE_S, WATCH_S = 20.0, 60.0
MOST_WORKER, MOST_BROKER = 0.02, 0.05
"""Of a core."""

pytestmark = [pytest.mark.timeout(3_600), SLOW]


@pytest.mark.parametrize(
    "broker",
    [
        pytest.param("tansu", marks=pytest.mark.embedded),
        pytest.param("kafka", marks=pytest.mark.kafka),
    ],
)
def test_an_idle_stack(tmp_path, broker):
    with running_stack(tmp_path, broker) as stack, stack.workers("streams", "sinks") as workers:
        stack.publish([heartbeat("one")])
        wait_for(lambda: stack.behind("sinks", "mail.ops") == 0)
        time.sleep(SETTLE_S)
        pids = {one.kind: one.pid for one in workers} | {"broker": stack.broker.pid}
        before, logs = {name: cpu_seconds(pid) for name, pid in pids.items()}, _lines(workers)
        time.sleep(WATCH_S)
        share = {name: (cpu_seconds(pid) - before[name]) / WATCH_S for name, pid in pids.items()}
        said = _lines(workers) - logs
        figures = ", ".join(f"{name} {100 * one:.1f} %" for name, one in share.items())
        say(f"idle on {broker}: {figures} of a core; {said} lines in the logs")
        assert max(share["streams"], share["sinks"]) < MOST_WORKER
        assert broker == "kafka" or share["broker"] < MOST_BROKER


def _lines(workers):
    return sum(worker.log.count("\n") for worker in workers)
