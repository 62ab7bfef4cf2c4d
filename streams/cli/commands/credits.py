"""``mailsla credits``."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, astuple, fields
from datetime import date
from decimal import Decimal
from pathlib import Path

import click
import orjson
from rich.table import Table

from mailsla.sinks.closing.credits.balances import Booking, Owed, read_ledger, totals
from mailsla.streams.cli.output.clickhouse_output import cell, show_table
from mailsla.streams.cli.support.clickhouse_reading import reading
from mailsla.streams.cli.support.common import MONTH, settings_of, state_file_option
from mailsla.streams.cli.support.errors import CommandError
from mailsla.streams.cli.support.known import check_tenants


@click.command()
@click.argument("month", type=MONTH, required=False)
@click.option("--all", "every", is_flag=True, help="Every month.")
@click.option("--tenant", "tenants", multiple=True, help="Only this tenant; may be repeated.")
@click.option("--totals", "only_totals", is_flag=True, help="Only what is left in sum.")
@click.option("--csv", "as_csv", is_flag=True, help="The ledger (or the totals) as CSV.")
@click.option("--json", "as_json", is_flag=True, help="Ledger and totals as JSON.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file."
)
@state_file_option
@click.pass_context
def credits(
    ctx: click.Context,
    month: date | None,
    every: bool,
    tenants: tuple[str, ...],
    only_totals: bool,
    as_csv: bool,
    as_json: bool,
    output: Path | None,
    own_state_file: Path | None,
) -> None:
    """Show the ledger of credits: what closings issued, what they reversed, what is owed.

    The ledger is append-only: a revised month reverses its credit and issues the new one. The
    totals per tenant are what is left: days added to the term (double_service), fees waived
    (fee_waiver; without an amount where the contract names no fee).

    \b
    Examples:
      mailsla credits 2026-10
      mailsla credits --all --totals --csv -o owed.csv
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    if (month is None) is not every:
        raise click.UsageError("give a month such as 2026-10, or --all, not both")
    if as_csv and as_json:
        raise click.UsageError("give --csv or --json, not both")
    with reading(settings_of(ctx, own_state_file)) as client:
        check_tenants(client, tenants)
        bookings = read_ledger(client, month, tenants)
    owed = totals(bookings)
    ledger = [] if only_totals else bookings
    if as_json or as_csv or output:
        text = _csv(owed if only_totals else bookings, Owed if only_totals else Booking)
        _put(_json(ledger, owed, only_totals) if as_json else text, output)
        return
    if ledger:
        show_table(_table(ledger, Booking))
        click.echo()
    show_table(_table(owed, Owed))
    click.echo(f"{len(bookings)} bookings, {len({each.tenant_id for each in owed})} tenants owed")


def _put(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise CommandError(f"{output} cannot be written ({error.strerror}); name another") from None


def _csv(rows: Sequence[Booking] | Sequence[Owed], kind: type[Booking] | type[Owed]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(field.name for field in fields(kind))
    for row in rows:
        writer.writerow(_text(value) for value in astuple(row))
    return text.getvalue()


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:f}" if isinstance(value, Decimal) else str(cell(value))


def _json(ledger: Sequence[Booking], owed: Sequence[Owed], only_totals: bool) -> str:
    document: dict[str, object] = {"totals": [asdict(each) for each in owed]}
    if not only_totals:
        document = {"ledger": [asdict(each) for each in ledger], **document}
    options = orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE
    # Money as text: exact, whoever reads it.
    return orjson.dumps(document, default=_text, option=options).decode()


def _table(rows: Sequence[Booking] | Sequence[Owed], kind: type[Booking] | type[Owed]) -> Table:
    table = Table(box=None, pad_edge=False)
    shown = [field.name for field in fields(kind) if field.name != "issued_at"]
    for name in shown:
        right = name in {"revision", "times", "days", "amount"}
        table.add_column(name.removesuffix("_id"), justify="right" if right else "left")
    for row in rows:
        table.add_row(*(cell(getattr(row, name)) for name in shown))
    return table
