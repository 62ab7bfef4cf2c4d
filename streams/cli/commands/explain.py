"""``mailsla explain``."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

import click
from rich.table import Table

from mailsla.schemas.codec.identifiers import rfc3339
from mailsla.schemas.indicators import SECTIONS
from mailsla.schemas.presentation import figures
from mailsla.schemas.presentation.decimals import plain
from mailsla.schemas.presentation.words import remedy_word, verdict_word
from mailsla.schemas.results import ClosingItem
from mailsla.sinks.clickhouse import connect
from mailsla.sinks.closing.errors import ClosingError
from mailsla.sinks.closing.explain.explain import Explanation, Row
from mailsla.sinks.closing.explain.explain import explain as work_out
from mailsla.sinks.closing.explain.formulas import seconds
from mailsla.sinks.closing.plan.contract_segments import instant
from mailsla.sinks.worker import clickhouse_settings
from mailsla.streams.cli.output.clickhouse_output import cell, show_numbers, show_table
from mailsla.streams.cli.support.common import INDICATOR, MONTH, settings_of, state_file_option
from mailsla.streams.cli.support.errors import CheckFailed
from mailsla.streams.cli.support.known import check_tenants

_LONGEST_QUERY_S: Final = 1800.0
_SPANS: Final = 4
"""Exclusions named in the text; the JSON has all."""


@click.command()
@click.argument("tenant")
@click.argument("indicator", type=INDICATOR, metavar="INDICATOR")
@click.argument("month", type=MONTH)
@click.option("--revision", type=click.IntRange(1), help="This revision; the last by default.")
@click.option("--json", "as_json", is_flag=True, help="Print the steps as JSON.")
@state_file_option
@click.pass_context
def explain(
    ctx: click.Context,
    tenant: str,
    indicator: str,
    month: date,
    revision: int | None,
    as_json: bool,
    own_state_file: Path | None,
) -> None:
    """Show how one figure of a month comes about, step by step, from the rows that make it.

    Of a closed month the facts and the contract are those of the revision, of another one those
    of now. The value is worked out anew from the rows; exits 1 if it is not the closing's.

    \b
    Examples:
      mailsla explain acme connectivity.downtime 2026-10
      mailsla explain acme latency.send.mean 2026-10 --revision 1 --json
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    client = connect(clickhouse_settings(settings_of(ctx, own_state_file), _LONGEST_QUERY_S))
    check_tenants(client, [tenant])
    try:
        done = work_out(client, tenant, indicator, month, revision=revision)
    except ClosingError as error:
        raise CheckFailed(str(error)) from None
    if as_json:
        show_numbers(_document(done))
    else:
        _show(done)
    if not done.agrees:
        ctx.exit(CheckFailed.exit_code)


def _show(done: Explanation) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for number, (name, text) in enumerate(_steps(done), start=1):
        table.add_row(f"{number} {name}", cell(text))
    item = done.item
    status = f"revision {done.revision.number}" if done.revision else "not closed"
    click.echo(f"{cell(item.tenant_id)}  {item.indicator}  {item.month}  {status}")
    show_table(table)
    if done.rows:
        click.echo(f"the rows, {len(done.rows)} of {done.sums.rows}:")
        show_table(_rows(done))


def _steps(done: Explanation) -> Iterator[tuple[str, str]]:
    item, sums = done.item, done.sums
    yield "facts", f"landed by {rfc3339(done.cutoff)}"
    yield "contract", _contract(done)
    yield "promise", f"§{item.section} {SECTIONS[item.section].title}: {_promise(done)}"
    yield "period", _period(done)
    yield "reading", done.formula.reading
    left = f", {sums.rows - sums.counting} do not count" if sums.rows > sums.counting else ""
    yield "rows", f"{sums.rows}, each {done.formula.rows}{left}"
    if item.section <= 3:
        yield "exclusions", _exclusions(done)
    yield "arithmetic", _arithmetic(done)
    yield from _contract_segments(item)
    yield "verdict", _verdict(done)


def _contract(done: Explanation) -> str:
    """The version that governs, and those before it in the month."""
    spans = done.period.versions
    if len(spans) == 1:
        return f"version {done.item.contract_version}, profile {done.item.profile}"
    versions = (
        f"version {span.contract.version} from {span.first} to {span.last - timedelta(days=1)}"
        for span in spans
    )
    return f"{'; '.join(versions)}; profile {done.item.profile}"


def _contract_segments(item: ClosingItem) -> Iterator[tuple[str, str]]:
    """Each segment of a month whose contract changes, judged by its own version."""
    for part in item.parts:
        promised = figures.promise(part.comparator, part.target, item.unit, "en")
        observed = figures.item_figure(
            part.observed, part.comparator, part.target, item.unit, "en", part.verdict
        )
        days = f"{part.first} to {part.end - timedelta(days=1)}"
        yield (
            "segment",
            f"{days}, version {part.version}: {_both(observed)} against {_both(promised)}: "
            f"{verdict_word(part.verdict, 'en')}",
        )


def _both(figure: figures.Figure) -> str:
    """A figure as it reads, with the exact one behind it."""
    return f"{figure.text} ({figure.exact})" if figure.exact else figure.text


def _promise(done: Explanation) -> str:
    item = done.item
    if item.target is None:
        return "the agreement sets no target"
    return _both(figures.promise(item.comparator, item.target, item.unit, "en"))


def _unit(done: Explanation) -> str:
    return done.item.unit if done.item.unit in {"s", "days"} else ""


def _period(done: Explanation) -> str:
    period, zone = done.period, done.period.contract.zone
    edges = [instant(us) for us in (period.start_us, period.end_us)]
    local = " to ".join(f"{edge.astimezone(zone):%Y-%m-%d %H:%M}" for edge in edges)
    universal = " to ".join(rfc3339(edge) for edge in edges)
    length = seconds(period.end_us - period.start_us)
    return f"{local} {period.contract.timezone}, which is {universal}: {length}"


def _exclusions(done: Explanation) -> str:
    if not done.exclusions:
        return "none in force"
    spans = [f"{_at(starts)} to {_at(ends)}" for starts, ends in done.exclusions[:_SPANS]]
    more = f" and {len(done.exclusions) - _SPANS} more" if len(done.exclusions) > _SPANS else ""
    excluded = done.item.excluded
    taken = "" if excluded is None else f"; they took {plain(excluded)} {_excluded_unit(done)}"
    return f"{len(done.exclusions)} in force: {', '.join(spans)}{more}{taken}"


def _excluded_unit(done: Explanation) -> str:
    """Exclusions take messages out of section 2, else time, or whole days."""
    if done.item.section == 2:
        return "messages"
    return "days" if done.item.unit == "days" else "s"


def _at(moment: datetime | None) -> str:
    return "-" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}Z"


def _arithmetic(done: Explanation) -> str:
    if done.item.observed is None:
        return "nothing was ever observed that it could be worked out from"
    found = "nothing" if done.value is None else f"{plain(done.value)} {_unit(done)}".rstrip()
    return f"{done.outcome.arithmetic} = {found}"


def _verdict(done: Explanation) -> str:
    item = done.item
    observed = "no data" if item.observed is None else f"{plain(item.observed)} {_unit(done)}"
    said = f"{observed.rstrip()} against {_promise(done)}: {verdict_word(item.verdict, 'en')}"
    if item.parts:
        said = f"{verdict_word(item.verdict, 'en')}, as the segments are"
    if item.verdict == "breached":
        said += f", owed: {remedy_word(item.remedy, 'en')}"
    if not done.agrees:
        said += f"; but the rows add up to {done.value}: run mailsla close {item.month} --verify"
    return said


def _rows(done: Explanation) -> Table:
    table = Table(box=None, pad_edge=False)
    excused = any(row.excused for row in done.rows)
    until = any(row.until for row in done.rows)
    for name in _columns(until, excused):
        table.add_column(name, overflow="fold")
    for row in done.rows:
        cells = _cells(row, done.formula.timed)
        table.add_row(*(cell(cells[name]) for name in _columns(until, excused)))
    return table


def _columns(until: bool, excused: bool) -> tuple[str, ...]:
    return ("what", "since", *("until",) * until, "amount", *("excluded",) * excused, "note")


def _cells(row: Row, timed: bool) -> dict[str, object]:
    return {
        "what": row.item,
        "since": _at(row.since),
        "until": _at(row.until),
        "amount": seconds(row.amount) if timed else row.amount,
        "excluded": seconds(row.excused) if timed else row.excused,
        "note": row.note if row.counts else f"does not count: {row.note}".rstrip(": "),
    }


def _document(done: Explanation) -> dict[str, object]:
    scale = Decimal("1e-6") if done.formula.timed else Decimal(1)
    rows = [
        {**asdict(row), "amount": row.amount * scale, "excused": row.excused * scale}
        for row in done.rows
    ]
    return {
        "tenant_id": done.item.tenant_id,
        "indicator": done.item.indicator,
        "month": done.item.month,
        "revision": done.revision and done.revision.number,
        "cutoff": done.cutoff,
        "period": {
            "timezone": done.period.contract.timezone,
            "first_day": done.period.first,
            "last_day": done.period.last,
            "start": instant(done.period.start_us),
            "end": instant(done.period.end_us),
            "length_s": Decimal(done.period.end_us - done.period.start_us) / 1_000_000,
        },
        "steps": [{"step": name, "text": text} for name, text in _steps(done)],
        "exclusions": [{"starts_at": s, "ends_at": e} for s, e in done.exclusions],
        "rows": rows,
        "rows_total": done.sums.rows,
        "rows_counting": done.sums.counting,
        "value": done.value,
        "agrees": done.agrees,
        "item": done.item.model_dump(mode="python"),
    }
