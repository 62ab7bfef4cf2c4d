"""Metrics and health of a running stack; every expression of the dashboard and the alerts."""

import json
import os
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from cli_stack import running_stack
from landing_server import wait_for
from prometheus_client.openmetrics.parser import text_string_to_metric_families

pytestmark = pytest.mark.embedded

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "mailsla.rules.yml"
DASHBOARDS = sorted((DEPLOY / "grafana").glob("*.json"))
WORKERS = {"streams", "sinks", "web"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MAILSLA_SESSION_TIMEOUT_S", "3")
        with running_stack(tmp_path_factory.mktemp("metrics")) as running:
            incident = ("--tenant", "*", "--id", "i1", "--kind", "fault")
            running.out("incident", "open", *incident)
            running.run("drain", "--timeout", "60")
            yield running


@pytest.fixture(scope="module")
def promtool():
    found = shutil.which("promtool")
    if found is None:
        assert not os.environ.get("CI"), "promtool comes with Debian's prometheus"
        pytest.skip("promtool comes with Debian's prometheus")
    return found


def get(address, path):
    try:
        with urllib.request.urlopen(f"{address}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def families(address):
    _, text = get(address, "/metrics")
    return {family.name: family for family in text_string_to_metric_families(text)}


def total(address, name, **labels):
    """The sum of a metric's samples that have the labels."""
    return sum(
        sample.value
        for family in families(address).values()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def expressions():
    """(where, PromQL) of every alert and every panel; Grafana's own interval is made one."""
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                yield panel["title"], target["expr"].replace("$__rate_interval", "1m")


def test_every_worker_tells_how_it_is_at_the_address_of_the_state_file(stack):
    addresses = stack.state["metrics"]
    assert set(addresses) == WORKERS
    for name, address in addresses.items():
        assert address.startswith("http://127.0.0.1:")
        wait_for(lambda address=address: get(address, "/ready")[0] == 200)
        assert json.loads(get(address, "/live")[1]) == {"worker": name, "status": "ok"}
        assert total(address, "process_resident_memory_bytes") > 10_000_000


def test_what_came_in_was_counted_and_nothing_waits(stack):
    addresses = stack.state["metrics"]
    for name in ("streams", "sinks"):
        assert total(addresses[name], "mailsla_records_total", topic="mail.ops") == 1
        assert total(addresses[name], "mailsla_stage_seconds_count", stage="apply") >= 1
        assert total(addresses[name], "mailsla_partitions") >= 4
        wait_for(lambda name=name: total(addresses[name], "mailsla_lag_records") == 0)
    assert total(addresses["sinks"], "mailsla_landed_rows_total", table="ops_events") == 1
    assert total(addresses["sinks"], "mailsla_last_checkpoint_timestamp_seconds") > 0
    assert 0 <= total(addresses["streams"], "mailsla_loop_held_seconds") < 5


def test_every_expression_asks_for_metrics_that_a_running_worker_has(stack):
    known = {"up"}
    for address in stack.state["metrics"].values():
        for family in families(address).values():
            suffixes = ("", "_total", "_bucket", "_count", "_sum")
            known |= {f"{family.name}{suffix}" for suffix in suffixes}
    for where, expression in expressions():
        bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|by \([^)]*\)|on \([^)]*\)", " ", expression)
        named = set(re.findall(r"\b(up|mailsla_\w+|process_\w+)\b", bare))
        assert named, where
        assert named <= known, where


def test_every_expression_is_promql(promtool, tmp_path):
    rules = [{"record": f"checked:{n}", "expr": text} for n, (_, text) in enumerate(expressions())]
    path = tmp_path / "expressions.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))
    subprocess.run([promtool, "check", "rules", path], check=True, capture_output=True)


def test_the_alerts_do_what_they_say(promtool):
    for command in (
        ("check", "config", "prometheus.yml"),
        ("test", "rules", "mailsla.rules.test.yml"),
    ):
        done = subprocess.run(
            [promtool, *command], cwd=RULES.parent, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def frozen(pid):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_worker_without_clickhouse_says_so(stack):
    """Not at once unready: a short absence is waited out."""
    address = stack.state["metrics"]["sinks"]
    with frozen(stack.state["pids"]["clickhouse"]):
        stack.out("incident", "close", "--tenant", "*", "--id", "i1", "--unchecked")
        wait_for(lambda: total(address, "mailsla_records_total", topic="mail.ops") == 2)
    wait_for(lambda: total(address, "mailsla_landed_rows_total", table="ops_events") == 2)


def test_a_frozen_worker_is_not_ready(stack):
    address = stack.state["metrics"]["streams"]
    with frozen(stack.state["pids"]["streams"]), pytest.raises(OSError, match="timed out"):
        get(address, "/live")
    wait_for(lambda: get(address, "/ready")[0] == 200)
