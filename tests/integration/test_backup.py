"""A backup of the database, brought back on another server."""

import shutil
from datetime import date

import pytest
from landing_server import ClickHouseProcess

from mailsla.sinks.migrations import migrate
from mailsla.sinks.schema import install_schema

pytestmark = pytest.mark.embedded

BACKUP = "BACKUP DATABASE mailsla TO Disk('backups', '2026-11-01')"
RESTORE = "RESTORE DATABASE mailsla FROM Disk('backups', '2026-11-01')"
LEDGER = ("closing_log", "closing_item_log", "credit_log", "closing_revisions")


def content(server):
    client = server.connect()
    tables = client.query(
        "SELECT name, engine FROM system.tables WHERE database = 'mailsla' ORDER BY name"
    ).result_rows
    rows = {name: client.query(f"SELECT * FROM {name} ORDER BY ALL").result_rows for name in LEDGER}
    rows["mta_events"] = client.query(
        "SELECT id, tenant_id FROM mta_events ORDER BY ALL"
    ).result_rows
    client.close()
    return tables, rows


def test_a_backup_comes_back_on_another_server(tmp_path):
    lost, new = (ClickHouseProcess(tmp_path / name / "data") for name in ("lost", "new"))
    try:
        lost.start()
        owner = lost.connect()
        install_schema(owner)
        for table in LEDGER:
            owner.insert(table, [["acme"], ["other"]], column_names=["tenant_id"])
        owner.insert(
            "credit_log",
            [["acme", date(2026, 10, 1), 1, "issue"]],
            column_names=["tenant_id", "month", "revision", "kind"],
        )
        owner.insert("mta_events", [["1", "acme"]], column_names=["id", "tenant_id"])
        owner.command(BACKUP, use_database=False)
        before = content(lost)
        lost.kill()

        shutil.copytree(lost.data / "backups", new.data / "backups")
        new.start()
        client = new.connect()
        client.command(RESTORE, use_database=False)
        assert content(new) == before
        assert migrate(client) == []
        client.query("SELECT * FROM clause_results(month = '2026-10-01')")
    finally:
        for server in (lost, new):
            server.kill()
