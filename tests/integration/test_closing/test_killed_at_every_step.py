"""A closing is killed at each of its steps in turn; the next run books what it would have booked.

A step is a call that changes something in ClickHouse. The second revision of a month is booked:
with a tenant that is new, an event that came again with other content, and credits that are
issued and reversed.
"""

import multiprocessing
import os
import signal
from datetime import date, timedelta

import pytest

from mailsla.sinks.clickhouse import connect
from mailsla.sinks.closing.revisions.writer import ledger_of
from mailsla.sinks.closing.run import lock
from mailsla.sinks.closing.run.close_month import close_month
from mailsla.sinks.closing.run.verify import verify_month
from mailsla.sinks.ddl import FACT_TABLES
from tests.integration.landing_server import wait_for
from tests.integration.test_closing.conftest import RESULT_TABLES, forget
from tests.integration.test_closing.ledger import land
from tests.reference.scenario import CUTOFF, TENANT, at, contract, event, excluded, sent
from tests.stack import say

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(1_200)]

OCTOBER = date(2025, 10, 1)
LATER = CUTOFF + timedelta(days=10)
BETWEEN = CUTOFF + timedelta(hours=1)
CONTRACTS = [contract(monthly_fee={"amount": "1200.50", "currency": "CNY"})]
SLOW = [sent(at(10, 12), 3700, name, id=name) for name in ("m1", "m2")]
LATE = [
    excluded(at(10, 12), 60, code="carrier"),
    event("complaint.received", at(14), case_id="c"),
    sent(at(11, 12), 3700, tenant_id="newcomer"),
    SLOW[0] | {"recipient": "another@example.org"},
]
EVERY = 1 if "MAILSLA_FAULTS" in os.environ else 9
STEPS = ("command", "insert", "raw_insert")
BOOKS = (
    "SELECT * EXCEPT (closed_at, run) FROM closings ORDER BY ALL",
    "SELECT * FROM closing_items ORDER BY ALL",
    "SELECT * EXCEPT issued_at FROM credits ORDER BY ALL",
    "SELECT tenant_id, documents FROM closing_contracts "
    "WHERE (run, tenant_id) IN (SELECT run, tenant_id FROM closing_log) ORDER BY ALL",
)
TABLES = (*FACT_TABLES.values(), *RESULT_TABLES)


def close_until(settings, step):
    """Close the month in this process; it is killed instead of taking a step, counted from 1."""
    client, left = connect(settings), step

    def counted(function):
        def taken(*arguments, **named):
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **named)

        return taken

    for name in STEPS:
        setattr(client, name, counted(getattr(client, name)))
    close_month(client, OCTOBER, contracts=CONTRACTS, now=LATER)


@pytest.fixture
def closing_processes(server):
    """Runs closings in processes of their own, which begin with everything imported."""
    forked = multiprocessing.get_context("forkserver")
    forked.set_forkserver_preload([__name__])

    def run(step):
        process = forked.Process(target=close_until, args=(server.settings(), step))
        process.start()
        process.join(120)
        return process.exitcode

    return run


@pytest.fixture
def before_the_second(client):
    """One revision is booked, and something has landed since; called, it is so again."""
    land(client, SLOW, CUTOFF - timedelta(seconds=1))
    close_month(client, OCTOBER, contracts=CONTRACTS, now=CUTOFF)
    land(client, LATE, BETWEEN, 100)
    kept = [table for table in TABLES if client.command(f"SELECT count() FROM {table}")]
    for table in kept:
        client.command(f"CREATE TABLE kept_{table} ENGINE = Memory AS SELECT * FROM {table}")

    def restore():
        forget(client)
        for table in kept:
            client.command(f"INSERT INTO {table} SELECT * FROM kept_{table}")

    yield restore
    for table in kept:
        client.command(f"DROP TABLE kept_{table}")


def books(client):
    return [client.query(query).result_rows for query in BOOKS]


def locks(client):
    return client.query("SHOW TABLES LIKE 'closing_lock%'").result_rows


def finish(client):
    """The next run, once the lock of the one that was killed is old enough."""
    young = (
        "SELECT count() FROM system.tables WHERE database = currentDatabase() "
        "AND name LIKE 'closing_lock%' AND metadata_modification_time >= now()"
    )
    wait_for(lambda: client.query(young).result_rows == [(0,)])
    close_month(client, OCTOBER, contracts=CONTRACTS, now=LATER)


def test_whatever_step_a_closing_is_killed_at_the_next_run_completes_it(
    client, closing_processes, before_the_second, monkeypatch
):
    before = books(client)
    close_month(client, OCTOBER, contracts=CONTRACTS, now=LATER)
    undisturbed = books(client)
    assert {(row[0], row[2]) for row in undisturbed[0]} == {
        (TENANT, 1), (TENANT, 2), ("newcomer", 1),
    }  # fmt: skip
    kinds = [one.kind for one in ledger_of(client, OCTOBER)[TENANT, 2]]
    assert kinds == ["reversal", "issue"]
    monkeypatch.setattr(lock, "LEASE_S", 0)
    killed, step = 0, 1
    before_the_second()
    while (code := closing_processes(step)) != 0:
        assert code == -signal.SIGKILL
        assert books(client) in (before, undisturbed), f"half a closing after step {step}"
        finish(client)
        assert books(client) == undisturbed, f"killed at step {step}"
        assert not locks(client)
        killed, step = killed + 1, step + EVERY
        before_the_second()
    assert books(client) == undisturbed
    assert not [one for one in verify_month(client, OCTOBER) if one.differences]
    assert killed >= 3
    say(f"a closing killed at {killed} steps: booked as if nothing had happened, credits once")
