"""The whole pipeline, real processes, a flood through it: nothing lost, nothing doubled."""

import os
import time

import pytest

from tests.exactness import assert_exact
from tests.floods import MTA, mixed_flood
from tests.stack import cpu_seconds, running_stack, wait_for

EVENTS = int(os.environ.get("MAILSLA_TEST_EVENTS", "100000"))


@pytest.mark.kafka
def test_pipeline_million(tmp_path, record_property, capsys):
    """Default 100,000 events; MAILSLA_TEST_EVENTS=1000000 runs the million."""
    with running_stack(tmp_path, "kafka") as stack:
        records, expected = mixed_flood("million", 1, tenants=50, count=EVENTS)
        stack.publish(records)
        rates = {kind: _rate(stack, kind, expected.published) for kind in ("streams", "sinks")}
        with stack.workers("streams", "sinks"):
            stack.drain()
        assert_exact(stack, expected)
    for kind, (rate, cpu) in rates.items():
        record_property(f"{kind}_events_per_s", rate)
        with capsys.disabled():
            print(f"\n{kind}: {rate:,.0f} events/s, {cpu:.1f} CPU-s", end="")


def _rate(stack, kind, count):
    """Events a second of one worker with everything waiting, from its first to its last commit."""
    worker = stack.worker(kind)
    before = wait_for(lambda: stack.applied(kind, MTA), what=f"{kind} commits")
    started = time.monotonic()
    wait_for(lambda: stack.behind(kind, MTA) <= 4, 120, f"{kind} reaches the end")
    seconds = time.monotonic() - started
    cpu = cpu_seconds(worker.pid)
    assert worker.terminate() == 0
    return (count - before) / seconds, cpu


@pytest.mark.embedded
def test_a_flood_through_the_embedded_broker(tmp_path):
    with running_stack(tmp_path, "tansu") as stack, stack.workers("streams", "sinks"):
        records, expected = mixed_flood("small", 2, tenants=20, count=20_000)
        stack.publish(records)
        stack.drain()
        assert_exact(stack, expected)
