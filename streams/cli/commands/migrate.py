"""``mailsla migrate``."""

from pathlib import Path

import click

from mailsla.sinks.access.sql import roles_sql
from mailsla.sinks.clickhouse import connect
from mailsla.sinks.migrations import MigrationError
from mailsla.sinks.retention import wanted_days
from mailsla.sinks.schema import install_schema
from mailsla.sinks.worker import clickhouse_settings
from mailsla.streams.cli.support.common import console, settings_of, state_file_option
from mailsla.streams.cli.support.errors import CommandError


@click.command()
@click.option(
    "--print-roles", is_flag=True, help="Print the SQL of the roles and row policies; do nothing."
)
@state_file_option
@click.pass_context
def migrate(ctx: click.Context, print_roles: bool, own_state_file: Path | None) -> None:
    """Create or upgrade the ClickHouse schema.

    Idempotent and versioned: what was applied is recorded in `schema_migrations`. Tables keep their
    rows as MAILSLA_KEEP_DAYS says from then on.
    """
    settings = settings_of(ctx, own_state_file)
    if print_roles:
        click.echo(roles_sql(settings.clickhouse_database), nl=False)
        return
    try:
        done = install_schema(connect(clickhouse_settings(settings)), wanted_days(settings))
    except MigrationError as error:
        raise CommandError(str(error)) from None
    for line in done or ["the schema is up to date"]:
        console().print(line)
