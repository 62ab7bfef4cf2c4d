"""An event of the breach feed as one line of at most 100 columns."""

from decimal import Decimal
from typing import Final

from rich.text import Text

from schemas.indicators import INDICATORS
from schemas.presentation.decimals import plain
from schemas.results import BreachEvent
from streams.cli.reading import cell

_WORDS: Final = {
    "sla.indicator.at_risk": ("at risk", "yellow"),
    "sla.indicator.failing": ("failing", "bold yellow"),
    "sla.indicator.recovered": ("recovered", "green"),
    "sla.indicator.breached": ("BREACHED", "bold red"),
    "sla.indicator.withdrawn": ("withdrawn", "cyan"),
    "sla.budget.burn": ("burning", "magenta"),
}
_COMPARATORS: Final = {"<=": "≤", ">=": "≥"}
_TENANT, _WHAT, _STATE = 13, 50, 9


def heading() -> Text:
    """What stands in the columns."""
    what = "indicator" + "observed (promised)".rjust(_WHAT - len("indicator"))
    columns = ("time".ljust(14), "tenant".ljust(_TENANT), "state".ljust(_STATE), what, "month  ")
    return Text(" ".join((*columns, "ev")), style="dim")


def line(event: BreachEvent) -> Text:
    """One event; what a producer or a contract wrote cannot steer the terminal."""
    data = event.data
    word, style = _WORDS[event.type]
    local = data.event_time.astimezone()
    return Text.assemble(
        f"{local:%m-%d %H:%M:%S} ",
        _fit(event.subject, _TENANT),
        " ",
        (word.ljust(_STATE), style),
        f" {_what(event)} ",
        _fit(data.period, 7),
        f" {len(data.evidence):>2}",
    )


def _what(event: BreachEvent) -> str:
    """The indicator in words to the left, its figures to the right."""
    data = event.data
    known = INDICATORS.get(data.indicator)
    title = data.indicator if known is None else known.title
    figures = _figure(data.observed, data.unit)
    if data.target is not None:
        comparator = _COMPARATORS.get(data.comparator or "", data.comparator or "")
        figures += f" ({comparator} {_figure(data.target, data.unit)})"
    return f"{_fit(title, _WHAT - 1 - len(figures))} {figures}"


def _figure(value: Decimal | None, unit: str) -> str:
    """A figure with its unit; shares in per cent. Shown to three decimals, never judged by them."""
    if value is None:
        return "-"
    if unit == "ratio":
        return f"{plain(_rounded(value * 100))} %"
    return f"{plain(_rounded(value))}{' s' if unit == 's' else ''}"


def _rounded(value: Decimal) -> Decimal:
    """Three decimals, or as many as the first digits of a small share need."""
    rounded = round(value, 3)
    return rounded if rounded or not value else Decimal(f"{value:.1e}")


def _fit(text: str, width: int) -> str:
    shown = cell(text).plain
    return shown.ljust(width) if len(shown) <= width else f"{shown[: width - 1]}…"
