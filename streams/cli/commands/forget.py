"""``mailsla forget``: addresses of people are taken out of what is kept."""

from pathlib import Path

import click
from clickhouse_connect.driver.exceptions import ClickHouseError

from mailsla.schemas.codec.addresses import AddressKey
from mailsla.sinks.clickhouse import connect
from mailsla.sinks.forgetting import Forgetting
from mailsla.sinks.landing.faults import label
from mailsla.sinks.worker import clickhouse_settings
from mailsla.streams.cli.support.common import settings_of, state_file_option
from mailsla.streams.cli.support.errors import CommandError
from mailsla.streams.settings import ConfigurationError


@click.command()
@click.argument("whom", metavar="TENANT|MAILBOX")
@click.option("--dry-run", is_flag=True, help="Only say how many rows there are.")
@state_file_option
@click.pass_context
def forget(ctx: click.Context, whom: str, dry_run: bool, own_state_file: Path | None) -> None:
    """Take the addresses of a mailbox, or all in the events of a tenant, out of ClickHouse.

    Each becomes a keyed hash that differs from message to message; dead letters that name whom to
    forget are removed. The events stay: closings remain valid, and are worked out again as before
    (mailsla close --verify). Needs MAILSLA_ADDRESS_KEY and a user who may change tables (of the
    embedded server, its operator).

    Kafka keeps events two weeks, backups are yours: forget once more after a restore, and when the
    last event of a mailbox has landed. Do it while no month is being closed.

    \b
    Examples:
      mailsla forget someone@acme.example
      mailsla forget acme --dry-run
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    settings = settings_of(ctx, own_state_file)
    key = AddressKey.of(settings.address_key)
    if key is None:
        raise ConfigurationError(
            "set MAILSLA_ADDRESS_KEY to a secret of 16 characters at least, and keep it: what is "
            "forgotten is replaced by hashes made with it"
        )
    chosen = {"mailbox": whom} if "@" in whom else {"tenant": whom}
    try:
        client = connect(clickhouse_settings(settings, timeout_s=3_600.0))
        forgetting = Forgetting(client, key, **chosen)
        counts = forgetting.count()
        if not dry_run:
            forgetting.forget()
    except ClickHouseError as error:
        raise CommandError(
            f"ClickHouse did not do it ({label(error)}); see mailsla doctor, and forget again: "
            "what was begun is finished then"
        ) from None
    for table, count in counts.items():
        click.echo(f"{count:>9} rows of {table} {'would be' if dry_run else 'were'} changed")
