"""Numbers, durations and instants as a reader likes them, beside the exact figure. Pure."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from schemas.indicators import Comparator
from sinks.statement.decimals import plain
from sinks.statement.wording import Language
from sinks.statement.wording.phrases import phrase

_SECOND: Final = 1_000_000
_UNITS: Final = {
    "en": ((86_400, "d"), (3_600, "h"), (60, "min")),
    "zh": ((86_400, "天"), (3_600, "小时"), (60, "分")),
}
_EXACT_UNIT: Final = {"en": {"s": " s", "days": " days"}, "zh": {"s": " 秒", "days": " 天"}}
_SIGNS: Final[dict[str, str]] = {"<": "<", "<=": "≤", ">=": "≥", "=": "="}


@dataclass(frozen=True)
class Figure:
    """A figure twice: readable, and exact with its unit; ``exact`` is empty where they agree."""

    text: str
    exact: str = ""


def duration(seconds: Decimal, language: Language, decimals: int = 3) -> str:
    """``44 min 0 s``, ``1 d 2 h 0 min 5.25 s``, rounded to so many decimals."""
    rounded = abs(seconds).quantize(Decimal(1).scaleb(-decimals))
    sign = "−" if seconds < 0 and rounded else ""
    whole, rest = divmod(rounded, 60)
    left = int(whole) * 60
    words: list[str] = []
    for size, unit in _UNITS[language]:
        count, left = divmod(left, size)
        if count or words:
            words.append(_join(str(count), unit, language))
    words.append(_join(plain(rest), "s" if language == "en" else "秒", language))
    return sign + (" " if language == "en" else "").join(words)


def _join(number: str, unit: str, language: Language) -> str:
    return f"{number} {unit}" if language == "en" else f"{number}{unit}"


def microseconds(us: float, language: Language, decimals: int = 3) -> str:
    """A duration given in µs."""
    return duration(Decimal(round(us)) / _SECOND, language, decimals)


def percent(ratio: Decimal) -> str:
    """``99.8656 %``; as many decimals as the figure has, at most seven."""
    return f"{plain((ratio * 100).quantize(Decimal('0.0000001')))} %"


def figure(value: Decimal | None, unit: str, language: Language) -> Figure:
    """A value in the unit of its indicator."""
    if value is None:
        return Figure("–")
    exact = plain(value) + _EXACT_UNIT[language].get(unit, "")
    if unit == "s":
        text = duration(value, language)
    elif unit == "ratio":
        text = percent(value)
    else:
        text = exact
    return Figure(text, "" if text.replace(" ", "") == exact.replace(" ", "") else exact)


def promise(
    comparator: Comparator | None, target: Decimal | None, unit: str, language: Language
) -> Figure:
    """``< 44 min 0 s``; a dash where nothing is promised."""
    if comparator is None or target is None:
        return Figure("–")
    sign, value = _SIGNS[comparator], figure(target, unit, language)
    return Figure(f"{sign} {value.text}", f"{sign} {value.exact}" if value.exact else "")


def budget(
    observed: Decimal | None,
    comparator: Comparator | None,
    target: Decimal | None,
    unit: str,
    language: Language,
) -> Figure:
    """What remains between the observed value and the limit, or by how much it is missed."""
    if observed is None or comparator is None or target is None:
        return Figure(phrase("no_budget", language))
    if comparator == "=":
        extra = observed - target
        if extra > 0:
            return Figure(phrase("over", language, value=figure(extra, unit, language).text))
        return Figure(phrase("none_allowed", language))
    if comparator == "<" and unit in {"count", "days"} and target == target.to_integral_value():
        # Of whole things less than n means n - 1 at most.
        comparator, target = "<=", target - 1
    left = observed - target if comparator == ">=" else target - observed
    if left == 0:
        return Figure(phrase("exact_limit", language))
    missed = "short" if comparator == ">=" else "over"
    key = "left" if left > 0 else missed
    value = figure(abs(left), unit, language)
    exact = value.exact
    if left > 0 and comparator != ">=" and target > 0:
        share = plain((left / target * 100).quantize(Decimal("0.1")))
        exact = " · ".join(filter(None, (exact, f"{share} %")))
    return Figure(phrase(key, language, value=value.text), exact)


def money(amount: Decimal) -> str:
    """An amount with at least two decimals, exact."""
    text = plain(amount)
    decimals = len(text.partition(".")[2])
    return f"{amount:.{max(2, decimals)}f}"


def clock(at: datetime) -> str:
    """``2025-10-14 15:00:00``, with a fraction only where there is one."""
    text = f"{at:%Y-%m-%d %H:%M:%S}"
    return f"{text}.{at.microsecond:06d}".rstrip("0") if at.microsecond else text
