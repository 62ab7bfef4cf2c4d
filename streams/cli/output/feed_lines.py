"""Events of the breach feed as lines that fit 80 columns, one for each cause. Pure."""

from datetime import datetime
from typing import Final

from rich.text import Text

from mailsla.schemas.presentation.feed import Told, figures_of
from mailsla.schemas.presentation.names import indicator_title
from mailsla.schemas.presentation.words import change_word
from mailsla.streams.cli.output.clickhouse_output import cell

NARROW: Final = 80
WIDE: Final = 100
"""From so many columns on, month and number of references have columns of their own."""

_STYLES: Final = {
    "sla.indicator.at_risk": "yellow",
    "sla.indicator.failing": "bold yellow",
    "sla.indicator.recovered": "green",
    "sla.indicator.breached": "bold red",
    "sla.indicator.withdrawn": "cyan",
    "sla.budget.burn": "magenta",
}
_TIME, _TENANT, _STATE, _MONTH = 8, 13, 9, 7


def heading(width: int) -> Text:
    """What stands in the columns."""
    what = "indicator" + "observed (promised)".rjust(_what_width(width) - len("indicator"))
    words = ["time".ljust(_TIME), "tenant".ljust(_TENANT), "state".ljust(_STATE), what]
    if width >= WIDE:
        words += ["month".ljust(_MONTH), "ev"]
    return Text(" ".join(words), style="dim")


def day_line(at: datetime) -> Text:
    """The date under which lines stand, with the zone of its times."""
    offset = f"{at:%z}"
    zone = f"UTC{offset[:3]}:{offset[3:5]}" if offset.strip("+-0") else "UTC"
    return Text(f"{at:%Y-%m-%d}, times in {zone}", style="dim")


def line(told: Told, at: datetime, width: int) -> Text:
    """One line; what a producer or a contract wrote cannot steer the terminal.

    ``at`` is the event's time on the reader's clock.
    """
    event = told.event
    who = event.subject if told.tenants == 1 else f"{told.tenants:,} tenants"
    text = Text.assemble(
        f"{at:%H:%M:%S} ",
        _fit(who, _TENANT),
        " ",
        (change_word(event.type, "en").ljust(_STATE), _STYLES[event.type]),
        f" {_what(told, _what_width(width))}",
    )
    if width >= WIDE:
        text.append(f" {_fit(event.data.period, _MONTH)} {len(event.data.evidence):>2}")
    return text


def _what_width(width: int) -> int:
    own = max(width, NARROW) - _TIME - _TENANT - _STATE - 3
    return own - (_MONTH + 4 if width >= WIDE else 0)


def _what(told: Told, width: int) -> str:
    """The indicator in words to the left, its figures to the right."""
    data = told.event.data
    title = indicator_title(data.indicator, "en")
    if told.cause is not None:
        title = f"{told.cause}: {title}"
    shown = figures_of(told.event, "en")
    return f"{_fit(title, max(1, width - 1 - len(shown)))} {shown}"


def _fit(text: str, width: int) -> str:
    shown = cell(text).plain
    return shown.ljust(width) if len(shown) <= width else f"{shown[: width - 1]}…"
