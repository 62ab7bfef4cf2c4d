"""``mailsla topics``."""

from pathlib import Path

import click
from rich.table import Table

from mailsla.streams.access.acls import acls_script
from mailsla.streams.cli.support.common import console, settings_of, state_file_option
from mailsla.streams.cli.support.errors import CommandError
from mailsla.streams.runtime.kafka.admin import TopicError, ensure_topics


@click.command()
@click.option("--print-acls", is_flag=True, help="Print who may do what in Kafka; do nothing.")
@state_file_option
@click.pass_context
def topics(ctx: click.Context, print_acls: bool, own_state_file: Path | None) -> None:
    """Create the topics that are missing and verify the others.

    Idempotent. All topics get the same number of partitions (MAILSLA_PARTITIONS), so that
    everything about one tenant is in one partition of each.
    """
    if print_acls:
        click.echo(acls_script(), nl=False)
        return
    settings = settings_of(ctx, own_state_file)
    try:
        reports = ensure_topics(settings)
    except TopicError as error:
        raise CommandError(str(error)) from None
    table = Table("topic", "partitions", "", box=None)
    for report in reports:
        table.add_row(report.name, str(report.partitions), "created" if report.created else "")
    console().print(table)
