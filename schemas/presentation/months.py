"""The verdict of a month in one sentence that claims only what was measured."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mailsla.schemas.indicators import INDICATORS, MonthVerdict, Verdict
from mailsla.schemas.presentation.language import Language, listed, pick
from mailsla.schemas.presentation.names import indicator_title, section_title

_KEPT: Final = (
    "Every judged promise of the agreement was measured and kept this month: {judged} of {judged}.",
    "本月各项考核承诺均已测得并达标：{judged}／{judged}。",
)
_NOTHING: Final = (
    "No promise is judged this month.",
    "本月没有需要考核的承诺。",
)
_AS_FAR: Final = (
    "kept as far as measured: {kept} of {judged}; without data: {missing}",
    "已测得的承诺均达标：{kept}／{judged}；无数据：{missing}",
)
_BROKEN: Final = ("Not kept this month: {sections}.", "本月以下承诺未达标：{sections}。")
_REST: Final = ("Without data: {missing}.", "无数据：{missing}。")


@dataclass(frozen=True)
class MonthSummary:
    """How many of the judged promises were kept, which were broken, which were not measured.

    Indicators that are not judged do not count.
    """

    breached: tuple[str, ...]
    without_data: tuple[str, ...]
    kept: int

    @property
    def judged(self) -> int:
        """All promises on which a verdict is due."""
        return self.kept + len(self.breached) + len(self.without_data)

    @property
    def verdict(self) -> MonthVerdict:
        """Breached if any promise is; incomplete if any was not measured; else met."""
        if self.breached:
            return "breached"
        return "incomplete" if self.without_data else "met"


def summarize(verdicts: Iterable[tuple[str, Verdict]]) -> MonthSummary:
    """The summary of (indicator, verdict) pairs, in the order of the agreement."""
    by_indicator = dict(verdicts)
    order = {name: index for index, name in enumerate(INDICATORS)}
    names = sorted(by_indicator, key=lambda name: (order.get(name, len(order)), name))
    return MonthSummary(
        breached=tuple(name for name in names if by_indicator[name] == "breached"),
        without_data=tuple(name for name in names if by_indicator[name] == "no_data"),
        kept=sum(verdict == "met" for verdict in by_indicator.values()),
    )


def month_sentence(summary: MonthSummary, language: Language) -> str:
    """The verdict as a reader may rely on it; never more than was measured."""
    missing = not_measured(summary, language)
    if summary.breached:
        numbers = dict.fromkeys(
            INDICATORS[name].section for name in summary.breached if name in INDICATORS
        )
        sections = ("；" if language == "zh" else "; ").join(
            section_title(number, language) for number in numbers
        )
        broken = pick(_BROKEN, language).format(sections=sections)
        rest = pick(_REST, language).format(missing=missing) if missing else ""
        return f"{broken}{' ' if rest and language == 'en' else ''}{rest}"
    if missing:
        text = as_far_as_measured(summary, language)
        return f"{text[:1].upper()}{text[1:]}{'。' if language == 'zh' else '.'}"
    return pick(_KEPT if summary.kept else _NOTHING, language).format(judged=summary.judged)


def as_far_as_measured(summary: MonthSummary, language: Language) -> str:
    """``kept as far as measured: 2 of 27; without data: …``, without a full stop."""
    return pick(_AS_FAR, language).format(
        kept=summary.kept, judged=summary.judged, missing=not_measured(summary, language)
    )


def not_measured(summary: MonthSummary, language: Language) -> str:
    """What is without data: a whole section by its title, else its indicators; empty: nothing."""
    missing: dict[int, list[str]] = {}
    for name in summary.without_data:
        section = INDICATORS[name].section if name in INDICATORS else 0
        missing.setdefault(section, []).append(name)
    words: list[str] = []
    for section, names in missing.items():
        if section and len(names) == _judged_of(section):
            words.append(section_title(section, language))
        else:
            words += [indicator_title(name, language) for name in names]
    return listed(words, language)


def _judged_of(section: int) -> int:
    return sum(one.judged for one in INDICATORS.values() if one.section == section)
