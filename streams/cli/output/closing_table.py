"""A closing as a table that fits 100 columns."""

from collections.abc import Sequence
from typing import Final

from rich.table import Table

from mailsla.schemas.presentation import figures
from mailsla.schemas.presentation.decimals import plain
from mailsla.schemas.presentation.months import as_far_as_measured, summarize
from mailsla.schemas.presentation.words import VERDICTS, remedy_word, verdict_word
from mailsla.schemas.results import Closing, ClosingItem

_STYLES: Final = {
    "met": "green",
    "breached": "bold red",
    "incomplete": "yellow",
    "no_data": "dim",
    "not_judged": "dim",
}
MARKS: Final = {
    verdict: f"[{_STYLES[verdict]}]{verdict_word(verdict, 'en')}[/]" for verdict in VERDICTS
}
"""verdict → its word in its colour."""


def closing_table(closings: Sequence[Closing]) -> Table:
    """One row per tenant: verdict, remedies, and what it rests on; ``*`` marks provisional."""
    table = Table(box=None, pad_edge=False)
    table.add_column("tenant", max_width=22, overflow="ellipsis", no_wrap=True)
    table.add_column("rev", justify="right")
    table.add_column("verdict")
    table.add_column("owed", max_width=26)
    table.add_column("breached", max_width=40)
    for closing in closings:
        table.add_row(
            closing.tenant_id,
            f"{closing.revision}*" if closing.provisional else str(closing.revision),
            MARKS[closing.verdict],
            ", ".join(remedy_word(remedy, "en") for remedy in closing.remedies) or "-",
            _grounds(closing),
        )
    return table


def _grounds(closing: Closing) -> str:
    """What is breached, else how far it was measured that nothing is."""
    broken = [item for item in closing.items if item.verdict == "breached"]
    if broken:
        return "\n".join(f"{item.indicator} {figure(item)}" for item in broken)
    summary = summarize((item.indicator, item.verdict) for item in closing.items)
    return as_far_as_measured(summary, "en") if summary.without_data else "-"


def excluded_figure(item: ClosingItem) -> str:
    """What exclusions took out: messages of section 2, days, else time."""
    if item.excluded is None:
        return "-"
    if item.section == 2:
        return f"{plain(item.excluded)} messages"
    unit = "days" if item.unit == "days" else "s"
    return figures.figure(item.excluded, unit, "en").text


def figure(item: ClosingItem) -> str:
    """The observed value as it reads beside its promise."""
    if item.parts:
        return figures.figure(item.observed, item.unit, "en").text
    return figures.item_figure(
        item.observed, item.comparator, item.target, item.unit, "en", item.verdict
    ).text
