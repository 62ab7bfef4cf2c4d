"""A statement in the words of one language, section by section. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from mailsla.schemas.indicators import INDICATORS, SECTIONS, Comparator, MonthVerdict, Verdict
from mailsla.schemas.presentation.figures import (
    Figure,
    budget,
    figure,
    item_figure,
    money,
    promise,
)
from mailsla.schemas.presentation.language import Language
from mailsla.schemas.presentation.months import month_sentence, summarize
from mailsla.schemas.presentation.names import indicator_title, section_title
from mailsla.schemas.presentation.words import remedy_word
from mailsla.schemas.results import ClosingItem, Credit
from mailsla.sinks.statement.facts.content import Part, Statement
from mailsla.sinks.statement.render.evidence import EvidenceTable, Local, evidence_table
from mailsla.sinks.statement.wording.phrases import phrase

_ORDER: Final = {indicator: place for place, indicator in enumerate(INDICATORS)}
_WORST_FIRST: Final[tuple[Verdict, ...]] = ("breached", "no_data", "met", "not_judged")


@dataclass(frozen=True)
class PartRow:
    """An indicator under one contract version."""

    span: str
    observed: Figure
    promise: Figure
    budget: Figure
    verdict: Verdict


@dataclass(frozen=True)
class IndicatorRow:
    """One indicator; ``gross`` is the figure before exclusions, empty where they took nothing."""

    indicator: str
    title: str
    observed: Figure
    gross: str
    promise: Figure
    budget: Figure
    verdict: Verdict
    parts: Sequence[PartRow]


@dataclass(frozen=True)
class SectionView:
    """A section of the agreement."""

    number: int
    title: str
    verdict: MonthVerdict | Verdict
    remedy: str
    note: str
    rows: Sequence[IndicatorRow]
    evidence: Sequence[EvidenceTable]


def month_label(month: date, language: Language) -> str:
    """``October 2025``, ``2025年10月``."""
    return f"{month.year}年{month.month}月" if language == "zh" else f"{month:%B %Y}"


def sections(statement: Statement, language: Language) -> list[SectionView]:
    """Every section, in the order of the agreement."""
    local = Local(language, statement.period.contract.zone)
    return [_section(number, statement, local) for number in SECTIONS]


def _section(number: int, statement: Statement, local: Local) -> SectionView:
    language = local.language
    own = (item for item in statement.items if item.section == number)
    items = sorted(own, key=lambda item: _ORDER.get(item.indicator, len(_ORDER)))
    found = {item.verdict for item in items}
    blank = number == 6 and found <= {"not_judged"}
    return SectionView(
        number=number,
        title=section_title(number, language),
        verdict=_section_verdict(found),
        remedy=_remedy(items, language),
        note=phrase("blank_section", language) if blank else "",
        rows=[_row(item, statement.parts.get(item.indicator, ()), language) for item in items],
        evidence=[
            evidence_table(item.indicator, statement.proofs[item.indicator], local)
            for item in items
            if item.indicator in statement.proofs
        ],
    )


def _section_verdict(found: set[Verdict]) -> MonthVerdict | Verdict:
    """As of a month: kept in part and without data in part is incomplete."""
    if "breached" not in found and {"met", "no_data"} <= found:
        return "incomplete"
    return next((one for one in _WORST_FIRST if one in found), "not_judged")


def _remedy(items: Sequence[ClosingItem], language: Language) -> str:
    named = dict.fromkeys(item.remedy for item in items if item.verdict == "breached")
    return ", ".join(remedy_word(remedy, language) for remedy in named) or "–"


def _row(item: ClosingItem, parts: Sequence[Part], language: Language) -> IndicatorRow:
    gross = ""
    if item.excluded and item.raw is not None:
        raw = figure(item.raw, item.unit, language)
        gross = phrase("gross", language, value=raw.text)
    limit = (item.comparator, item.target, item.unit, language)
    observed, left = _against(item.observed, *limit, item.verdict)
    if parts:
        # Where the contract changed, each part has its own promise to be held against.
        observed, left = figure(item.observed, item.unit, language), Figure("–")
    return IndicatorRow(
        indicator=item.indicator,
        title=indicator_title(item.indicator, language),
        observed=observed,
        gross=gross,
        promise=promise(*limit),
        budget=left,
        verdict=item.verdict,
        parts=[_part(part, item.unit, language) for part in parts],
    )


def _part(part: Part, unit: str, language: Language) -> PartRow:
    last = last_day(part.last)
    span = phrase("part_span", language, version=part.version, first=part.first, last=last)
    limit = (part.comparator, part.target, unit, language)
    observed, left = _against(part.observed, *limit, part.verdict)
    return PartRow(span, observed, promise(*limit), left, part.verdict)


def _against(
    value: Decimal | None,
    comparator: Comparator | None,
    target: Decimal | None,
    unit: str,
    language: Language,
    verdict: Verdict,
) -> tuple[Figure, Figure]:
    """An observed value beside its promise, and what remains of it."""
    limit = (comparator, target, unit, language)
    left = budget(value, *limit, breached=verdict == "breached")
    return item_figure(value, *limit, verdict), left


def lead(statement: Statement, language: Language) -> str:
    """The verdict of the month in one sentence that claims only what was measured."""
    summary = summarize((item.indicator, item.verdict) for item in statement.items)
    return month_sentence(summary, language)


@dataclass(frozen=True)
class OwedLine:
    """One kind of remedy in all, and the clauses that owe it."""

    text: str
    clauses: str


def owed(statement: Statement, language: Language) -> list[OwedLine]:
    """What is owed by remedy: term extension in days, fee with currency, and on which clauses.

    Where remedies stack by section, those of a kind are one sentence that names the sections.
    """
    found: dict[str, list[Credit]] = {}
    for credit in statement.issued:
        found.setdefault(credit.remedy, []).append(credit)
    kinds = [(_sections(remedy, statement), credits) for remedy, credits in found.items()]
    return [
        OwedLine(" ".join(_credits(credits, numbers, language)), _clauses(numbers, language))
        for numbers, credits in kinds
    ]


def _sections(remedy: str, statement: Statement) -> list[int]:
    """The sections that owe a remedy."""
    return sorted(
        {
            item.section
            for item in statement.items
            if item.verdict == "breached" and item.remedy == remedy
        }
    )


def _clauses(numbers: Sequence[int], language: Language) -> str:
    titles = [section_title(number, language) for number in numbers]
    return phrase("owed_for", language, sections=_listed(titles, language))


def reversal(statement: Statement, language: Language) -> str:
    """What this revision took back; empty where that is nothing."""
    if not statement.reversed:
        return ""
    what = [each.rstrip("。.") for each in _credits(statement.reversed, (), language)]
    number = statement.revision.revision - 1
    return phrase("reversed", language, revision=number, what=_listed(what, language))


def _credits(credits: Sequence[Credit], sections: Sequence[int], language: Language) -> list[str]:
    """A sentence for each kind of credit, in the order given."""
    alike: dict[Credit, int] = {}
    for credit in credits:
        alike[credit] = alike.get(credit, 0) + 1
    return [_credit(credit, count, sections, language) for credit, count in alike.items()]


def _credit(credit: Credit, count: int, sections: Sequence[int], language: Language) -> str:
    currency = credit.currency or ""
    if count == 1:
        if credit.remedy == "double_service":
            return phrase("double_service", language, days=credit.days)
        if credit.amount is None:
            return phrase("fee_waiver_unnamed", language)
        amount = money(credit.amount)
        return phrase("fee_waiver", language, amount=amount, currency=currency)
    numbers = ("、" if language == "zh" else ", ").join(map(str, sections))
    named = phrase("of_sections", language, sections=numbers) if sections else ""
    if credit.remedy == "double_service":
        days = (credit.days or 0) * count
        return phrase("double_service_stacked", language, count=count, named=named, days=days)
    if credit.amount is None:
        return phrase("fee_waiver_unnamed_stacked", language, count=count, named=named)
    return phrase(
        "fee_waiver_stacked",
        language,
        count=count,
        named=named,
        amount=money(credit.amount * count),
        currency=currency,
    )


def _listed(words: Sequence[str], language: Language) -> str:
    return ("；" if language == "zh" else "; ").join(words)


def last_day(until: date) -> date:
    """The last day of a half-open span of days."""
    return until - timedelta(days=1)
