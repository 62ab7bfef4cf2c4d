"""``mailsla close``."""

from datetime import date
from pathlib import Path

import click

from mailsla.schemas.results import Closing
from mailsla.sinks.clickhouse import Client, connect
from mailsla.sinks.closing.errors import ClosingError, TenantFailure
from mailsla.sinks.closing.revisions.diff import diff_month
from mailsla.sinks.closing.run.close_month import close_month
from mailsla.sinks.closing.run.landed_month import LONGEST_QUERY_S, close_landed_month
from mailsla.sinks.closing.run.verify import verify_month
from mailsla.sinks.worker import clickhouse_settings
from mailsla.streams.cli.output.clickhouse_output import show_numbers
from mailsla.streams.cli.output.closing_checks import show_checks
from mailsla.streams.cli.output.closing_diff import show_differences
from mailsla.streams.cli.output.closing_table import closing_table
from mailsla.streams.cli.output.steps import Steps
from mailsla.streams.cli.support.common import MONTH, console, settings_of, state_file_option
from mailsla.streams.cli.support.errors import CheckFailed, raise_for
from mailsla.streams.cli.support.known import check_tenants
from mailsla.streams.settings import Settings


@click.command()
@click.argument("month", type=MONTH)
@click.option("--tenant", "tenants", multiple=True, help="Only this tenant; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Judge, freeze nothing, publish nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print a list of closings as JSON.")
@click.option("--diff", is_flag=True, help="Show what changed between two revisions, and why.")
@click.option("--from", "first", type=click.IntRange(1), help="With --diff: the older revision.")
@click.option("--to", "last", type=click.IntRange(1), help="With --diff: the newer revision.")
@click.option(
    "--verify", is_flag=True, help="Work stored revisions out again; exit 1 if one differs."
)
@click.option("--revision", type=click.IntRange(1), help="With --verify: only this revision.")
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
    diff: bool,
    first: int | None,
    last: int | None,
    verify: bool,
    revision: int | None,
    force: bool,
    own_state_file: Path | None,
) -> None:
    """Close a month: judge every indicator of every tenant and freeze the result.

    Only what has landed up to the closing's cutoff counts, so the same closing can be worked out
    again at any time: --verify does, for every revision. Unchanged input gives no new revision;
    otherwise the new revision supersedes the former, whose credits are reversed, and --diff shows
    what changed. Each new revision is published once on sla.closings.

    \b
    Examples:
      mailsla close 2026-10
      mailsla close 2026-10 --tenant acme --json
      mailsla close 2026-10 --diff --from 1 --to 3
      mailsla close 2026-10 --verify
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    _check_options(diff, verify, dry_run or force, (first, last), revision)
    settings = settings_of(ctx, own_state_file)
    client = connect(clickhouse_settings(settings, LONGEST_QUERY_S))
    only = tenants or None
    check_tenants(client, tenants)
    try:
        if diff:
            show_differences(
                diff_month(client, month, tenants=only, first=first, last=last), as_json
            )
        elif verify:
            checks = verify_month(client, month, tenants=only, revision=revision)
            ctx.exit(show_checks(checks, month, as_json))
        else:
            failures: list[TenantFailure] = []
            _show(_close(settings, client, month, only, dry_run, force, failures), as_json)
            raise_for(failures, "close the month again once that is mended")
    except ClosingError as error:
        raise CheckFailed(str(error)) from None


def _check_options(
    diff: bool,
    verify: bool,
    closes: bool,
    bounds: tuple[int | None, int | None],
    revision: int | None,
) -> None:
    if diff + verify + closes > 1:
        raise click.UsageError("--diff and --verify close nothing; give one of them alone")
    if bounds != (None, None) and not diff:
        raise click.UsageError("--from and --to go with --diff; add it")
    if revision is not None and not verify:
        raise click.UsageError("--revision goes with --verify; add it")
    first, last = bounds
    if first is not None and last is not None and first >= last:
        raise click.UsageError("--from must be before --to; turn them round")


def _close(
    settings: Settings,
    client: Client,
    month: date,
    only: tuple[str, ...] | None,
    dry_run: bool,
    force: bool,
    failures: list[TenantFailure],
) -> list[Closing]:
    with Steps() as steps:
        step = steps.begin(f"closing {month:%Y-%m}", 1)
        if dry_run:
            closings = close_month(
                client, month, tenants=only, dry_run=True, force=force, failed=failures.append
            )
        else:
            closings = close_landed_month(
                settings, client, month, tenants=only, force=force, failed=failures.append
            )
        step.done(len(closings))
    if not closings and not failures:
        raise CheckFailed(
            f"no tenant has an event or a contract in {month:%Y-%m}"
            + (f" among {', '.join(only)}" if only else "")
            + "; has everything landed? see mailsla doctor"
        )
    return closings


def _show(closings: list[Closing], as_json: bool) -> None:
    if as_json:
        show_numbers([closing.model_dump(mode="python") for closing in closings])
    else:
        console().print(closing_table(closings))
        if any(closing.provisional for closing in closings):
            click.echo(
                "* provisional: the month was not over, records were still to land, or a later "
                "notice decides days of it"
            )
        for closing in closings:
            if closing.undecided:
                click.echo(
                    f"{closing.tenant_id}: days of late December that the official notice of the "
                    f"next year decides may change {', '.join(closing.undecided)}"
                )
