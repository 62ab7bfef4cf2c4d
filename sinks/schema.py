"""The whole ClickHouse schema: tables by versioned migrations, then the views over them."""

from mailsla.sinks.clickhouse import Client
from mailsla.sinks.closing.measure.views import install_views
from mailsla.sinks.migrations import migrate


def install_schema(client: Client) -> list[str]:
    """Create or upgrade tables and views; idempotent.

    Returns:
        What was done, a line each; empty when the tables were up to date.

    Raises:
        MigrationError: an applied migration was changed, or the database is newer than the code.
    """
    done = migrate(client)
    install_views(client)
    return done
