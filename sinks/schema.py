"""The whole ClickHouse schema: tables by versioned migrations, then the views over them."""

from collections.abc import Mapping

from mailsla.sinks.clickhouse import Client
from mailsla.sinks.closing.views import install_views
from mailsla.sinks.migrations import migrate
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
    install_views(client)
    return done if keep is None else done + apply_retention(client, keep)
