"""What ``mailsla close --diff`` says."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict

import click
from rich.table import Table
from rich.text import Text

from mailsla.schemas.presentation import figures
from mailsla.schemas.presentation.words import remedy_word
from mailsla.schemas.results import ClosingItem, Credit
from mailsla.sinks.closing.revisions.diff import Change, Difference
from mailsla.streams.cli.output.clickhouse_output import cell, show_numbers, show_table
from mailsla.streams.cli.output.closing_table import MARKS, excluded_figure, figure


def show_differences(differences: Sequence[Difference], as_json: bool) -> None:
    """Print what changed and why, tenant by tenant."""
    if as_json:
        show_numbers([_document(each) for each in differences])
        return
    if not differences:
        click.echo("no tenant has more than one revision")
    for each in differences:
        old, new = each.old, each.new
        click.echo(f"{cell(new.tenant_id)} {new.month}: revision {old.revision} → {new.revision}")
        click.echo(f"  landed by {cell(old.cutoff)} → {cell(new.cutoff)}")
        if each.changes:
            show_table(_changes(each.changes))
        for credit in (*each.reversed, *each.issued):
            click.echo(f"  {credit_line(credit)}")
        _show_causes(each)
        click.echo()


def credit_line(credit: Credit) -> str:
    """One credit in words."""
    booked = "reversed" if credit.kind == "reversal" else "issued"
    remedy = remedy_word(credit.remedy, "en")
    if credit.days is not None:
        return f"{booked}: {remedy}, {credit.days} days"
    if credit.amount is None:
        return f"{booked}: {remedy} (the contract names no fee)"
    return f"{booked}: {remedy}, {figures.money(credit.amount)} {credit.currency}"


def _changes(changes: Iterable[Change]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("  indicator", max_width=33)
    for name in ("old", "new"):
        table.add_column(name, overflow="fold")
    for change in changes:
        table.add_row(f"  {change.indicator}", _side(change.old), _side(change.new))
    return table


def _side(item: ClosingItem | None) -> Text:
    if item is None:
        return Text("-")
    said = Text.from_markup(MARKS[item.verdict]).append(f" {figure(item)}")
    if item.raw is not None and item.raw != item.observed:
        said.append(f" (raw {figures.figure(item.raw, item.unit, 'en').text})")
    if item.excluded:
        said.append(f" excluded {excluded_figure(item)}")
    if item.verdict == "breached":
        said.append(f", {remedy_word(item.remedy, 'en')}")
    return said


def _show_causes(each: Difference) -> None:
    causes = each.causes
    for version in causes.contract_versions:
        click.echo(f"  because of contract version {version}")
    for day in causes.days:
        was, is_ = ("working", "free") if day.worked else ("free", "working")
        click.echo(f"  because {day.day}, a {was} day of {cell(day.calendar)}, is now a {is_} day")
    if causes.total:
        more = f", the first {len(causes.events)}" if causes.total > len(causes.events) else ""
        events = "1 event" if causes.total == 1 else f"{causes.total} events"
        click.echo(f"  because of {events} that landed in between{more}:")
        table = Table(box=None, pad_edge=False)
        for name in ("  event", "about", "source and id", "happened", "landed"):
            table.add_column(name, overflow="fold")
        for event in causes.events:
            about = event.about if event.tenant_id != "*" else f"{event.about} (platform)"
            name = f"{event.source} {event.id}"
            times = (f"{at:%Y-%m-%d %H:%M:%SZ}" for at in (event.event_time, event.landed_at))
            table.add_row(*(cell(value) for value in (f"  {event.type}", about, name, *times)))
        show_table(table)
    elif not (causes.contract_versions or causes.days):
        click.echo("  no event that bears on it landed in between")


def _document(each: Difference) -> dict[str, object]:
    heads = {
        name: closing.model_dump(mode="python", exclude={"items", "credits"})
        for name, closing in (("old", each.old), ("new", each.new))
    }
    return {
        "tenant_id": each.new.tenant_id,
        "month": each.new.month,
        **heads,
        "changes": [
            {
                "indicator": change.indicator,
                "old": change.old and change.old.model_dump(mode="python"),
                "new": change.new and change.new.model_dump(mode="python"),
            }
            for change in each.changes
        ],
        "reversed": [credit.model_dump(mode="python") for credit in each.reversed],
        "issued": [credit.model_dump(mode="python") for credit in each.issued],
        "causes": {
            "total": each.causes.total,
            "events": [asdict(event) for event in each.causes.events],
            "contract_versions": list(each.causes.contract_versions),
            "days": [asdict(day) for day in each.causes.days],
        },
    }
