"""Each role of ClickHouse on a real server: what it must be able to do, and nothing beyond."""

import json
import re
import uuid
from datetime import date
from pathlib import Path

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from landing_server import ClickHouseProcess

from mailsla.sinks.access.roles import TENANT_TABLES, TENANT_VIEWS
from mailsla.sinks.access.sql import roles_sql
from mailsla.sinks.clickhouse import connect_reader
from mailsla.sinks.closing.cutoff import fix_cutoff
from mailsla.sinks.closing.plan.plan_store import refresh_plans
from mailsla.sinks.closing.run.close_month import close_month
from mailsla.sinks.closing.run.lock import month_lock
from mailsla.sinks.closing.views import evidence
from mailsla.sinks.migrations import split_statements
from mailsla.sinks.schema import install_schema

pytestmark = pytest.mark.embedded

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = {"version": 1, "effective_from": "2026-01-01", "timezone": "Asia/Shanghai"}
OCTOBER = date(2026, 10, 1)
REFUSED = "ACCESS_DENIED|READONLY"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    process = ClickHouseProcess(tmp_path_factory.mktemp("roles") / "data", ("acme", "other"))
    process.start()
    owner = process.connect()
    install_schema(owner)
    for table in TENANT_TABLES:
        if table != "contracts":
            owner.insert(table, [["acme"], ["other"], ["*"]], column_names=["tenant_id"])
    contracts = [[t, json.dumps(CONTRACT | {"tenant_id": t})] for t in ("acme", "other")]
    owner.insert("contracts", contracts, column_names=["tenant_id", "document"])
    yield process
    process.kill()


def relations(server):
    names = server.connect().query(
        "SELECT name FROM system.tables"
        " WHERE database = 'mailsla' AND name NOT LIKE 'closing_lock%'"
    )
    return {name for (name,) in names.result_rows}


@pytest.mark.parametrize("tenant", ["acme", "other"])
def test_a_tenant_sees_its_own_rows_of_its_tables_and_nothing_of_the_others(server, tenant):
    reader = connect_reader(server.settings(user=f"tenant_{tenant}"))
    for table in (*TENANT_TABLES, *TENANT_VIEWS):
        seen = reader.query(f"SELECT DISTINCT tenant_id FROM {table}").result_rows
        assert set(seen) <= {(tenant,)}, table
        if table in TENANT_TABLES:
            assert seen == [(tenant,)], table
    for relation in relations(server) - {*TENANT_TABLES, *TENANT_VIEWS}:
        with pytest.raises(DatabaseError, match=r"ACCESS_DENIED|UNKNOWN_QUERY_PARAMETER"):
            reader.query(f"SELECT * FROM {relation} LIMIT 1")
    merged = reader.query("SELECT DISTINCT tenant_id FROM merge('mailsla', '.*')").result_rows
    assert merged == [(tenant,)]
    for statement in (
        "INSERT INTO credit_log (tenant_id) VALUES ('acme')",
        "SELECT * FROM system.users",
        "SELECT * FROM system.processes",
        "SELECT * FROM loop('mailsla', 'plans')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'x String')",
        "SET max_memory_usage = 0",
    ):
        with pytest.raises(DatabaseError, match=REFUSED):
            reader.command(statement)
    reader.close()


def test_no_view_of_a_tenant_is_about_the_others(server):
    """A view that a tenant may read must read nothing but its tables."""
    texts = server.connect().query(
        "SELECT name, as_select FROM system.tables WHERE database = 'mailsla' AND name IN"
        " {names:Array(String)}",
        parameters={"names": list(TENANT_VIEWS)},
    )
    assert {name for name, _ in texts.result_rows} == set(TENANT_VIEWS)
    for name, text in texts.result_rows:
        read = {word for word in relations(server) if f"mailsla.{word} " in f"{text} "}
        assert read <= set(TENANT_TABLES), name


def test_the_writer_lands_rows_and_keeps_plans(server):
    writer = server.connect(user="writer")
    writer.insert("support_events", [["x"]], column_names=["tenant_id"])
    refresh_plans(writer, 0)
    writer.close()


def test_the_closer_takes_the_lock_waits_for_inserts_and_adds_revisions(server):
    closer = server.connect(user="closer")
    with month_lock(closer, OCTOBER, str(uuid.uuid4())) as lock:
        assert fix_cutoff(closer, None) > 0
        closer.insert("closing_log", [["x", OCTOBER]], column_names=["tenant_id", "month"])
        lock.renew()
    closer.close()


def test_the_closer_closes_a_month_twice_and_the_analyst_sees_it(server):
    closer = server.connect(user="closer")
    closed = close_month(closer, OCTOBER, tenants=["acme"])
    assert {revision.tenant_id for revision in closed} == {"acme"}
    again = close_month(closer, OCTOBER, tenants=["acme"])
    assert [r.revision for r in again] == [r.revision for r in closed]
    closer.close()
    analyst = connect_reader(server.settings(user="analyst"))
    # One tenant's rows are frozen, the other's are computed now.
    rows = analyst.query("SELECT DISTINCT tenant_id FROM clause_results(month = '2026-10-01')")
    assert {tenant for (tenant,) in rows.result_rows} == {"acme", "other"}
    assert analyst.query("SELECT count() FROM closings").result_rows
    analyst.close()


def kept_stable():
    """Name → how it is asked, and the columns it has at least, as the page for analysts says."""
    page = (ROOT / "docs/analysts.md").read_text()
    found = {}
    for line in page.split("## What is kept stable")[1].split("## ")[0].splitlines():
        if line.startswith("| `"):
            names, asked_with, _, columns = (re.findall("`([^`]+)`", cell) for cell in
                                             line.strip("|").split("|"))  # fmt: skip
            for name in names:
                found[name] = "".join((name, *asked_with)), set(columns)
    return found


BELOW = {"closing_log", "closing_item_log", "credit_log"}
"""What the closed months' views are over; a tenant's row policies hold there."""


def test_an_analyst_is_shown_what_is_kept_stable_and_can_read_all_of_it(server):
    stable = kept_stable()
    assert {name for name in stable if name.startswith("evidence_")} == set(evidence())
    analyst = connect_reader(server.settings(user="analyst"))
    shown = {name for (name,) in analyst.query("SHOW TABLES").result_rows}
    open_months = {name for name in shown if name.startswith("closing_open_")}
    assert shown - open_months == stable.keys() | BELOW
    assert open_months >= {"closing_open_none", "closing_open_tenants"}
    catalogued = "SELECT DISTINCT {} FROM system.{} WHERE database = 'mailsla'"
    for column, table in (("name", "tables"), ("table", "columns")):
        rows = analyst.query(catalogued.format(column, table)).result_rows
        assert {name for (name,) in rows} <= shown
    for asked, columns in (*stable.values(), *((name, set()) for name in BELOW)):
        # A format that names the columns where there is no row.
        answer = analyst.raw_query(f"SELECT * FROM {asked} LIMIT 1", fmt="TabSeparatedWithNames")
        assert columns <= set(answer.decode().splitlines()[0].split("\t")), asked
    for hidden in ("plans", "conflict_log", "counted_ops_events(cutoff = 0)", "schema_migrations"):
        with pytest.raises(DatabaseError, match=REFUSED):
            analyst.query(f"SELECT * FROM {hidden}")
    analyst.close()


@pytest.mark.parametrize("user", ["writer", "closer", "analyst", "web"])
def test_no_worker_destroys_anything(server, user):
    client = connect_reader(server.settings(user=user))
    for relation in relations(server):
        for statement in ("DROP TABLE {}", "TRUNCATE TABLE {}", "ALTER TABLE {} DROP COLUMN x"):
            with pytest.raises(DatabaseError, match=f"{REFUSED}|NOT_IMPLEMENTED|NOT_FOUND_COLUMN"):
                client.command(statement.format(relation))
    for statement in ("DROP DATABASE mailsla", "RENAME TABLE closing_log TO x"):
        with pytest.raises(DatabaseError, match=REFUSED):
            client.command(statement)
    client.close()


def test_the_script_for_a_server_of_one_s_own_is_the_one_in_deploy(server):
    assert (ROOT / "deploy/clickhouse/roles.sql").read_text() == roles_sql("mailsla")


def test_the_script_is_sql_that_the_server_understands(server):
    statements = split_statements(roles_sql("mailsla"))
    assert len(statements) > 50
    owner = server.connect()
    for statement in statements:
        owner.query("SELECT formatQuery({text:String})", parameters={"text": statement})
    owner.close()


@pytest.mark.parametrize("database", ["x; DROP", "x`y", "", "a" * 65])
def test_no_other_text_becomes_sql(database):
    with pytest.raises(ValueError, match="plain identifier"):
        roles_sql(database)
