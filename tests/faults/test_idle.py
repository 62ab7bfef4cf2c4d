"""What a stack costs that has nothing to do, and what it says meanwhile."""

import time

import pytest
import yaml

from mailsla.sinks.embedded.ports import LOOPBACK, resolve_port
from mailsla.sinks.schema import install_schema
from tests.faults.test_outages import SLOW
from tests.faults.test_poison import heartbeat
from tests.stack import cpu_seconds, running_stack, say, wait_for

KINDS = ("streams", "sinks", "notify", "closer", "web")
SETTLE_S, WATCH_S = 30.0, 60.0
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
    routes = tmp_path / "routes.yaml"
    hook = {"kind": "webhook", "url": f"http://{LOOPBACK}:{resolve_port(0, 'nobody')}/"}
    routes.write_text(yaml.safe_dump({"routes": [{"name": "desk", "to": hook}]}))
    settings = {"notify_routes": str(routes), "web_port": str(resolve_port(0, "web"))}
    with running_stack(tmp_path, broker) as stack, stack.workers(*KINDS, **settings) as workers:
        install_schema(stack.client())
        stack.publish([heartbeat("one")])
        wait_for(lambda: stack.behind("sinks", "mail.ops") == 0)
        wait_for(lambda: "the overview has been read" in workers[-1].log)
        time.sleep(SETTLE_S)
        pids = {one.kind: one.pid for one in workers} | {"broker": stack.broker.pid}
        before, logs = {name: cpu_seconds(pid) for name, pid in pids.items()}, _lines(workers)
        time.sleep(WATCH_S)
        share = {name: (cpu_seconds(pid) - before[name]) / WATCH_S for name, pid in pids.items()}
        said = _lines(workers) - logs
        figures = ", ".join(f"{name} {100 * one:.1f} %" for name, one in share.items())
        say(f"idle on {broker}: {figures} of a core; {said} lines in the logs")
        assert all(worker.is_running() for worker in workers)
        assert max(share[kind] for kind in KINDS) < MOST_WORKER
        assert broker == "kafka" or share["broker"] < MOST_BROKER


def _lines(workers):
    return sum(worker.log.count("\n") for worker in workers)
