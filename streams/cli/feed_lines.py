"""Events of the breach feed as lines that fit 80 columns, one for each cause. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rich.text import Text

from schemas.presentation import figures
from schemas.presentation.names import indicator_title
from schemas.presentation.words import change_word
from schemas.results import BreachEvent
from streams.cli.reading import cell

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
_VIOLATED: Final = frozenset({"breached", "failing"})
_TIME, _TENANT, _STATE, _MONTH = 8, 13, 9, 7


@dataclass(frozen=True)
class Told:
    """What one line tells: an event, and of how many tenants the same was said for one cause."""

    event: BreachEvent
    cause: str | None = None
    """The incident, exclusion or outage of the whole platform behind it."""
    tenants: int = 1


def condensed(events: Iterable[tuple[BreachEvent, str | None]]) -> list[Told]:
    """Events with their causes, in order, each cause once.

    A cause of the whole platform says the same of every tenant; the levels of a burning budget
    say the same of one instant, and the worst of them speaks.
    """
    found: dict[tuple[object, ...], Told] = {}
    seen: dict[tuple[object, ...], set[str]] = {}
    for event, cause in events:
        data = event.data
        who = cause or event.subject
        key: tuple[object, ...] = (event.type, data.indicator, data.period, who)
        if data.burn is not None:
            key = (*key, data.event_time, data.burn.active)
        elif cause is None:
            key = (*key, event.id)
        seen.setdefault(key, set()).add(event.subject)
        before = found.get(key)
        worst = event if before is None or _rate(event) > _rate(before.event) else before.event
        found[key] = Told(worst, cause, len(seen[key]))
    return list(found.values())


def _rate(event: BreachEvent) -> float:
    """How fast a budget is spent, against how fast is told of."""
    burn = event.data.burn
    return float(burn.long_rate) if burn is not None else 0.0


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
    shown = _burning(told.event) or _figures(told.event)
    return f"{_fit(title, max(1, width - 1 - len(shown)))} {shown}"


def _figures(event: BreachEvent) -> str:
    data = event.data
    limit = (data.comparator, data.target, data.unit)
    breached = data.state in _VIOLATED
    shown = figures.observed_figure(data.observed, *limit, "en", breached=breached).text
    if data.target is None:
        return shown
    return f"{shown} ({figures.promise(*limit, 'en').text})"


def _burning(event: BreachEvent) -> str:
    """``14.4 × allowed over 1h``; empty where no budget burns."""
    burn = event.data.burn
    if burn is None:
        return ""
    if not burn.active:
        return f"no longer over {burn.long}"
    return f"{float(burn.long_rate):.1f} × what is allowed, {burn.long}"


def _fit(text: str, width: int) -> str:
    shown = cell(text).plain
    return shown.ljust(width) if len(shown) <= width else f"{shown[: width - 1]}…"
