"""Workers that die, get stuck or cannot go on, for real."""

import asyncio
import os
import re
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import orjson
import pytest
from cli_stack import running_stack
from kafka import KafkaAdminClient
from landing_server import wait_for

from mailsla.sinks.clickhouse import connect
from mailsla.sinks.closer import Closer, take_turn
from mailsla.sinks.worker import clickhouse_settings
from mailsla.streams.cli.support.kafka_publish import Record
from mailsla.streams.cli.support.kafka_publish import publish as publish_records
from mailsla.streams.metrics.health import Health
from mailsla.streams.settings import load
from tests.stack import running_stack as running_services
from tests.stack import say

pytestmark = pytest.mark.embedded

WATCHDOG_S = "5"
HEARTBEAT = {
    "source": "watch", "type": "monitor.heartbeat", "tenant_id": "acme", "monitor": "watch-1",
    "interval_s": 30,
}  # fmt: skip


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MAILSLA_SESSION_TIMEOUT_S", "3")
        environment.setenv("MAILSLA_WATCHDOG_S", WATCHDOG_S)
        folder = tmp_path_factory.mktemp("up")
        with running_stack(folder, "--closer") as stack:
            yield stack, folder / "up.log"


def open_incident(stack, name):
    stack.run("incident", "open", "--tenant", "*", "--id", name, "--kind", "fault")


@pytest.mark.parametrize("worker", ["sinks", "streams", "web", "closer"])
def test_a_killed_worker_of_up_is_started_again_and_goes_on(up, worker):
    stack, log = up
    before = stack.state["pids"]
    os.kill(before[worker], signal.SIGKILL)
    wait_for(lambda: stack.state["pids"][worker] != before[worker])
    assert {k: v for k, v in stack.state["pids"].items() if k != worker} == {
        k: v for k, v in before.items() if k != worker
    }
    open_incident(stack, f"after-{worker}")
    stack.run("drain", "--timeout", "60")
    said = log.read_text()
    assert f"{worker} (process {before[worker]}) ended with signal SIGKILL" in said
    assert f"{worker} is started again" in said


def test_the_closer_of_up_looks_for_what_is_due(up):
    log = Path(up[0].state["data"], "logs/closer.log")
    wait_for(lambda: "tenants closed" in log.read_text())


def test_a_partition_that_grows_while_nothing_is_committed_ends_the_worker_and_the_next_goes_on(up):
    stack, log = up

    def publish():
        event = HEARTBEAT | {"id": str(uuid4()), "time": f"{datetime.now(UTC):%FT%TZ}"}
        publish_records(load(stack.state_file), [Record("mail.ops", b"acme", orjson.dumps(event))])

    publish()
    stack.run("drain", "--timeout", "60")
    stuck, clickhouse = (stack.state["pids"][name] for name in ("sinks", "clickhouse"))
    os.killpg(clickhouse, signal.SIGSTOP)
    held_at = time.monotonic()
    try:
        wait_for(lambda: publish() or f"sinks (process {stuck}) ended" in log.read_text())
        ended_s = time.monotonic() - held_at
        wait_for(lambda: stack.state["pids"]["sinks"] != stuck)
    finally:
        os.killpg(clickhouse, signal.SIGCONT)
    back_at = time.monotonic()
    stack.run("drain", "--timeout", "60")
    say(
        f"stuck, with MAILSLA_WATCHDOG_S at {WATCHDOG_S}: ended after {ended_s:.1f} s; all landed "
        f"{time.monotonic() - back_at:.1f} s after ClickHouse answers"
    )
    said = Path(stack.state["data"], "logs/sinks.log").read_text()
    assert re.search(r"mailsla-sinks has committed nothing of partition \d of \S+ for \d+ s", said)
    assert "though it grows: it stands at" in said
    assert f"sinks (process {stuck}) ended with exit code 1; started again in" in log.read_text()


def test_a_worker_that_cannot_go_on_stays_down_and_says_why_and_the_rest_goes_on(up):
    stack, log = up
    connect(stack.clickhouse()).command("DROP TABLE ops_events")
    sinks, streams = (stack.state["pids"][name] for name in ("sinks", "streams"))
    open_incident(stack, "lost")
    wait_for(lambda: "sinks stays down" in log.read_text())
    line = next(line for line in log.read_text().splitlines() if "sinks stays down" in line)
    assert "the rest goes on: The ClickHouse schema does not fit" in line
    assert "run `mailsla migrate`" in line
    assert not is_running(sinks)
    assert is_running(streams)


def test_a_missing_topic_is_named_and_waited_for(up):
    stack, _ = up
    log = Path(stack.state["data"]) / "logs" / "streams.log"
    before = len(log.read_text())
    admin = KafkaAdminClient(bootstrap_servers=stack.state["kafka"])
    admin.delete_topics(["sla.dead_letters"])
    admin.close()
    os.kill(stack.state["pids"]["streams"], signal.SIGKILL)
    wait_for(lambda: "has no topic sla.dead_letters" in log.read_text()[before:])
    assert "run mailsla topics" in log.read_text()[before:]
    stack.run("topics")
    wait_for(lambda: "Kafka takes what this worker writes again" in log.read_text()[before:])
    wait_for(lambda: "task " in log.read_text()[before:])


@pytest.mark.kafka
def test_a_broker_that_goes_and_comes_is_two_lines_and_nothing_of_the_libraries(tmp_path):
    routes = tmp_path / "routes.yaml"
    routes.write_text('routes: [{name: desk, to: {kind: webhook, url: "http://127.0.0.1:9/"}}]')
    with running_services(tmp_path, "kafka") as services:
        notify = services.worker("notify", notify_routes=str(routes))
        workers = services.worker("sinks"), services.worker("streams"), notify
        services.publish([("mail.ops", b"acme", b"refused")])
        services.drain()
        services.broker.kill()
        closer = Closer(services.settings, clickhouse_settings(services.settings))
        assert asyncio.run(take_turn(closer, Health("closer", consumes=False))) > 0
        for worker in workers:
            wait_for(lambda log=worker: "Kafka is away" in log.log)
        services.broker.start()
        services.publish([("mail.ops", b"acme", b"refused")])
        services.drain()
        for worker in workers:
            wait_for(lambda log=worker: "Kafka is back" in log.log)
            assert worker.log.count("Kafka is away") == 1
            assert worker.log.count("Kafka is back") == 1
            assert " aiokafka" not in worker.log
            assert " kafka." not in worker.log
            assert "Traceback" not in worker.log
