"""The whole ClickHouse schema: tables by versioned migrations, then the views over them."""

from collections.abc import Mapping

from mailsla.sinks.clickhouse import Client
from mailsla.sinks.closing.views import install_views, open_month_views, views
from mailsla.sinks.ddl import DERIVED_TABLES
from mailsla.sinks.ddl.arrivals import arrival_objects, install_arrivals
from mailsla.sinks.migrations import migrate, read_migrations
from mailsla.sinks.retention import apply_retention


def install_schema(client: Client, keep: Mapping[str, int] | None = None) -> list[str]:
    """Create or upgrade tables and views; idempotent.

    Args:
        client: may change tables.
        keep: table → days for which it keeps its rows; None leaves that as it is.

    Returns:
        What was done, a line each; empty when the tables were up to date.

    Raises:
        MigrationError: an applied migration was changed, or the database is newer than the code.
    """
    done = migrate(client)
    install_arrivals(client)
    install_views(client)
    return done if keep is None else done + apply_retention(client, keep)


def schema_trouble(client: Client) -> str | None:
    """What this program misses in the client's database, and the remedy; None: nothing."""
    found = client.query(
        "SELECT table, name FROM system.columns WHERE database = {database:String}"
        " UNION ALL SELECT name, '' FROM system.tables WHERE database = {database:String}",
        parameters={"database": client.database},
    ).result_rows
    present = {(table, column) for table, column in found}
    wanted = {(table.name, column.name) for table in DERIVED_TABLES for column in table.columns}
    wanted |= {(name, "") for name in (*views(), *arrival_objects())} | {("schema_migrations", "")}
    if ("plans", "") in present:
        wanted |= {(view, "") for view in open_month_views(client).values()}
    lacking = sorted({table for table, _ in wanted - present})
    if lacking:
        few = ", ".join(lacking[:3]) + (", …" if len(lacking) > 3 else "")
        return f"missing or incomplete: {few}; run mailsla migrate"
    applied = dict(
        client.query(
            "SELECT version, argMin(checksum, applied_at) FROM schema_migrations GROUP BY version"
        ).result_rows
    )
    known = {each.version: each for each in read_migrations()}
    if newer := sorted(set(applied) - set(known)):
        return f"the database is newer (migration {newer[-1]:04d}); install the newer release"
    if pending := [each.label for number, each in known.items() if number not in applied]:
        return f"not applied: {', '.join(pending)}; run mailsla migrate"
    if changed := [each.label for n, each in known.items() if applied[n] != each.checksum]:
        return f"changed after it was applied: {', '.join(changed)}; restore the file"
    return None
