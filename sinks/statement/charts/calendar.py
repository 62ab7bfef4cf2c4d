"""The days of the year with a fault (contract §3, fault-free days)."""

from calendar import monthrange
from collections.abc import Callable, Collection, Sequence
from datetime import date
from typing import Final

from markupsafe import Markup

from mailsla.schemas.presentation.language import Language
from mailsla.sinks.statement.charts.svg import ALARM, Drawing
from mailsla.sinks.statement.wording.phrases import phrase

_WIDTH: Final = 720
_LEFT: Final = 52
_TOP: Final = 44
_CELL: Final = 21
_ROW: Final = 17
_MONTHS_EN: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip


def calendar_chart(
    month: date, faulty: Sequence[date], counts: Callable[[date], bool], language: Language
) -> Markup:
    """The year of ``month``; ``counts`` tells the days that were served and are over."""
    drawing = Drawing(
        "calendar",
        _WIDTH,
        _TOP + 12 * _ROW + 6,
        phrase("calendar", language, year=month.year),
        describe_faults(month, faulty, language),
    )
    for day in range(1, 32):
        x = _LEFT + _CELL * (day - 1) + _CELL / 2
        drawing.text(x, _TOP - 6, str(day), anchor="middle", size=9)
    spoiled = set(faulty)
    for number in range(1, 13):
        y = _TOP + _ROW * (number - 1)
        name = f"{number}月" if language == "zh" else _MONTHS_EN[number - 1]
        drawing.text(_LEFT - 8, y + 12, name, anchor="end", size=10)
        for day in range(1, monthrange(month.year, number)[1] + 1):
            _cell(drawing, date(month.year, number, day), spoiled, counts, y)
    _legend(drawing, language)
    return drawing.finish()


def describe_faults(month: date, faulty: Sequence[date], language: Language) -> str:
    """The days with a fault, in words."""
    label = f"{month:%Y-%m}"
    if not faulty:
        return phrase("calendar_none", language, month=label)
    days = ("、" if language == "zh" else ", ").join(f"{day:%m-%d}" for day in faulty)
    return phrase("calendar_desc", language, month=label, count=len(faulty), days=days)


def _cell(
    drawing: Drawing,
    day: date,
    faulty: Collection[date],
    counts: Callable[[date], bool],
    y: float,
) -> None:
    x = _LEFT + _CELL * (day.day - 1)
    kind = "faulty" if day in faulty else "fault_free" if counts(day) else "not_served"
    _mark(drawing, kind, x + 1, y + 1)


def _mark(drawing: Drawing, kind: str, x: float, y: float) -> None:
    if kind == "faulty":
        drawing.rect(x, y, _CELL - 2, _ROW - 2, fill=ALARM)
        middle, centre = x + (_CELL - 2) / 2, y + (_ROW - 2) / 2
        drawing.path(
            f"M{middle - 4:.1f} {centre - 4:.1f}l8 8m0 -8l-8 8", stroke="#ffffff", width=1.8
        )
    elif kind == "fault_free":
        drawing.rect(x, y, _CELL - 2, _ROW - 2, fill="#ffffff", stroke="#767676")
    else:
        drawing.rect(x + 8, y + 6, 3, 3, fill="#8a8a8a")


def _legend(drawing: Drawing, language: Language) -> None:
    for place, kind in enumerate(("faulty", "fault_free", "not_served")):
        x = _LEFT + 170 * place
        _mark(drawing, kind, x, 4)
        drawing.text(x + 26, 16, phrase(kind, language))
