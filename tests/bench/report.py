"""What the benchmarks print."""

from collections.abc import Sequence


def show(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; the first column to the left, figures to the right."""
    widths = [max(len(row[place]) for row in (header, *rows)) for place in range(len(header))]
    print(f"\n{title}")
    for row in (header, *rows):
        cells = zip(row[1:], widths[1:], strict=True)
        print("  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in cells)]))


def note(text: str) -> None:
    """Print one line at once."""
    print(text, flush=True)


def verdict(holds: bool) -> str:
    """Whether what is promised is seen."""
    return "holds" if holds else "does NOT hold"


def whole(value: float) -> str:
    """A figure without decimals; a dash where it could not be measured."""
    return "-" if value != value else f"{value:,.0f}"


def ratio(value: float) -> str:
    """How many times."""
    return "-" if value != value else f"{value:.2f}×"
