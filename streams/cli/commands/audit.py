"""``mailsla audit``."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import click
from rich.table import Table

from mailsla.schemas.indicators import OPEN_MONTHS
from mailsla.sinks.clickhouse import connect
from mailsla.sinks.closing.errors import ClosingError, TenantFailure
from mailsla.sinks.closing.run.audit import Audit, AuditDifference, Value, audit_month
from mailsla.sinks.worker import clickhouse_settings
from mailsla.streams.cli.output.clickhouse_output import cell, show_json, show_table
from mailsla.streams.cli.support.common import MONTH, settings_of, state_file_option
from mailsla.streams.cli.support.errors import CheckFailed, raise_for
from mailsla.streams.cli.support.known import check_tenants
from mailsla.streams.settings import Settings


@click.command()
@click.argument("month", type=MONTH)
@click.option("--tenant", "tenants", multiple=True, help="Only this tenant; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print what was compared as JSON.")
@state_file_option
@click.pass_context
def audit(
    ctx: click.Context,
    month: date,
    tenants: tuple[str, ...],
    as_json: bool,
    own_state_file: Path | None,
) -> None:
    """Recompute a month from the raw facts and compare it with the live results.

    Every indicator of every tenant is measured and judged anew in ClickHouse, by other code than
    the live worker's, and held against the last state that the worker told of that month. Prints
    every difference and exits 1 if there is any. Nothing is closed or changed. Tenants whose events
    the live worker held back (dead letters with reason quarantined or quota) cannot agree and are
    named apart; so are those whose log ends within the month, where time alone makes a difference,
    and those of a month more than two months back, which the live worker no longer follows.

    \b
    Examples:
      mailsla drain && mailsla audit 2026-10
      mailsla audit 2026-10 --tenant acme --json
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    failures: list[TenantFailure] = []
    done = _audit(settings_of(ctx, own_state_file), month, tenants, failures)
    if as_json:
        show_json(_document(done, month))
    else:
        if done.differences:
            show_table(_table(done.differences))
        click.echo(
            f"{done.compared} values of {done.tenants} tenants compared, "
            f"{len(done.differences)} different"
        )
        if done.held_back:
            names = cell(", ".join(done.held_back)).plain
            click.echo(f"not followed live, their events were held back: {names}")
        if done.given_up:
            names = cell(", ".join(done.given_up)).plain
            back = f"a month more than {OPEN_MONTHS} months back is no longer followed live"
            click.echo(f"{back}, closings alone count what came since: {names}")
        if done.running:
            names = cell(", ".join(done.running)).plain
            click.echo(f"not over for the live worker, which has heard of nothing later: {names}")
    raise_for(failures, "audit the month again once that is mended")
    if done.differences:
        ctx.exit(CheckFailed.exit_code)


def _audit(
    settings: Settings, month: date, tenants: tuple[str, ...], failures: list[TenantFailure]
) -> Audit:
    client = connect(clickhouse_settings(settings))
    try:
        check_tenants(client, tenants)
        done = audit_month(client, month, tenants=tenants or None, failed=failures.append)
    except ClosingError as error:
        raise CheckFailed(str(error)) from None
    finally:
        client.close()
    if not (done.compared or done.differences or failures):
        raise CheckFailed(
            f"no tenant has an event or a contract in {month:%Y-%m}"
            + (f" among {', '.join(tenants)}" if tenants else "")
            + "; has everything landed? see mailsla doctor"
        )
    return done


def _table(differences: tuple[AuditDifference, ...]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("tenant", "indicator", "live", "recomputed"):
        table.add_column(name, overflow="fold")
    for each in differences:
        sides = (_said(each.live), _said(each.recomputed))
        table.add_row(*(cell(text) for text in (each.tenant_id, each.indicator, *sides)))
    return table


def _said(value: Value | None) -> str:
    if value is None:
        return "nothing"
    observed = "no data" if value.observed is None else _plain(value.observed)
    return f"{observed}, breached" if value.breached else observed


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _document(done: Audit, month: date) -> dict[str, object]:
    return {
        "month": f"{month:%Y-%m}",
        "tenants": done.tenants,
        "compared": done.compared,
        "held_back": list(done.held_back),
        "given_up": list(done.given_up),
        "running": list(done.running),
        "differences": [
            {
                "tenant_id": each.tenant_id,
                "indicator": each.indicator,
                "live": _fields(each.live),
                "recomputed": _fields(each.recomputed),
            }
            for each in done.differences
        ],
    }


def _fields(value: Value | None) -> dict[str, object] | None:
    if value is None:
        return None
    observed = None if value.observed is None else float(value.observed)
    return {"observed": observed, "breached": value.breached}
