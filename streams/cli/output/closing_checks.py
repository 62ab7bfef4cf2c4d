"""What ``mailsla close --verify`` says."""

from collections.abc import Sequence
from datetime import date

import click
from rich.table import Table

from mailsla.sinks.closing.run.verify import Check
from mailsla.streams.cli.output.clickhouse_output import cell, show_numbers, show_table
from mailsla.streams.cli.support.errors import CheckFailed


def show_checks(checks: Sequence[Check], month: date, as_json: bool) -> int:
    """Print every revision worked out again; the exit code, 1 where one differs.

    Raises:
        CheckFailed: there is no such revision.
    """
    if not checks:
        raise CheckFailed(f"no such revision of {month:%Y-%m}; close the month first")
    different = [check for check in checks if check.differences]
    if as_json:
        show_numbers([_document(check) for check in checks])
    else:
        if different:
            show_table(_table(different))
        click.echo(f"{len(checks)} revisions worked out again, {len(different)} different")
    return CheckFailed.exit_code if different else 0


def _table(checks: Sequence[Check]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("tenant", "rev", "cutoff", "different"):
        table.add_column(name, overflow="fold")
    for check in checks:
        stored = check.stored
        values = (stored.tenant_id, stored.revision, stored.cutoff, ", ".join(check.differences))
        table.add_row(*(cell(value) for value in values))
    return table


def _document(check: Check) -> dict[str, object]:
    return {
        "tenant_id": check.stored.tenant_id,
        "month": check.stored.month,
        "revision": check.stored.revision,
        "cutoff": check.stored.cutoff,
        "identical": not check.differences,
        "differences": list(check.differences),
        "items": [item.model_dump(mode="python") for item in check.recomputed],
    }
