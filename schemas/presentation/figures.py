"""Numbers, durations and instants as a reader likes them, beside the exact figure. Pure."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from mailsla.schemas.indicators import Comparator
from mailsla.schemas.presentation.decimals import plain
from mailsla.schemas.presentation.language import Language, Pair, pick
from mailsla.schemas.presentation.words import COMPARATORS

_SECOND: Final = 1_000_000
_UNITS: Final = {
    "en": ((86_400, "d"), (3_600, "h"), (60, "min")),
    "zh": ((86_400, "天"), (3_600, "小时"), (60, "分")),
}
_EXACT_UNIT: Final = {"en": {"s": " s", "days": " days"}, "zh": {"s": " 秒", "days": " 天"}}
_LEFT: Final[Pair] = ("{value} left", "尚余 {value}")
_OVER: Final[Pair] = ("{value} over", "超出 {value}")
_SHORT: Final[Pair] = ("{value} short", "不足 {value}")
_NOTHING_LEFT: Final[Pair] = ("nothing left", "余量为零")
_NONE_ALLOWED: Final[Pair] = ("none is allowed", "不允许出现")
_JUST_OVER: Final[Pair] = ("just over {value}", "略高于 {value}")
_DECIMALS: Final = (3, 6, 9)
"""Digits tried until a rounded figure stands on the same side of its promise as the exact one."""


@dataclass(frozen=True)
class Figure:
    """A figure twice: readable, and exact with its unit; ``exact`` is empty where they agree."""

    text: str
    exact: str = ""


def duration(seconds: Decimal, language: Language, decimals: int = 3) -> str:
    """``44 min``, ``1 d 2 h 0 min 5.25 s``, rounded to so many decimals."""
    rounded = abs(seconds).quantize(Decimal(1).scaleb(-decimals))
    sign = "−" if seconds < 0 and rounded else ""
    whole, rest = divmod(rounded, 60)
    left = int(whole) * 60
    units: list[tuple[str, str]] = []
    for size, unit in _UNITS[language]:
        count, left = divmod(left, size)
        if count or units:
            units.append((str(count), unit))
    units.append((plain(rest), "s" if language == "en" else "秒"))
    while len(units) > 1 and units[-1][0] == "0":
        units.pop()
    words = (_join(number, unit, language) for number, unit in units)
    return sign + (" " if language == "en" else "").join(words)


def _join(number: str, unit: str, language: Language) -> str:
    return f"{number} {unit}" if language == "en" else f"{number}{unit}"


def microseconds(us: float, language: Language, decimals: int = 3) -> str:
    """A duration given in µs."""
    return duration(Decimal(round(us)) / _SECOND, language, decimals)


def percent(ratio: Decimal, decimals: int = 7) -> str:
    """``99.8656 %``; as many decimals as the figure has, at most so many."""
    return f"{plain((ratio * 100).quantize(Decimal(1).scaleb(-decimals)))} %"


def figure(value: Decimal | None, unit: str, language: Language) -> Figure:
    """A value in the unit of its indicator."""
    if value is None:
        return Figure("–")
    return _figure(value, _readable(value, unit, language, _DECIMALS[0]), unit, language)


def observed_figure(
    value: Decimal | None,
    comparator: Comparator | None,
    target: Decimal | None,
    unit: str,
    language: Language,
    *,
    breached: bool,
) -> Figure:
    """An observed value beside its promise: never rounded to the side its verdict denies.

    More digits are shown where three do not tell. ``value`` is cut to nine decimals: where even
    these stand on the wrong side, the text says that the value is just over them.
    """
    if value is None or comparator is None or target is None:
        return figure(value, unit, language)
    for decimals in _DECIMALS:
        if holds(_rounded(value, unit, decimals), comparator, target) is not breached:
            text = _readable(value, unit, language, decimals)
            return _figure(value, text, unit, language)
    text = pick(_JUST_OVER, language).format(value=_readable(value, unit, language, _DECIMALS[-1]))
    return _figure(value, text, unit, language)


def item_figure(
    value: Decimal | None,
    comparator: Comparator | None,
    target: Decimal | None,
    unit: str,
    language: Language,
    verdict: str,
) -> Figure:
    """`observed_figure` where the verdict says met or breached, `figure` where there is none."""
    if verdict not in {"met", "breached"}:
        return figure(value, unit, language)
    breached = verdict == "breached"
    return observed_figure(value, comparator, target, unit, language, breached=breached)


def holds(value: Decimal, comparator: Comparator, target: Decimal) -> bool:
    """Whether a value keeps a promise; equality passes but for ``<`` (contract, comparators)."""
    if comparator == "<":
        return value < target
    if comparator == "<=":
        return value <= target
    return value >= target if comparator == ">=" else value == target


def _figure(value: Decimal, text: str, unit: str, language: Language) -> Figure:
    exact = plain(value) + _EXACT_UNIT[language].get(unit, "")
    return Figure(text, "" if text.replace(" ", "") == exact.replace(" ", "") else exact)


def _readable(value: Decimal, unit: str, language: Language, decimals: int) -> str:
    if unit == "s":
        return duration(value, language, decimals)
    if unit == "ratio":
        return percent(value)
    return plain(value) + _EXACT_UNIT[language].get(unit, "")


def _rounded(value: Decimal, unit: str, decimals: int) -> Decimal:
    """The value as `_readable` shows it."""
    return value.quantize(Decimal(1).scaleb(-decimals)) if unit == "s" else value


def promise(
    comparator: Comparator | None, target: Decimal | None, unit: str, language: Language
) -> Figure:
    """``< 44 min 0 s``; a dash where nothing is promised."""
    if comparator is None or target is None:
        return Figure("–")
    sign, value = COMPARATORS[comparator], figure(target, unit, language)
    return Figure(f"{sign} {value.text}", f"{sign} {value.exact}" if value.exact else "")


def budget(
    observed: Decimal | None,
    comparator: Comparator | None,
    target: Decimal | None,
    unit: str,
    language: Language,
    *,
    breached: bool = False,
) -> Figure:
    """What remains between the observed value and the limit, or by how much it is missed."""
    if observed is None or comparator is None or target is None:
        return Figure("–")
    if comparator == "=":
        extra = observed - target
        return (
            _missed(_OVER, extra, unit, language) if extra > 0 else _said(_NONE_ALLOWED, language)
        )
    if comparator == "<" and unit in {"count", "days"} and target == target.to_integral_value():
        # Of whole things less than n means n - 1 at most.
        comparator, target = "<=", target - 1
    left = observed - target if comparator == ">=" else target - observed
    if left < 0:
        return _missed(_SHORT if comparator == ">=" else _OVER, -left, unit, language)
    if left == 0 and breached and comparator != "<":
        # Less than nine decimals can show: missed all the same.
        tiny = figure(Decimal("1e-9"), unit, language).exact or "10⁻⁹"
        return Figure(pick(_OVER, language).format(value=f"< {tiny}"))
    if left == 0:
        return _said(_NOTHING_LEFT, language)
    value = figure(left, unit, language)
    exact = value.exact
    if comparator != ">=" and target > 0:
        share = plain((left / target * 100).quantize(Decimal("0.1")))
        exact = " · ".join(filter(None, (exact, f"{share} %")))
    return Figure(pick(_LEFT, language).format(value=value.text), exact)


def _missed(pair: Pair, amount: Decimal, unit: str, language: Language) -> Figure:
    """By how much a promise is missed, with the digits it takes to see it: ``2 ms over``."""
    if unit == "s" and amount < 1:
        return Figure(pick(pair, language).format(value=_small(amount, language)))
    value = figure(amount, unit, language)
    return Figure(pick(pair, language).format(value=value.text), value.exact)


def _small(seconds: Decimal, language: Language) -> str:
    for scale, english, chinese in ((3, "ms", "毫秒"), (6, "µs", "微秒")):
        if (amount := seconds.scaleb(scale)) >= 1:
            return _join(plain(amount), pick((english, chinese), language), language)
    return _join(plain(seconds.scaleb(9)), pick(("ns", "纳秒"), language), language)


def _said(pair: Pair, language: Language) -> Figure:
    return Figure(pick(pair, language))


def money(amount: Decimal) -> str:
    """An amount with at least two decimals, exact."""
    text = plain(amount)
    decimals = len(text.partition(".")[2])
    return f"{amount:.{max(2, decimals)}f}"


def clock(at: datetime) -> str:
    """``2025-10-14 15:00:00``, with a fraction only where there is one."""
    text = f"{at:%Y-%m-%d %H:%M:%S}"
    return f"{text}.{at.microsecond:06d}".rstrip("0") if at.microsecond else text
