"""``mailsla audit`` on a whole stack: a simulated month agrees; a fact out of the log shows."""

import asyncio
import json
from datetime import UTC, datetime

import numpy as np
import orjson
import pytest
from cli_stack import running_stack
from landing_server import wait_for

from mailsla.schemas.indicators import INDICATORS
from mailsla.sinks.clickhouse import connect
from mailsla.sinks.landing.facts import decode_facts
from mailsla.streams.settings import load
from mailsla.streams.simulate.plan import plan
from mailsla.streams.simulate.publish import publish

pytestmark = pytest.mark.embedded

MONTH = "2025-10"
TENANTS = 28
BROKER_US = 1_793_000_000_000_000


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """A stack through which a month of 28 tenants has gone."""
    with running_stack(tmp_path_factory.mktemp("audit")) as running:
        settings = load(running.state_file)
        simulated = plan(7, TENANTS, MONTH, 3_000)
        asyncio.run(publish(settings, simulated.records(), None, lambda count: None))
        running.out("drain")
        yield running


def agrees(stack):
    """Whether the audit finds no difference.

    What the platform's events (`*`) change is told by every other task a moment after the task
    that met them has committed them, so it may land a moment after a drain.
    """
    try:
        stack.run("audit", MONTH)
    except AssertionError:
        return False
    return True


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
    wait_for(lambda: agrees(stack), within_s=60)
    said = stack.out("audit", MONTH)
    assert (
        said == f"{TENANTS * len(INDICATORS)} values of {TENANTS} tenants compared, 0 different\n"
    )
    one = json.loads(stack.out("audit", MONTH, "--tenant", "tenant-002", "--json"))
    assert one == {"month": MONTH, "tenants": 1, "compared": len(INDICATORS), "differences": []}

    add_incident(stack)
    found = json.loads(stack.run("audit", MONTH, "--json", code=1).stdout)
    (difference,) = found["differences"]
    assert (difference["tenant_id"], difference["indicator"]) == (
        "tenant-001",
        "operations.adjustment_duration",
    )
    before, after = difference["live"]["observed"], difference["recomputed"]["observed"]
    assert after == before + 600
    table = stack.run("audit", MONTH, code=1).stdout
    (row,) = [line for line in table.splitlines() if line.startswith("tenant-001")]
    assert row.split()[1] == "operations.adjustment_duration"
    assert table.endswith("924 values of 28 tenants compared, 1 different\n")
    assert stack.run("audit", MONTH, "--tenant", "tenant-002").code == 0


def test_months_without_an_answer_are_refused_in_a_sentence(stack):
    assert "no tenant has an event" in stack.run("audit", "2001-01", code=1).stderr
    running = f"{datetime.now(UTC).date():%Y-%m}"
    stack.out("incident", "open", "--tenant", "tenant-001", "--kind", "fault")
    stack.out("drain")
    assert "is not over yet" in stack.run("audit", running, code=1).stderr
    assert "is no month" in stack.run("audit", "October", code=2).stderr
