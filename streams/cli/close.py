"""``mailsla close``."""

from datetime import date
from pathlib import Path

import click
import orjson

from schemas.results import Closing
from sinks.clickhouse import connect
from sinks.closing.calendars import CalendarError
from sinks.closing.close import close_month
from sinks.closing.errors import ClosingError
from sinks.closing.plan import PlanError
from sinks.worker import clickhouse_settings
from streams.cli.closing_feed import publish_closings
from streams.cli.closing_table import closing_table
from streams.cli.common import MONTH, console, settings_of, state_file_option
from streams.cli.errors import CheckFailed, CommandError
from streams.runtime.drain import lags

_LONGEST_QUERY_S = 1800.0


@click.command()
@click.argument("month", type=MONTH)
@click.option("--tenant", "tenants", multiple=True, help="Only this tenant; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Judge, freeze nothing, publish nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print a list of closings as JSON.")
@click.option(
    "--force",
    is_flag=True,
    help="Close although the month is not over or topics are not drained; marked provisional.",
)
@state_file_option
@click.pass_context
def close(
    ctx: click.Context,
    month: date,
    tenants: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
    force: bool,
    own_state_file: Path | None,
) -> None:
    """Close a month: judge every indicator of every tenant and freeze the result.

    Only what has landed up to the closing's cutoff counts, so the same closing can be worked out
    again at any time. Unchanged input gives no new revision; otherwise the new revision
    supersedes the former, whose credits are reversed. Each new revision is published on
    sla.closings.

    \b
    Examples:
      mailsla close 2026-10
      mailsla close 2026-10 --tenant acme --json
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    settings = settings_of(ctx, own_state_file)
    if not force and not dry_run:
        behind = [lag for lag in lags(settings) if lag.total]
        if behind:
            raise CheckFailed(
                f"{behind[0].group} is {behind[0].total} records behind; "
                "run mailsla drain first, or close with --force (marked provisional)"
            )
    client = connect(clickhouse_settings(settings, _LONGEST_QUERY_S))
    try:
        closings = close_month(client, month, tenants=tenants or None, dry_run=dry_run, force=force)
    except ClosingError as error:
        raise CheckFailed(str(error)) from None
    except (CalendarError, PlanError) as error:
        raise CommandError(str(error)) from None
    if not closings:
        raise CheckFailed(
            f"no tenant has an event or a contract in {month:%Y-%m}"
            + (f" among {', '.join(tenants)}" if tenants else "")
            + "; has everything landed? see mailsla doctor"
        )
    if not dry_run:
        publish_closings(settings, closings)
    _show(closings, as_json)


def _show(closings: list[Closing], as_json: bool) -> None:
    if as_json:
        documents = [closing.model_dump(mode="python") for closing in closings]
        click.echo(orjson.dumps(documents, default=_number, option=orjson.OPT_INDENT_2).decode())
    else:
        console().print(closing_table(closings))


def _number(value: object) -> float | int:
    """Decimals as JSON numbers; exact as stored, nearest double on the way out."""
    number = float(str(value))
    return int(number) if number.is_integer() else number
