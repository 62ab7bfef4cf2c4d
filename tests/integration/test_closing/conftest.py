"""A real server with the whole schema; every test starts from empty tables."""

import pytest

from mailsla.sinks.ddl import FACT_TABLES
from mailsla.sinks.ddl.arrivals import arrivals

RESULT_TABLES = (
    "plans", "plan_tenants", "plan_terms", "plan_days", "plan_failures",
    "closing_values", "closing_revisions", "closing_log", "closing_item_log", "credit_log",
    "closing_contracts", "closing_published", "closing_calendars", "calendars", "contracts",
    "conflict_log", "conflict_scans", "status",
)  # fmt: skip


@pytest.fixture(scope="module")
def schema(server):
    client = server.connect()
    yield client
    client.close()


@pytest.fixture
def client(schema):
    forget(schema)
    return schema


def forget(client):
    """Empty every table that a closing reads or writes, as far as it holds anything."""
    filled = client.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND total_rows > 0"
    ).result_rows
    for (name,) in filled:
        if name in {*FACT_TABLES.values(), *map(arrivals, FACT_TABLES), *RESULT_TABLES}:
            client.command(f"TRUNCATE TABLE {name}")
