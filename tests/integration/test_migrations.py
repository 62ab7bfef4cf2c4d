"""The ClickHouse schema comes up to date from any state, repeatedly, by several at once."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import chinese_calendar
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from landing_server import ClickHouseProcess

from mailsla.sinks.clickhouse import connect_reader
from mailsla.sinks.closing.plan.calendars import load_calendars
from mailsla.sinks.closing.plan.plan import make_plan
from mailsla.sinks.closing.plan.plan_store import scratch_plan
from mailsla.sinks.closing.run.audit import audit_month
from mailsla.sinks.closing.run.close_month import close_month
from mailsla.sinks.closing.run.verify import verify_month
from mailsla.sinks.ddl import DERIVED_TABLES, fact_table
from mailsla.sinks.ddl.comments import TABLES
from mailsla.sinks.ddl.results import WINDOWS
from mailsla.sinks.ddl.table import TableColumn
from mailsla.sinks.migrations import Migration, MigrationError, migrate, read_migrations
from mailsla.sinks.retention import ForgottenError, kept_days
from mailsla.sinks.schema import install_schema, schema_trouble
from tests.integration.test_closing.ledger import close, land, publish
from tests.reference.scenario import CUTOFF, at, contract, event, sent

pytestmark = pytest.mark.embedded

EVERYTHING = {table.name for table in DERIVED_TABLES} | {"exclusions", "schema_migrations"}
ONE = Migration(1, "one", "CREATE TABLE IF NOT EXISTS one (a Int8) ENGINE = Memory")
TWO = Migration(2, "two", "CREATE OR REPLACE VIEW two AS SELECT a FROM one WHERE a > {least:Int8};")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    process = ClickHouseProcess(tmp_path_factory.mktemp("clickhouse"))
    process.start()
    yield process
    process.stop()


@pytest.fixture
def client(server, request):
    """A client of a database of the test's own, not yet made."""
    connection = server.connect(f"m_{abs(hash(request.node.name)) % 10**9}")
    yield connection
    connection.command(
        "DROP DATABASE IF EXISTS {name:Identifier}",
        parameters={"name": connection.database},
        use_database=False,
    )
    connection.close()


def schema(client):
    """Every table's definition, as the server tells it."""
    return client.query(
        "SELECT name, create_table_query FROM system.tables"
        " WHERE database = {database:String} ORDER BY name",
        parameters={"database": client.database},
    ).result_rows


def columns(client, table):
    rows = client.query(
        "SELECT name, type FROM system.columns WHERE database = {d:String} AND table = {t:String}",
        parameters={"d": client.database, "t": table},
    ).result_rows
    return dict(rows)


def test_a_second_run_does_nothing(client):
    first = migrate(client)
    assert first[0] == f"created database {client.database}"
    assert {name for name, _ in schema(client)} >= EVERYTHING
    before = schema(client)
    assert migrate(client) == []
    assert schema(client) == before


def test_every_column_says_what_it_means(client):
    migrate(client)
    mute = {"run", "parts", "issued_at", "undecided", "contract_version", "profile"}
    for table in TABLES:
        told = dict(
            client.query(
                "SELECT name, comment FROM system.columns"
                " WHERE database = currentDatabase() AND table = {table:String}",
                parameters={"table": table},
            ).result_rows
        )
        derived = {each.name for each in DERIVED_TABLES}
        silent = {name for name, comment in told.items() if not comment}
        assert told
        assert silent <= (set() if table in derived else mute), table


def test_a_comment_of_an_older_release_gives_way(client):
    migrate(client)
    client.command("ALTER TABLE status COMMENT COLUMN observed 'something else'")
    migrate(client)
    (told,) = client.query(
        "SELECT comment FROM system.columns WHERE database = currentDatabase()"
        " AND table = 'status' AND name = 'observed'"
    ).result_rows
    assert told[0].startswith("What was measured")


def test_runs_at_the_same_time_end_in_the_same_schema(server, client):
    def run(_):
        connection = server.connect(client.database)
        try:
            return install_schema(connection)
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(run, range(3)))
    assert {name for name, _ in schema(client)} >= EVERYTHING
    assert schema_trouble(client) is None
    assert install_schema(client) == []


def test_a_run_cut_off_after_any_statement_is_completed_by_the_next(client):
    steps = [*DERIVED_TABLES[:2], *DERIVED_TABLES[-2:]]
    for cut in range(len(steps)):
        migrate(client, steps[:cut], ())
    migrate(client)
    assert {name for name, _ in schema(client)} >= EVERYTHING


def test_a_column_a_model_has_gained_is_added_and_rows_stay(client):
    whole = fact_table("mail.support")
    narrow = replace(whole, columns=tuple(c for c in whole.columns if c.name != "ticket_id"))
    migrate(client, [narrow], ())
    client.command("INSERT INTO support_events (id, tenant_id) VALUES ('e-1', 'acme')")
    assert migrate(client, [whole], ()) == ["added column support_events.ticket_id"]
    assert client.query("SELECT id, ticket_id FROM support_events").result_rows == [("e-1", None)]
    assert migrate(client, [whole], ()) == []


def test_a_column_that_may_now_be_null_is_widened(client):
    whole = fact_table("mail.support")
    strict = replace(
        whole,
        columns=tuple(
            replace(c, type="String") if c.name == "ticket_id" else c for c in whole.columns
        ),
    )
    migrate(client, [strict], ())
    assert migrate(client, [whole], ()) == [
        "widened column support_events.ticket_id to Nullable(String)"
    ]
    assert columns(client, "support_events")["ticket_id"] == "Nullable(String)"
    assert migrate(client, [strict], ()) == [], "an older program leaves the wider column alone"


def test_rows_of_a_release_without_revisions_give_way_to_any_newer_row(client):
    """Their versions have 64 bits, so that the next record of the window has a larger one."""
    version = "bitShiftLeft(toUInt64(toUnixTimestamp64Milli(as_of)), 20) + toUInt64(`offset`)"
    columns_before = tuple(
        replace(column, type="UInt64", default=version) if column.name == "_version" else column
        for column in WINDOWS.columns
        if column.name != "revision"
    )
    migrate(client, [replace(WINDOWS, columns=columns_before)], ())
    insert = (
        "INSERT INTO windows (tenant_id, family, window, window_start, as_of, count, offset)"
        " VALUES ('acme', 'latency', '5m', '2026-10-01 00:00:00', '2026-10-01 00:0{}:00', {}, {})"
    )
    client.command(insert.format(4, 10, 900))
    assert migrate(client, [WINDOWS], ()) == [
        "added column windows.revision",
        "widened column windows._version to UInt128",
    ]
    read = "SELECT revision, count FROM windows FINAL"
    assert client.query(read).result_rows == [(1, 10)]
    client.command(insert.format(3, 11, 7))
    assert client.query(read).result_rows == [(1, 11)]
    assert migrate(client, [WINDOWS], ()) == []


def test_a_column_of_another_type_is_an_error_with_the_remedy(client):
    whole = fact_table("mail.support")
    migrate(client, [whole], ())
    other = replace(whole, columns=(*whole.columns, TableColumn("extra", "Int64")))
    migrate(client, [other], ())
    changed = replace(whole, columns=(*whole.columns, TableColumn("extra", "String")))
    with pytest.raises(MigrationError, match=r"extra is Int64 in the database and String"):
        migrate(client, [changed], ())


def test_numbered_files_are_applied_in_order_and_remembered(client):
    assert migrate(client, (), [ONE])[1:] == ["applied 0001_one"]
    assert migrate(client, (), [ONE, TWO]) == ["applied 0002_two"]
    assert client.query("SELECT * FROM two(least = 0)").result_rows == []
    ledger = client.query("SELECT version, name, checksum FROM schema_migrations ORDER BY version")
    assert ledger.result_rows == [(1, "one", ONE.checksum), (2, "two", TWO.checksum)]


def test_an_applied_file_that_was_changed_is_an_error(client):
    migrate(client, (), [ONE])
    with pytest.raises(MigrationError, match=r"0001_one\.sql was changed .* new file"):
        migrate(client, (), [replace(ONE, text=ONE.text + " COMMENT 'x'")])


def test_a_database_newer_than_the_program_is_an_error(client):
    migrate(client, (), [ONE, TWO])
    with pytest.raises(MigrationError, match=r"0002_two, which this program does not know"):
        migrate(client, (), [ONE])


def test_the_books_of_an_older_release_come_along_and_that_release_leaves_them_alone(client):
    older = [each for each in read_migrations() if each.version <= 51]
    migrate(client, migrations=older)
    run, month = uuid.uuid4(), date(2026, 9, 1)
    booked = {
        "closing_log": {"verdict": "met"},
        "closing_item_log": {"indicator": "backup.full", "verdict": "no_data"},
        "credit_log": {"remedy": "fee_waiver", "kind": "issue"},
    }
    for table, own in booked.items():
        row = {"tenant_id": "acme", "month": month, "revision": 1, "run": run} | own
        client.insert(table, [list(row.values())], column_names=list(row))
    client.insert("mta_events", [["1", "acme"]], column_names=["id", "tenant_id"])

    install_schema(client)
    views = {
        # A word that has changed since: see 0063_incomplete_months.sql.
        "SELECT tenant_id, month, status, verdict, input_events FROM closings": (
            "acme", month, "final", "incomplete", 0,
        ),
        "SELECT tenant_id, indicator, verdict, parts FROM closing_items": (
            "acme", "backup.full", "no_data", "[]",
        ),
        "SELECT tenant_id, month, remedy, kind FROM credits": (
            "acme", month, "fee_waiver", "issue",
        ),
        "SELECT id, tenant_id FROM mta_events FINAL": ("1", "acme"),
    }  # fmt: skip
    for query, row in views.items():
        assert client.query(query).result_rows == [row]
    with pytest.raises(MigrationError, match="which this program does not know; install"):
        migrate(client, migrations=older)
    for query, row in views.items():
        assert client.query(query).result_rows == [row]


SINCE = {
    "ops_events": {"outage_id", "evidence", "approves", "voids_topic", "voids_source", "voids_id"},
}
"""The columns of facts that the release with the migrations up to `KEPT_DAYS` did not have."""
KEPT_DAYS = 60
"""The migration with which revisions began to keep the working days they were judged by."""


def leave_as_older(client, written):
    """What another database holds, in the tables of the release that had `KEPT_DAYS`."""
    tables = [
        replace(
            each, columns=tuple(c for c in each.columns if c.name not in SINCE.get(each.name, ()))
        )
        for each in DERIVED_TABLES
    ]
    migrate(client, tables, [each for each in read_migrations() if each.version <= KEPT_DAYS])
    filled = written.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND total_rows > 0"
    ).result_rows
    kept = {name for (name,) in filled} & {name for name, _ in schema(client)}
    for table in kept - {"schema_migrations"}:
        shared = columns(client, table).keys() & columns(written, table).keys()
        names = ", ".join(f"`{name}`" for name in sorted(shared))
        client.command(
            f"INSERT INTO {table} ({names}) SELECT {names} FROM {written.database}.{table}"
        )
    # The words of then: see 0063_incomplete_months.sql.
    client.command(
        "ALTER TABLE closing_log UPDATE verdict = 'met' WHERE verdict = 'incomplete'"
        " SETTINGS mutations_sync = 2"
    )


def told_of(closings):
    return [(each.tenant_id, each.revision, each.items) for each in closings]


VOIDED = event(
    "event.voided", at(20), voids_topic="mail.mta", voids_id="m1", voids_source="mx1",
    reason="the clock was wrong", actor="li",
)  # fmt: skip


def test_old_revisions_come_out_byte_for_byte_after_upgrade_amendments_and_other_calendars(
    server, client, monkeypatch
):
    """Each of the changes makes a new revision, and none of them touches those before it."""
    month, contracts = date(2025, 10, 1), [contract(), contract(tenant_id="own", calendar="own")]
    document = {"calendar": "own", "version": 1, "complete_for": [2024, 2025]}
    cases = [
        event(f"complaint.{what}", when, tenant_id=tenant, case_id="c")
        for tenant in ("acme", "own")
        for what, when in (("received", at(10)), ("responded", at(12, 9)))
    ]
    slow = [sent(at(10, 12), 3700, name, source="mx1", id=name) for name in ("m1", "m2")]

    def closed(hours):
        now = CUTOFF + timedelta(hours=hours)
        return told_of(close_month(client, month, contracts=contracts, now=now))

    # 1. A release of then closes a month, and this one takes its database over.
    written = server.connect("written")
    install_schema(written)
    publish(written, "sla.calendars", document)
    first = told_of(close(written, [*cases, *slow], now=CUTOFF, contracts=contracts))
    leave_as_older(client, written)
    written.command("DROP DATABASE written", use_database=False)
    written.close()
    assert f"applied {KEPT_DAYS + 1:04d}_conflicts" in install_schema(client)
    assert closed(1) == first, "nothing has changed, so there is no new revision"

    # 2. The past is amended: an event is voided, and the contract changes within the month.
    land(client, [VOIDED, sent(at(12), 9000, "late")], CUTOFF + timedelta(hours=2), 1000)
    strict = {"latency.exceedances": {"target": 0, "comparator": "="}}
    contracts.append(contract(version=2, effective_from="2025-10-11", overrides=strict))
    second = closed(3)
    assert [number for _, number, _ in second] == [2, 1]

    # 3. Both calendars change: the package knows a Saturday otherwise, and so does the published.
    real, day = chinese_calendar.is_workday, date(2025, 10, 11)
    monkeypatch.setattr(chinese_calendar, "is_workday", lambda one: one != day and real(one))
    publish(client, "sla.calendars", document | {"version": 2, "working_days": [str(day)]})
    third = closed(4)
    assert [number for _, number, _ in third] == [3, 2]

    checks = verify_month(client, month)
    assert [check.differences for check in checks] == [()] * 5
    told = {(tenant, number): items for tenant, number, items in (*first, *second, *third)}
    assert told == {
        (check.stored.tenant_id, check.stored.revision): check.recomputed for check in checks
    }


def test_the_page_reads_every_table_and_writes_none(server):
    owner = server.connect("mailsla")
    migrate(owner)
    reader = connect_reader(server.settings(user="web"))
    for table in sorted(EVERYTHING):
        assert reader.query(f"SELECT count() >= 0 FROM (SELECT * FROM {table})").first_row
    with pytest.raises(DatabaseError) as refused:
        reader.command("INSERT INTO support_events (id) VALUES ('x')")
    assert refused.value.name in {"ACCESS_DENIED", "READONLY"}
    reader.close()
    owner.close()


def test_a_table_forgets_what_landed_too_long_ago_and_of_such_a_month_nothing_is_worked_out(client):
    install_schema(client, {"dead_letters": 90})
    assert kept_days(client) == {"dead_letters": 90}
    assert install_schema(client, {"dead_letters": 90, "mta_events": 70, "windows": 40}) == [
        "mta_events keeps its rows 70 days",
        "windows keeps its rows 40 days",
    ]
    old, new = (datetime.now(UTC) - timedelta(days=days) for days in (71, 69))
    for table, name in (("mta_events", "id"), ("windows", "window"), ("ops_events", "id")):
        rows = [["acme", "a", old], ["acme", "b", new]]
        client.insert(table, rows, column_names=["tenant_id", name, "landed_at"])
        client.command(f"OPTIMIZE TABLE {table} FINAL")

    def landed(table):
        return client.query(f"SELECT count() FROM {table}").result_rows[0][0]

    assert [landed(table) for table in ("mta_events", "windows", "ops_events")] == [1, 0, 2]

    long_ago = (old - timedelta(days=62)).date().replace(day=1)
    for work_out in (close_month, audit_month):
        with pytest.raises(ForgottenError, match="Mail is kept 70 days"):
            work_out(client, long_ago)
    with (
        pytest.raises(ForgottenError),
        scratch_plan(client, make_plan(long_ago, [], {}, load_calendars(client))),
    ):
        pass
    assert close_month(client, datetime.now(UTC).date(), contracts=[], force=True) == []
    install_schema(client, {})
    assert kept_days(client) == {}
    assert close_month(client, long_ago, contracts=[], tenants=["nobody"]) == []
