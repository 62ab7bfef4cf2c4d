"""Daily mean and maximum latency of one direction with their limits (contract §2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from math import ceil, floor, log10
from typing import Final

from markupsafe import Markup

from mailsla.schemas.presentation.figures import microseconds
from mailsla.schemas.presentation.language import Language
from mailsla.sinks.statement.charts.svg import ALARM, COOL, FAINT, WARM, Drawing
from mailsla.sinks.statement.facts.content import DayLatency
from mailsla.sinks.statement.wording.phrases import phrase

_WIDTH: Final = 720
_HEIGHT: Final = 206
_LEFT: Final = 64
_RIGHT: Final = 706
_TOP: Final = 38
_BOTTOM: Final = 182
_LABELS: Final = 4
"""So many maxima over the limit have their value written beside them."""
_APART: Final = 90
"""And not where it would lie on another one."""
_SECOND: Final = 1_000_000


@dataclass(frozen=True)
class ChartLimits:
    """What mean and maximum are held against, seconds; the first is None where none is agreed."""

    mean_s: Decimal | None
    largest_s: int


@dataclass(frozen=True)
class _Scale:
    """Places of days and of latencies on a logarithmic scale."""

    first: date
    days: int
    low: int
    high: int

    def x(self, day: date) -> float:
        step = (_RIGHT - _LEFT) / self.days
        return _LEFT + step * ((day - self.first).days + 0.5)

    def y(self, seconds: float) -> float:
        place = (log10(max(seconds, 10.0**self.low)) - self.low) / (self.high - self.low)
        return _BOTTOM - place * (_BOTTOM - _TOP)


def latency_chart(
    direction: str,
    days: Sequence[DayLatency],
    span: tuple[date, date],
    limits: ChartLimits,
    language: Language,
) -> Markup:
    """The chart of ``outbound`` or ``inbound`` mail over the days ``[first, last)``."""
    key = "latency_send" if direction == "outbound" else "latency_receive"
    scale = _scale(days, span, limits)
    drawing = Drawing(
        f"latency-{direction}", _WIDTH, _HEIGHT, phrase(key, language), _describe(days, language)
    )
    _axes(drawing, scale, language)
    _limits(drawing, scale, limits)
    _series(drawing, scale, [(d.day, d.largest_us / _SECOND) for d in days], largest=True)
    _series(drawing, scale, [(d.day, d.mean_us / _SECOND) for d in days], largest=False)
    _values(drawing, scale, days, limits, language)
    _legend(drawing, limits, language)
    return drawing.finish()


def _scale(days: Sequence[DayLatency], span: tuple[date, date], limits: ChartLimits) -> _Scale:
    means = [day.mean_us / _SECOND for day in days if day.mean_us > 0] or [1.0]
    tops = [day.largest_us / _SECOND for day in days] or [1.0]
    low = max(-3, min(0, floor(log10(min(means)))))
    high = ceil(log10(max(limits.largest_s * 2, *tops) * 1.01))
    return _Scale(span[0], (span[1] - span[0]).days, low, high)


def _describe(days: Sequence[DayLatency], language: Language) -> str:
    if not days:
        return phrase("no_messages", language)
    slowest = max(days, key=lambda day: day.mean_us)
    worst = max(days, key=lambda day: day.largest_us)
    return phrase(
        "latency_desc",
        language,
        days=len(days),
        mean=microseconds(slowest.mean_us, language),
        mean_day=slowest.day,
        largest=microseconds(worst.largest_us, language),
        largest_day=worst.day,
    )


def _axes(drawing: Drawing, scale: _Scale, language: Language) -> None:
    for power in range(scale.low, scale.high + 1):
        y = scale.y(10.0**power)
        drawing.line(_LEFT, y, _RIGHT, y, FAINT, width=0.6)
        label = f"{10**power:,}" if power >= 0 else f"{10.0**power:g}"
        unit = "s" if language == "en" else "秒"
        drawing.text(_LEFT - 6, y + 4, f"{label} {unit}", anchor="end")
    drawing.line(_LEFT, _BOTTOM, _RIGHT, _BOTTOM, "#555555")
    for number in range(scale.days):
        day = date.fromordinal(scale.first.toordinal() + number)
        if number == 0 or day.day % 5 == 0 or (number == scale.days - 1 and day.day % 5 > 1):
            drawing.text(scale.x(day), _BOTTOM + 15, str(day.day), anchor="middle")


def _limits(drawing: Drawing, scale: _Scale, limits: ChartLimits) -> None:
    for _, seconds, dash in _limit_lines(limits):
        y = scale.y(float(seconds))
        drawing.line(_LEFT, y, _RIGHT, y, ALARM, width=1.2, dash=dash)


def _limit_lines(limits: ChartLimits) -> list[tuple[str, Decimal, str]]:
    """(phrase, seconds, dashes) of the limits that can be drawn."""
    lines = [("limit_max", Decimal(limits.largest_s), "6 3")]
    if limits.mean_s is not None and limits.mean_s > 0:
        lines.insert(0, ("limit_mean", limits.mean_s, ""))
    return lines


def _series(
    drawing: Drawing, scale: _Scale, points: Sequence[tuple[date, float]], *, largest: bool
) -> None:
    colour = WARM if largest else COOL
    commands, before = [], None
    for day, seconds in points:
        joined = before is not None and (day - before).days == 1
        commands.append(f"{'L' if joined else 'M'}{scale.x(day):.1f} {scale.y(seconds):.1f}")
        before = day
    if commands:
        dash = "3 2" if largest else ""
        drawing.path("".join(commands), stroke=colour, width=1.4, dash=dash)
    for day, seconds in points:
        _mark(drawing, scale.x(day), scale.y(seconds), largest=largest)


def _mark(drawing: Drawing, x: float, y: float, *, largest: bool) -> None:
    if largest:
        corners = f"M{x:.1f} {y - 4:.1f}L{x + 4:.1f} {y + 3:.1f}L{x - 4:.1f} {y + 3:.1f}Z"
        drawing.path(corners, fill="#ffffff", stroke=WARM, width=1.2)
    else:
        drawing.circle(x, y, 2.6, fill=COOL, stroke=COOL)


def _values(
    drawing: Drawing,
    scale: _Scale,
    days: Sequence[DayLatency],
    limits: ChartLimits,
    language: Language,
) -> None:
    over = [day for day in days if day.largest_us > limits.largest_s * _SECOND]
    written: list[float] = []
    for day in sorted(over, key=lambda one: -one.largest_us):
        x = min(max(scale.x(day.day), _LEFT + 40), _RIGHT - 40)
        if len(written) < _LABELS and all(abs(x - other) > _APART for other in written):
            y = scale.y(day.largest_us / _SECOND) - 7
            value = microseconds(day.largest_us, language)
            drawing.text(x, y, value, anchor="middle", size=10)
            written.append(x)


def _legend(drawing: Drawing, limits: ChartLimits, language: Language) -> None:
    _mark(drawing, _LEFT + 6, 12, largest=False)
    drawing.text(_LEFT + 14, 16, phrase("mean", language))
    _mark(drawing, _LEFT + 76, 12, largest=True)
    drawing.text(_LEFT + 84, 16, phrase("maximum", language))
    for place, (key, seconds, dash) in enumerate(_limit_lines(limits)):
        x = _LEFT + 160 + 200 * place
        drawing.line(x, 12, x + 24, 12, ALARM, width=1.2, dash=dash)
        value = microseconds(float(seconds) * _SECOND, language)
        drawing.text(x + 30, 16, phrase(key, language, value=value))
    drawing.text(_RIGHT, 16, phrase("log_scale", language), anchor="end", size=10)
