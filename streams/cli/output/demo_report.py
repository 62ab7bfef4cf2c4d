"""What a demonstration injected beside what was found."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rich.table import Table

from mailsla.schemas.presentation.language import pick
from mailsla.schemas.presentation.words import VERDICTS, remedy_word
from mailsla.schemas.results import Closing
from mailsla.sinks.embedded.state_file import StackState
from mailsla.streams.cli.support.common import console
from mailsla.streams.simulate.truth import Truth


@dataclass(frozen=True)
class DeadLetterCounts:
    """What the tables hold: distinct events by topic, and dead letters."""

    events: Mapping[str, int]
    dead_letters: int


@dataclass(frozen=True)
class Statements:
    """The files of one tenant's statement, and an indicator worth an explanation."""

    tenant_id: str
    indicator: str
    paths: Sequence[Path]


def tenants_table(truth: Truth, closings: Sequence[Closing]) -> tuple[Table, bool]:
    """A row per tenant: its story, what was injected and what the closing found.

    Returns:
        The table, at most 100 columns wide, and whether everything agrees.
    """
    table = Table(title=f"{truth.month}: injected | found", box=None, pad_edge=False)
    table.add_column("tenant", no_wrap=True)
    table.add_column("messages", justify="right", no_wrap=True)
    table.add_column("over 1 h", justify="right", no_wrap=True)
    table.add_column("breached", max_width=40)
    table.add_column("owed", max_width=18)
    table.add_column("")
    agreed = True
    by_tenant = {closing.tenant_id: closing for closing in closings}
    for tenant, told in truth.tenants.items():
        closing = by_tenant.get(tenant)
        items = {item.indicator: item for item in closing.items} if closing else {}
        found = {name for name, item in items.items() if item.verdict == "breached"}
        over = items["latency.exceedances"].observed if items else None
        same = found == told.breached and over == told.exceedances
        agreed &= same
        table.add_row(
            tenant,
            f"{told.messages:,}",
            f"{told.exceedances} | {'-' if over is None else int(over)}",
            _breaches(told.breached, found),
            _owed(closing),
            "[green]✓[/]" if same else "[red]✗[/]",
        )
    return table, agreed


def log_table(truth: Truth, found: DeadLetterCounts) -> tuple[Table, bool]:
    """A row per topic and one for what was refused."""
    table = Table(box=None, pad_edge=False)
    for name in ("in the log", "injected", "found", ""):
        table.add_column(name, justify="left" if name == "in the log" else "right")
    pairs = [
        *((topic, count, found.events.get(topic, 0)) for topic, count in truth.events.items()),
        ("dead letters", sum(truth.bad.values()), found.dead_letters),
    ]
    for name, injected, seen in pairs:
        mark = "[green]✓[/]" if injected == seen else "[red]✗[/]"
        table.add_row(name, f"{injected:,}", f"{seen:,}", mark)
    table.add_row("duplicates, collapsed", f"{truth.duplicates:,}", "", "")
    table.add_row("late", f"{truth.late:,}", "", "")
    table.add_row("mis-keyed, keyed anew", f"{truth.miskeyed:,}", "", "")
    return table, all(injected == seen for _, injected, seen in pairs)


def in_short(closings: Sequence[Closing]) -> list[str]:
    """Who is in trouble, why, and what is owed: a line each, for whoever reads nothing else."""
    verdicts = Counter(closing.verdict for closing in closings)
    others = ", ".join(
        f"{verdicts[verdict]} {pick(VERDICTS[verdict], 'en')}"
        for verdict in ("met", "incomplete")
        if verdicts[verdict]
    )
    broken = Counter(
        item.indicator for one in closings for item in one.items if item.verdict == "breached"
    )
    owed = Counter(remedy for one in closings for remedy in one.remedies)
    lines = [
        f"in trouble  {verdicts['breached']} of {len(closings)} tenants broke a promise"
        + (f" (the others: {others})" if others else "")
    ]
    if broken:
        often = [f"{name} ({_of(count)})" for name, count in broken.most_common(3)]
        rest = f", and {len(broken) - 3} more indicators" if len(broken) > 3 else ""
        lines.append(f"because of  {', '.join(often)}{rest}")
    if owed:
        due = [f"{remedy_word(remedy, 'en')} to {_of(count)}" for remedy, count in owed.items()]
        lines.append(f"owed        {', '.join(sorted(due))}")
    return lines


def _of(count: int) -> str:
    return f"{count} tenant" if count == 1 else f"{count} tenants"


def _owed(closing: Closing | None) -> str:
    if closing is None or not closing.remedies:
        return "-"
    return ", ".join(remedy_word(remedy, "en") for remedy in closing.remedies)


def show_places(state: StackState, directory: Path, *, kept: bool) -> None:
    """Where everything is; addresses only of a stack that stays up."""
    out = console()
    out.print(f"data        {directory}", soft_wrap=True)
    out.print(f"logs        {directory / 'logs'}", soft_wrap=True)
    if kept:
        out.print(f"page        {state.web}", soft_wrap=True)
        out.print(f"kafka       {state.kafka}")
        out.print(f"clickhouse  {state.clickhouse}")
        out.print("Ctrl-C ends it")


def show_end(
    state: StackState, directory: Path, month: date, statements: Statements, *, kept: bool
) -> None:
    """The statement, the addresses, and three commands to try."""
    out = console()
    out.print()
    for path in statements.paths:
        out.print(f"statement   {path}", soft_wrap=True)
    show_places(state, directory, kept=kept)
    tenant, label = statements.tenant_id, f"{month:%Y-%m}"
    out.print("\nto try:" if kept else "\nto try, after mailsla demo --keep, in another terminal:")
    state_file = f"--state-file {directory / 'state.json'}" if kept else "--state-file F"
    for command in (
        f"close {label} --tenant {tenant} --dry-run",
        f"explain {tenant} {statements.indicator} {label}",
        f"watch --until-end --tenant {tenant}",
    ):
        out.print(f"  mailsla {state_file} {command}", soft_wrap=True)


def _breaches(injected: frozenset[str], found: set[str]) -> str:
    """Indicators found; one that was injected and not found, or the reverse, is marked."""
    lines = [f"{name}" for name in sorted(injected & found)]
    lines += [f"[red]missing: {name}[/]" for name in sorted(injected - found)]
    lines += [f"[red]unexpected: {name}[/]" for name in sorted(found - injected)]
    return "\n".join(lines) or "-"
