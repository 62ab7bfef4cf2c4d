"""A backup of the database, brought back on another server: the books hold, and are provable."""

import shutil

import pytest
from landing_server import ClickHouseProcess

from mailsla.sinks.closing.run.close_month import close_month
from mailsla.sinks.closing.run.verify import verify_month
from mailsla.sinks.migrations import migrate
from mailsla.sinks.schema import install_schema, schema_trouble
from tests.integration.test_closing.ledger import close, land
from tests.integration.test_closing.month import EVENTS, OCTOBER, TERRIBLE, contracts
from tests.reference.scenario import CUTOFF, at, sent

pytestmark = pytest.mark.embedded

BACKUP = "BACKUP DATABASE mailsla TO Disk('backups', '2026-11-01')"
RESTORE = "RESTORE DATABASE mailsla FROM Disk('backups', '2026-11-01')"
BOOKS = ("closing_log", "closing_item_log", "credit_log", "closing_revisions", "closing_contracts")


def content(client):
    tables = client.query(
        "SELECT name, engine FROM system.tables WHERE database = 'mailsla' ORDER BY name"
    ).result_rows
    rows = {name: client.query(f"SELECT * FROM {name} ORDER BY ALL").result_rows for name in BOOKS}
    rows["mta_events"] = client.query(
        "SELECT id, tenant_id, landed_at FROM mta_events ORDER BY ALL"
    ).result_rows
    return tables, rows


def test_a_backup_comes_back_on_another_server(tmp_path):
    lost, new = (ClickHouseProcess(tmp_path / name / "data") for name in ("lost", "new"))
    try:
        lost.start()
        owner = lost.connect()
        install_schema(owner)
        closed = close(owner, EVENTS, now=CUTOFF, contracts=contracts())
        assert any(one.credits for one in closed)
        owner.command(BACKUP, use_database=False)
        before = content(owner)
        lost.kill()

        shutil.copytree(lost.data / "backups", new.data / "backups")
        new.start()
        client = new.connect()
        client.command(RESTORE, use_database=False)
        assert content(client) == before
        assert migrate(client) == []
        assert schema_trouble(client) is None
        assert [(each.stored, each.differences) for each in verify_month(client, OCTOBER)] == [
            (one, ()) for one in closed
        ]
        # And the books go on where they were.
        land(client, [sent(at(20), 9_000, "late", tenant_id=TERRIBLE)], CUTOFF)
        again = close_month(client, OCTOBER, contracts=contracts())
        assert [(one.tenant_id, one.revision) for one in again] == [
            (one.tenant_id, 1 + (one.tenant_id == TERRIBLE)) for one in closed
        ]
    finally:
        for server in (lost, new):
            server.kill()
