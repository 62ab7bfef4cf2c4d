"""Verdicts, states, remedies and changes in words."""

from collections.abc import Mapping
from typing import Final

from mailsla.schemas.presentation.language import Language, Pair, pick

VERDICTS: Final[Mapping[str, Pair]] = {
    "met": ("met", "达标"),
    "breached": ("breached", "未达标"),
    "incomplete": ("incomplete", "数据不全"),
    "no_data": ("no data", "无数据"),
    "not_judged": ("not judged", "不作考核"),
}
"""Of an indicator, and of a month as a whole (`incomplete`)."""

STATES: Final[Mapping[str, Pair]] = {
    "ok": ("ok", "正常"),
    "at_risk": ("at risk", "有风险"),
    "failing": ("failing", "暂未达标"),
    "breached": ("breached", "未达标"),
}
"""Of an indicator while its month is still running."""

REMEDIES: Final[Mapping[str, Pair]] = {
    "double_service": ("double service for the month", "当月双倍服务时长"),
    "fee_waiver": ("month's fee waived", "免收当月费用"),
    "none": ("none named", "未约定"),
}

CHANGES: Final[Mapping[str, Pair]] = {
    "sla.indicator.at_risk": STATES["at_risk"],
    "sla.indicator.failing": STATES["failing"],
    "sla.indicator.recovered": ("recovered", "已恢复"),
    "sla.indicator.breached": STATES["breached"],
    "sla.indicator.withdrawn": ("withdrawn", "已撤回"),
    "sla.budget.burn": ("burning", "消耗过快"),
    "sla.month.closed": ("month closed", "月度结账"),
}
"""What became of an indicator or a month, by the type of the event that tells it."""

COMPARATORS: Final[Mapping[str, str]] = {"<": "<", "<=": "≤", ">=": "≥", "=": "="}
"""How a comparator is written, everywhere."""


def verdict_word(verdict: str, language: Language) -> str:
    """A verdict of an indicator or a month."""
    return pick(VERDICTS[verdict], language)


def state_word(state: str, language: Language) -> str:
    """The state of an indicator in a running month; a verdict reads as itself."""
    return pick(STATES.get(state) or VERDICTS[state], language)


def remedy_word(remedy: str, language: Language) -> str:
    """What a breach owes."""
    return pick(REMEDIES[remedy], language)


def change_word(type_: str, language: Language) -> str:
    """What an event of the feed tells; of an unknown type the type itself."""
    pair = CHANGES.get(type_)
    return pick(pair, language) if pair else type_
