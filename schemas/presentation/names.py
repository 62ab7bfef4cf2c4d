"""Names of indicators, sections and causes of exclusions."""

from collections.abc import Mapping
from typing import Final

from mailsla.schemas.indicators import INDICATORS, SECTIONS
from mailsla.schemas.presentation.language import Language, Pair, pick

_TITLES: Final[Mapping[str, Pair]] = {
    "connectivity.downtime": ("Downtime of the month", "每月不联通时间"),
    "connectivity.ratio": ("Share of the month connected", "联通性"),
    "latency.send.mean": ("Mean send latency", "邮件系统发送延迟平均值"),
    "latency.receive.mean": ("Mean receive latency", "邮件系统接收延迟平均值"),
    "latency.exceedances": ("Messages over the maximum latency", "延迟超过最大值的次数"),
    "latency.send.max": ("Largest send latency", "邮件系统发送延迟最大值"),
    "latency.receive.max": ("Largest receive latency", "邮件系统接收延迟最大值"),
    "operations.fault_duration": ("Fault time of the month", "每月故障总历时"),
    "operations.adjustment_duration": ("Adjustment time of the month", "每月调整总历时"),
    "operations.availability": ("System availability", "系统可用率"),
    "operations.fault_free_days": ("Fault-free days of the year", "全年无故障天数"),
    "operations.billing_error_rate": ("Billing error rate", "计费差错率"),
    "operations.page_load.narrowband": (
        "Mean web page load, narrowband", "web页面打开速度平均值（窄带条件）",
    ),
    "operations.page_load.broadband": (
        "Mean web page load, broadband", "web页面打开速度平均值（宽带条件）",
    ),
    "operations.monitoring": ("Share of the month monitored (7×24)", "7×24小时系统监测覆盖率"),
    "antispam.complaint_response": ("Complaints answered late", "本域垃圾邮件投诉超时响应数"),
    "antispam.result_notice": (
        "Results told to the complainant late", "处理结果超时通报投诉方数",
    ),
    "antispam.blocklist_processing": (
        "Spam-server lists processed late", "垃圾邮件服务器清单超时处理数",
    ),
    "antispam.listing_report": (
        "Block-list entries reported late", "被加入拒收列表后超时通报数",
    ),
    "antispam.foreign_source_report": (
        "Outside spam sources not reported", "外域垃圾邮件发送源未通报数",
    ),
    "antivirus.definition_updates": (
        "Weeks without a virus-definition update", "未升级病毒库的周数",
    ),
    "antivirus.outbreak_updates": (
        "Outbreak weeks with too few updates", "病毒出现频繁时升级不足的周数",
    ),
    "antivirus.unscanned": ("Messages not scanned", "未经杀毒的邮件数"),
    "antivirus.policy_mismatch": (
        "Messages treated against the mailbox's setting", "与邮箱杀毒配置不符的邮件数",
    ),
    "antivirus.scan_delay": ("Mean scan time", "杀毒延迟时间平均值"),
    "security.incidents": ("Security incidents", "安全事件数"),
    "backup.incremental": ("Days without a backup", "未做增量备份的天数"),
    "backup.full": ("Days without a recent full backup", "未按期全备份的天数"),
    "backup.retention": ("Backups deleted early", "未到期即删除的备份数"),
    "backup.account_retention": ("Accounts purged early", "未到期即清除的账号数"),
    "provisioning.own_domain": ("Orders opened late, own domain", "已有域名超时开通数"),
    "provisioning.new_domain": ("Orders opened late, new domain", "新域名超时开通数"),
    "support.availability": (
        "Customer service reachable (7×24)", "7×24小时客户服务可用率",
    ),
}  # fmt: skip

EXCLUSION_CODES: Final[Mapping[str, Pair]] = {
    "agreed_maintenance": (
        "a · network maintenance agreed by the customer", "a. 经甲方同意所进行网络维护",
    ),
    "foreign_system": ("a · mail system of another provider", "a. 收发非乙方邮件系统邮件"),
    "customer_equipment": (
        "b · equipment or lines the customer maintains", "b. 甲方负责维护的设备或线路",
    ),
    "customer_misuse": ("c · wrong operation by the customer", "c. 甲方使用上的错误操作"),
    "customer_negligence": (
        "d · negligence, or an operation the customer authorised",
        "d. 甲方的疏忽或由甲方授权的操作",
    ),
    "carrier": (
        "e · carrier: sabotaged lines, adjustment, expansion",
        "e. 电信线路被人为破坏或运营商线路、设备调试、扩容",
    ),
    "force_majeure": ("f · force majeure", "f. 不可抗力"),
}  # fmt: skip

_NUMERALS: Final = "一二三四五六七八九"
_SUFFIX: Final = {7: "的保障", 8: "的保障"}
"""How the agreement's own headings of sections end; the others end in 保障."""


def indicator_title(indicator: str, language: Language) -> str:
    """The name of an indicator; of one without a translation its English title or its id."""
    pair = _TITLES.get(indicator)
    if pair is not None:
        return pick(pair, language)
    known = INDICATORS.get(indicator)
    return known.title if known else indicator


def section_title(number: int, language: Language) -> str:
    """``1 · Connectivity``, ``一、邮箱联通性保障``."""
    section = SECTIONS[number]
    if language == "en":
        return f"{number} · {section.title}"
    return f"{_NUMERALS[number - 1]}、{section.title_zh}{_SUFFIX.get(number, '保障')}"


def cause(code: str, language: Language) -> str:
    """What an exclusion code stands for, with the letter of the agreement's list."""
    return pick(EXCLUSION_CODES[code], language)


TITLED: Final = frozenset(_TITLES)
"""Indicators with a title in both languages."""
