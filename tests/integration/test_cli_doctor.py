"""``mailsla doctor`` on a whole stack, healthy and then without parts of it."""

import os
import signal
import stat
from pathlib import Path

import pytest
from cli_stack import running_stack
from landing_server import wait_for
from listening import descendants, listeners

from mailsla.schemas import compiled
from mailsla.sinks.clickhouse import connect
from mailsla.streams.runtime.kafka.admin import administration
from mailsla.streams.settings import load

pytestmark = pytest.mark.embedded


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with running_stack(tmp_path_factory.mktemp("doctor")) as running:
        yield running


def findings(stack, code):
    found = stack.json("doctor", code=code)
    return {each["check"]: (each["state"], each["detail"]) for each in found}


def states(found):
    return {check: state for check, (state, _) in found.items()}


@pytest.fixture
def clickhouse(stack):
    client = connect(stack.clickhouse())
    yield client
    client.close()


def test_a_healthy_stack_has_nothing_wrong(stack):
    assert states(findings(stack, 0)) == {
        "configuration": "ok",
        "security": "ok",
        "broker": "ok",
        "topics": "ok",
        "live state": "ok",
        "group mailsla-streams": "ok",
        "group mailsla-sinks": "ok",
        "mail logs": "ok",
        "clickhouse": "ok",
        "schema": "ok",
        "retention": "ok",
        "clock": "ok",
        "logins": "ok",
        "unreadable batches": "ok",
        "quarantine": "ok",
        "tenants": "ok",
        "quotas": "ok",
        "voided mail": "ok",
        "conflicts": "ok",
        "calendars": "ok",
        "sources": "ok",
        "partitioning": "ok",
        "fast path": "note" if compiled.texts is None else "ok",
    }


def test_a_scan_shows_the_documented_ports_only_and_all_of_them_on_loopback(stack):
    """Besides, the embedded ClickHouse asks a port of its own who may come in: see `gate`."""
    state = stack.state
    names = ("kafka", "clickhouse", "clickhouse_native", "web")
    addresses = [*(state[name] for name in names), *state["metrics"].values()]
    documented = {int(address.rpartition(":")[2]) for address in addresses}
    found = listeners(state["pids"]["supervisor"])
    assert all(address.is_loopback for address, _ in found)
    ports = {port for _, port in found}
    assert documented <= ports
    gate = ports - documented
    assert len(gate) == 1
    assert gate <= {port for _, port in listeners(state["pids"]["clickhouse"])}


def test_no_password_is_in_a_process_list_or_a_log_and_every_file_is_its_owner_s(stack):
    state = stack.state
    secrets = [password.encode() for password in state["clickhouse_users"].values()]
    supervisor = state["pids"]["supervisor"]
    for pid in {supervisor, *state["pids"].values(), *descendants(supervisor)}:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
        assert not [secret for secret in secrets if secret in arguments], arguments
    data = Path(state["data"])
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    for path in (stack.state_file, *data.glob("*"), *data.glob("logs/*")):
        assert path.is_dir() or stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    logs = list(data.glob("logs/*"))
    assert {f"{name}.log" for name in state["pids"]} - {"supervisor.log"} <= {p.name for p in logs}
    for log in logs:
        assert not [secret for secret in secrets if secret in log.read_bytes()], log


def test_without_json_there_is_one_line_per_check(stack):
    lines = stack.out("doctor").splitlines()
    assert len(lines) == len(findings(stack, 0))
    assert all(line.startswith("ok ") for line in lines)


def test_a_view_that_is_missing_is_mended_by_migrate(stack, clickhouse):
    clickhouse.command("DROP VIEW clause_results")
    state, detail = findings(stack, 1)["schema"]
    assert (state, "clause_results" in detail) == ("wrong", True)
    assert detail.endswith("run mailsla migrate")
    stack.out("migrate")
    assert findings(stack, 0)["schema"][0] == "ok"


def test_a_changed_migration_is_noticed(stack, clickhouse):
    newest = "SELECT max(version) FROM schema_migrations"
    version = clickhouse.command(newest)
    clickhouse.insert(
        "schema_migrations", [[version + 1, "x", "y"]], column_names=["version", "name", "checksum"]
    )
    assert "install the newer release" in findings(stack, 1)["schema"][1]
    clickhouse.command(
        "ALTER TABLE schema_migrations DELETE WHERE version = {v:UInt32}"
        " SETTINGS mutations_sync = 2",
        parameters={"v": version + 1},
    )
    assert findings(stack, 0)["schema"][0] == "ok"


def test_a_missing_topic_is_mended_by_topics(stack):
    with administration(load(stack.state_file)) as admin:
        admin.delete_topics(["sla.closings"])
        wait_for(lambda: "sla.closings" not in admin.list_topics())
    state, detail = findings(stack, 1)["topics"]
    assert (state, detail) == ("wrong", "missing: sla.closings; run mailsla topics")
    stack.out("topics")
    assert findings(stack, 0)["topics"][0] == "ok"


def test_a_hung_clickhouse_server_is_named_with_the_remedy(stack):
    """Stopped, not killed: `mailsla up` would take the whole stack down with a dead child."""
    pid = stack.state["pids"]["clickhouse"]
    os.kill(pid, signal.SIGSTOP)
    try:
        found = findings(stack, 1)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert found["clickhouse"][0] == "wrong"
    assert "mailsla up" in found["clickhouse"][1]
    assert {found[name][0] for name in ("schema", "clock", "logins", "quarantine")} == {"skipped"}
    assert found["broker"][0] == "ok"
