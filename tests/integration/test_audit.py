"""A simulated month on a whole stack: audited, closed by the closer, addresses in it forgotten."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import numpy as np
import orjson
import pytest
from cli_stack import running_stack

from mailsla.schemas.indicators import INDICATORS
from mailsla.sinks.clickhouse import connect
from mailsla.sinks.landing.facts import decode_facts
from mailsla.streams.cli.support.kafka_publish import Record
from mailsla.streams.cli.support.kafka_publish import publish as publish_records
from mailsla.streams.settings import load
from mailsla.streams.simulate.plan import plan
from mailsla.streams.simulate.publish import publish
from tests.stack import Worker, wait_for

pytestmark = pytest.mark.embedded

MONTH = "2025-10"
TENANTS = 28
BROKER_US = 1_793_000_000_000_000


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """A stack through which a month of 28 tenants has gone."""
    with running_stack(tmp_path_factory.mktemp("audit")) as running:
        settings = load(running.state_file)
        simulated = plan(7, TENANTS, MONTH, 1_000)
        asyncio.run(publish(settings, simulated.records(), None, lambda count: None))
        running.out("drain")
        yield running


def agreed(stack):
    """What the audit says when it finds no difference, None before that.

    What the platform's events (`*`) change is told by every other task a moment after the task
    that met them has committed them, so it may land a moment after a drain.
    """
    try:
        return stack.out("audit", MONTH)
    except AssertionError:
        return None


def add_incident(stack):
    """Put an incident into ClickHouse that was never in the log."""
    opened = {
        "id": "forged-1",
        "source": "test",
        "type": "incident.opened",
        "tenant_id": "tenant-001",
        "time": "2025-10-15T12:00:00+08:00",
        "incident_id": "forged",
        "kind": "adjustment",
    }
    closed = opened | {
        "id": "forged-2",
        "type": "incident.closed",
        "time": "2025-10-15T12:10:00+08:00",
    }
    del closed["kind"]
    values = [orjson.dumps(event) for event in (opened, closed)]
    decoded = decode_facts("mail.ops", 0, np.arange(2), values, np.full(2, BROKER_US))
    client = connect(stack.clickhouse())
    client.insert_arrow(decoded.table, decoded.rows)
    client.close()


def test_a_month_lived_through_agrees_until_a_fact_is_forged(stack):
    said = wait_for(lambda: agreed(stack), within_s=60)
    assert (
        said == f"{TENANTS * len(INDICATORS)} values of {TENANTS} tenants compared, 0 different\n"
    )
    one = json.loads(stack.out("audit", MONTH, "--tenant", "tenant-002", "--json"))
    assert one == {"month": MONTH, "tenants": 1, "compared": len(INDICATORS), "differences": []} | {
        "held_back": [],
        "given_up": [],
        "running": [],
    }

    add_incident(stack)
    found = json.loads(stack.run("audit", MONTH, "--json", code=1).stdout)
    (difference,) = found["differences"]
    assert (difference["tenant_id"], difference["indicator"]) == (
        "tenant-001",
        "operations.adjustment_duration",
    )
    before, after = difference["live"]["observed"], difference["recomputed"]["observed"]
    assert after == before + 600
    table = stack.run("audit", MONTH, "--tenant", "tenant-001", code=1).stdout
    (row,) = [line for line in table.splitlines() if line.startswith("tenant-001")]
    assert row.split()[1] == "operations.adjustment_duration"
    assert table.endswith(f"{len(INDICATORS)} values of 1 tenants compared, 1 different\n")
    assert stack.run("audit", MONTH, "--tenant", "tenant-002").code == 0


def test_months_without_an_answer_are_refused_in_a_sentence(stack):
    assert "no tenant has an event" in stack.run("audit", "2001-01", code=1).stderr
    running = f"{datetime.now(UTC).date():%Y-%m}"
    stack.out("incident", "open", "--tenant", "tenant-001", "--kind", "fault")
    stack.out("drain")
    assert "is not over yet" in stack.run("audit", running, code=1).stderr
    assert "is no month" in stack.run("audit", "October", code=2).stderr


@pytest.fixture
def closer(stack, tmp_path):
    """Starts closers to whom the simulated month has just become due; killed at the end."""
    started = []
    since = datetime.now(UTC) - datetime(2025, 11, 3, tzinfo=UTC)
    env = {
        "MAILSLA_STATE_FILE": str(stack.state_file),
        "MAILSLA_CLOSE_AFTER_H": str(since / timedelta(hours=1)),
    }

    def start():
        started.append(Worker("closer", len(started), tmp_path, env))
        return started[-1]

    yield start
    for worker in started:
        worker.end()


def contract(stack, version, **fields):
    document = {"tenant_id": "tenant-007", "version": version, "effective_from": "2020-01-01"}
    value = json.dumps(document | fields).encode()
    publish_records(load(stack.state_file), [Record("sla.contracts", b"tenant-007", value)])
    stack.out("drain")


def test_the_closer_closes_a_month_once_whatever_kills_it_and_leaves_out_whom_it_must(
    stack, closer
):
    contract(stack, 1, calendar="unpublished")
    client = connect(stack.clickhouse())

    def ask(query):
        return client.query(query).result_rows

    killed = closer()
    wait_for(lambda: ask("SELECT count() FROM closing_item_log") != [(0,)])
    killed.kill()
    client.command("DROP TABLE IF EXISTS closing_lock_202510 SYNC")  # as when its lease is over

    first = closer()
    wait_for(lambda: "closed before" in first.log)
    assert "left out: tenant-007, calendar: " in first.log
    assert first.terminate() == 0
    revisions = "SELECT tenant_id, count() FROM closing_log GROUP BY tenant_id ORDER BY ALL"
    names = [f"tenant-{n:03d}" for n in range(1, TENANTS + 1)]
    assert ask(revisions) == [(name, 1) for name in names if name != "tenant-007"]

    contract(stack, 2)
    second = closer()
    wait_for(lambda: "closed before" in second.log)
    assert "1 tenants closed" in second.log
    assert f"closed before {TENANTS - 1}, left out 0" in second.log
    assert ask(revisions) == [(name, 1) for name in names]
    assert ask("SELECT uniqExact(run, tenant_id) FROM closing_published") == [(TENANTS,)]
    client.close()


def test_addresses_are_forgotten_by_the_command_and_closings_stay_as_they_were(stack, monkeypatch):
    """After the closer."""
    client = connect(stack.clickhouse())

    def plain():
        return client.query(
            "SELECT recipient FROM mta_events"
            " WHERE recipient LIKE '%@%' AND tenant_id = 'tenant-003'"
        ).result_rows

    ((someone,), *_) = plain()
    refused = stack.run("forget", someone, code=2)
    assert "set MAILSLA_ADDRESS_KEY" in refused.stderr
    monkeypatch.setenv("MAILSLA_ADDRESS_KEY", "a secret of the installation")
    planned = stack.out("forget", someone, "--dry-run")
    assert (someone,) in plain()
    assert stack.out("forget", someone) == planned.replace("would be", "were")
    assert (someone,) not in plain()
    assert plain()
    stack.out("forget", "tenant-003")
    assert plain() == []
    nothing = stack.out("forget", "tenant-003", "--dry-run").splitlines()
    assert all(line.split()[0] == "0" for line in nothing)
    assert stack.run("close", MONTH, "--verify", "--tenant", "tenant-003").code == 0
    client.close()
