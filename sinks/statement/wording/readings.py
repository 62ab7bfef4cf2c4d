"""The readings of a contract profile in words: where the agreement's text leaves room."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mailsla.schemas.contract import Profile
from mailsla.schemas.presentation.language import Language, pick
from mailsla.schemas.presentation.names import cause

_READINGS: Final[Mapping[str, tuple[str, str]]] = {
    "probe_hold_factor": (
        "1: a probe result holds until the next one, at most {value} intervals.",
        "一：监测结果在下一次结果之前有效，最长为 {value} 个监测间隔。",
    ),
    "approval": (
        "1, 2: count only with the approval of a second person: {value}.",
        "一、二：下列事项须经第二人批准方可计入：{value}。",
    ),
    "notice_days": (
        "1, 2: days before agreed maintenance by which it must be declared to count: {value}.",
        "一、二：经同意的维护须提前申报方可计入的天数：{value}。",
    ),
    "max_hours_per_year": (
        "1, 2: hours of agreed maintenance that count in a year, the earliest first: {value}.",
        "一、二：经同意的维护每年计入的时数（先发生者先计）：{value}。",
    ),
    "max_latency_s": (
        "2: a message over {value} s counts as exceeding the maximum.",
        "二：延迟超过 {value} 秒的邮件计为一次超过最大值。",
    ),
    "operations_exclusions": (
        "3: faults are excused by: {value}.",
        "三：下列原因可免除故障责任：{value}。",
    ),
    "full_year_days": (
        "3: fault-free days are counted over the natural year.",
        "三：全年无故障天数按自然年计算。",
    ),
    "response_working_days": (
        "4: complaints are answered by the end of working day {value} after receipt.",
        "四：收到投诉后第 {value} 个工作日结束前响应。",
    ),
    "result_notice_days": (
        "4: the complainant is told the result within {value} natural days, "
        "the day of receipt not counted.",
        "四：处理结果在 {value} 个自然日内通报投诉方，收到当日不计。",
    ),
    "blocklist_working_days": (
        "4: published spam-server lists are acted on by the end of working day {value}.",
        "四：垃圾邮件服务器清单发布后第 {value} 个工作日结束前处理。",
    ),
    "listing_report_working_days": (
        "4: “promptly” means by the end of working day {value}.",
        "四：“及时”指第 {value} 个工作日结束前。",
    ),
    "outbreak_updates": (
        "5: {value} virus-definition updates are due in a week with an outbreak.",
        "五：病毒出现频繁的一周内至少升级病毒库 {value} 次。",
    ),
    "full_backup_days": (
        "7: a full backup at least once in {value} days.",
        "七：至少每 {value} 天全备份一次。",
    ),
    "account_retention_days": (
        "7: the data of a locked account is kept for {value} days.",
        "七：账号锁定后，其数据保留 {value} 天。",
    ),
    "own_domain_hours": (
        "8: own domain: opened and notified within {value} h of confirmed payment.",
        "八：已有域名，确认收费后 {value} 小时内开通并通知。",
    ),
    "new_domain_hours": (
        "8: new domain: opened and notified within {value} h of confirmed payment.",
        "八：新域名，确认收费后 {value} 小时内开通并通知。",
    ),
    "stacking": ("Remedies: {value}.", "赔偿：{value}。"),
}
_STACKING: Final = {
    "once": ("each is owed at most once a month", "每种赔偿每月至多一次"),
    "per_section": ("each breached section owes its own", "每一违约条款各自赔偿"),
}
_APPROVED: Final = {
    "exclusion": ("exclusions", "免责时段"),
    "outage": ("declared outages", "申报的中断"),
}
_NO_NOTICE: Final = ("none, it may be declared afterwards", "无，可事后申报")
_NO_CODE: Final = ("nothing", "无")
_ALL: Final = ("all", "全部")


@dataclass(frozen=True)
class WordedReading:
    """One reading in words; ``changed``: the contract departs from the default."""

    text: str
    changed: bool


def readings(profile: Profile, language: Language) -> list[WordedReading]:
    """Every reading of a profile, in the order of the agreement."""
    default = Profile()
    return [
        WordedReading(
            pick(pair, language).format(value=_value(profile, field, language)),
            getattr(profile, field) != getattr(default, field),
        )
        for field, pair in _READINGS.items()
    ]


def _value(profile: Profile, field: str, language: Language) -> str:
    if field == "stacking":
        return pick(_STACKING[profile.stacking], language)
    if field == "operations_exclusions":
        named = [cause(code, language) for code in profile.operations_exclusions]
        return ", ".join(named) or pick(_NO_CODE, language)
    if field == "approval":
        named = [pick(_APPROVED[kind], language) for kind in profile.approval]
        return ", ".join(named) or pick(_NO_CODE, language)
    if field == "notice_days" and profile.notice_days == 0:
        return pick(_NO_NOTICE, language)
    value = getattr(profile, field)
    return pick(_ALL, language) if value is None else str(value)


READ: Final = frozenset(_READINGS)
"""The fields of a profile that are put into words."""
