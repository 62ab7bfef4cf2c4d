"""The month's connectivity, a row for each day and a column for each hour (contract §1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

from markupsafe import Markup

from mailsla.schemas.presentation.figures import microseconds
from mailsla.schemas.presentation.language import Language
from mailsla.sinks.closing.plan.contract_segments import midnight_us
from mailsla.sinks.statement.charts.svg import ALARM, COOL, FAINT, Drawing
from mailsla.sinks.statement.facts import spans
from mailsla.sinks.statement.wording.phrases import phrase

_WIDTH: Final = 720
_LEFT: Final = 52
_RIGHT: Final = 708
_TOP: Final = 40
_ROW: Final = 11
_THIN: Final = 1.6
"""No stretch is drawn narrower, however short: it must be seen."""


@dataclass(frozen=True)
class TimelineMonth:
    """The local days ``[first, last)``, and what is drawn on them."""

    first: date
    last: date
    zone: ZoneInfo
    down: Sequence[spans.Span]
    excused: Sequence[spans.Span]
    unobserved: Sequence[spans.Span]

    def days(self) -> list[tuple[date, int, int]]:
        """(day, its first instant, the first after it)."""
        numbers = range(self.first.toordinal(), self.last.toordinal() + 1)
        starts = [midnight_us(date.fromordinal(n), self.zone) for n in numbers]
        named = zip(numbers, starts, starts[1:], strict=False)
        return [(date.fromordinal(number), start, end) for number, start, end in named]


def timeline_chart(month: TimelineMonth, language: Language) -> Markup:
    """Downtime as full bars, exclusions as a line below, unobserved time as hollow boxes."""
    days = month.days()
    bottom = _TOP + _ROW * len(days)
    drawing = Drawing(
        "timeline",
        _WIDTH,
        bottom + 8,
        phrase("timeline", language),
        _describe(month, language),
    )
    _grid(drawing, days, bottom)
    for day, start, end in days:
        top = _TOP + _ROW * (day - month.first).days
        scale = (_RIGHT - _LEFT) / (end - start)
        for kind, own in (
            ("unobserved", month.unobserved), ("down", month.down), ("excluded", month.excused),
        ):  # fmt: skip
            for x, width in _bars(spans.clip(own, start, end), start, scale):
                _bar(drawing, kind, x, top, width)
    _legend(drawing, language)
    return drawing.finish()


def _describe(month: TimelineMonth, language: Language) -> str:
    excused = spans.length(month.down) - spans.length(spans.subtract(month.down, month.excused))
    return phrase(
        "timeline_desc",
        language,
        down=microseconds(spans.length(month.down), language),
        outages=len(month.down),
        excused=microseconds(excused, language),
        unobserved=microseconds(spans.length(month.unobserved), language),
    )


def _bars(own: Sequence[spans.Span], start: int, scale: float) -> list[tuple[float, float]]:
    """(x, width) of what is drawn, one bar where several would lie on each other."""
    bars: list[tuple[float, float]] = []
    for first, last in own:
        x, width = _LEFT + (first - start) * scale, max(_THIN, (last - first) * scale)
        x = min(x, _RIGHT - _THIN)
        if bars and x <= sum(bars[-1]) + 0.3:
            bars[-1] = (bars[-1][0], max(bars[-1][1], x + width - bars[-1][0]))
        else:
            bars.append((x, width))
    return bars


def _bar(drawing: Drawing, kind: str, x: float, top: float, width: float) -> None:
    if kind == "down":
        drawing.rect(x, top + 1, width, _ROW - 4.6, fill=ALARM)
    elif kind == "excluded":
        drawing.rect(x, top + _ROW - 3, width, 2.4, fill=COOL)
    else:
        drawing.rect(x, top + 2, width, _ROW - 7, fill="#f2f2f2", stroke="#767676", dash="2 1.5")


def _grid(drawing: Drawing, days: Sequence[tuple[date, int, int]], bottom: float) -> None:
    for hour in range(0, 25, 3):
        x = _LEFT + (_RIGHT - _LEFT) * hour / 24
        drawing.line(x, _TOP - 3, x, bottom, FAINT, width=0.6)
        anchor = "start" if hour == 0 else "end" if hour == 24 else "middle"
        drawing.text(x, _TOP - 6, f"{hour:02d}:00", anchor=anchor, size=9)
    for number, (day, _, _) in enumerate(days):
        y = _TOP + _ROW * number
        drawing.line(_LEFT, y, _RIGHT, y, "#e6e6e6", width=0.6)
        drawing.text(_LEFT - 6, y + 8.5, f"{day:%m-%d}", anchor="end", size=9)
    drawing.line(_LEFT, bottom, _RIGHT, bottom, "#e6e6e6", width=0.6)


def _legend(drawing: Drawing, language: Language) -> None:
    for place, (kind, key) in enumerate(
        (("down", "down"), ("excluded", "excluded_time"), ("unobserved", "unobserved"))
    ):
        x = _LEFT + 170 * place
        _bar(drawing, kind, x, 4, 16)
        drawing.text(x + 22, 14, phrase(key, language))
