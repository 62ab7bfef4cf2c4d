"""Events of the breach feed in words, one for each cause; figures agree with the state."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mailsla.schemas.presentation import figures
from mailsla.schemas.presentation.language import Language, Pair, pick
from mailsla.schemas.results import BreachEvent

_VIOLATED: Final = frozenset({"breached", "failing"})
_BURNING: Final[Pair] = ("{rate} × what is allowed, {long}", "{long} 内为允许值的 {rate} 倍")
_NO_LONGER: Final[Pair] = ("no longer over {long}", "{long} 内已恢复")


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


def figures_of(event: BreachEvent, language: Language) -> str:
    """``1 h 40 min 0.002 s (≤ 1 h 40 min)``; of a burning budget ``14.4 × what is allowed, 1h``."""
    data = event.data
    if data.burn is not None:
        pair = _BURNING if data.burn.active else _NO_LONGER
        rate = f"{float(data.burn.long_rate):.1f}"
        return pick(pair, language).format(rate=rate, long=data.burn.long)
    limit = (data.comparator, data.target, data.unit)
    breached = data.state in _VIOLATED
    shown = figures.observed_figure(data.observed, *limit, language, breached=breached).text
    if data.target is None:
        return shown
    return f"{shown} ({figures.promise(*limit, language).text})"
