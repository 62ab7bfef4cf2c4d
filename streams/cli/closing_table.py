"""A closing as a table that fits 100 columns."""

from collections.abc import Sequence
from decimal import Decimal

from rich.table import Table

from schemas.indicators import SECTIONS
from schemas.results import Closing, ClosingItem

MARKS = {
    "met": "[green]met[/]",
    "breached": "[red]BREACHED[/]",
    "no_data": "[dim]no data[/]",
    "not_judged": "[dim]-[/]",
}


def closing_table(closings: Sequence[Closing]) -> Table:
    """One row per tenant: verdict, remedies, and what was breached; ``*`` marks provisional."""
    table = Table(box=None, pad_edge=False)
    table.add_column("tenant", max_width=22, overflow="ellipsis", no_wrap=True)
    table.add_column("rev", justify="right")
    table.add_column("verdict")
    table.add_column("owed", max_width=26)
    table.add_column("breached", max_width=40)
    for closing in closings:
        broken = [item for item in closing.items if item.verdict == "breached"]
        table.add_row(
            closing.tenant_id,
            f"{closing.revision}*" if closing.provisional else str(closing.revision),
            MARKS[closing.verdict],
            ", ".join(closing.remedies) or "-",
            "\n".join(f"{item.indicator} {figure(item)}" for item in broken) or "-",
        )
    return table


def items_table(closing: Closing) -> Table:
    """Every indicator of one tenant."""
    table = Table(box=None, pad_edge=False)
    for name in ("section", "indicator", "observed", "target", "verdict"):
        table.add_column(name, justify="right" if name in {"observed", "target"} else "left")
    for item in closing.items:
        title = f"{item.section} {SECTIONS[item.section].title}"
        target = "-" if item.target is None else f"{item.comparator} {plain(item.target)}"
        table.add_row(title, item.indicator, figure(item), target, MARKS[item.verdict])
    return table


def plain(value: Decimal) -> str:
    """A decimal without exponent or trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def figure(item: ClosingItem) -> str:
    """The observed value, to six decimals, with its unit."""
    if item.observed is None:
        return "-"
    unit = item.unit if item.unit in {"s", "days"} else ""
    return f"{plain(round(item.observed, 6))} {unit}".rstrip()
