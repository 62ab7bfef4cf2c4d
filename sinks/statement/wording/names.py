"""Names of what stands in tables of evidence."""

from collections.abc import Mapping
from typing import Final

from mailsla.schemas.presentation.language import Language, pick

_COLUMNS: Final[Mapping[str, tuple[str, str]]] = {
    "from": ("From", "开始"),
    "to": ("To", "结束"),
    "length": ("Length", "时长"),
    "excused": ("Of which excluded", "其中不计入"),
    "message": ("Message id", "邮件编号"),
    "route": ("Direction, system, recipient", "方向、系统、收件人"),
    "accepted": ("Accepted", "接收完成"),
    "finished": ("Finished", "完成"),
    "latency": ("Latency", "延迟"),
    "incident": ("Incident", "故障编号"),
    "change": ("Change", "调整编号"),
    "security_incident": ("Security incident", "安全事件编号"),
    "particulars": ("Particulars", "说明"),
    "case": ("Case", "编号"),
    "received": ("Received", "收到"),
    "deadline": ("Deadline", "期限"),
    "answered": ("Answered", "处理"),
    "late": ("Late by", "超时"),
    "order": ("Order", "订单"),
    "paid": ("Paid", "付款确认"),
    "opened": ("Opened and notified", "开通并通知"),
    "week": ("Week from", "周起"),
    "week_to": ("to", "周止"),
    "updates": ("Updates", "升级次数"),
    "mailbox": ("Mailbox, setting, scan", "邮箱、配置、杀毒结果"),
    "at": ("At", "时间"),
    "told": ("Reported to", "已通报"),
    "scan": ("Scan time", "杀毒用时"),
    "sample": ("Sample", "样本"),
    "load": ("Load time", "打开用时"),
    "backup": ("Backup", "备份"),
    "account": ("Account", "账号"),
    "made": ("Completed", "备份完成"),
    "locked": ("Locked", "锁定"),
    "deleted": ("Deleted", "删除"),
    "purged": ("Purged", "清除"),
    "keep_until": ("To be kept until", "应保留至"),
    "charge": ("Bill", "账单"),
    "kind": ("Kind", "类别"),
    "day": ("Day", "日期"),
}

_VALUES: Final[Mapping[str, tuple[str, str]]] = {
    "outbound": ("sent", "发送"),
    "inbound": ("received", "接收"),
    "platform": ("whole platform", "全平台"),
    "undetected": ("no virus found", "未检出病毒"),
    "skipped": ("skipped", "未查杀"),
    "error": ("error", "出错"),
    "infected": ("infected", "染毒"),
    "clean": ("clean", "查杀"),
    "detect": ("detect only", "只查"),
    "off": ("off", "关闭"),
    "none": ("no action", "未处理"),
    "cleaned": ("cleaned", "已清除"),
    "quarantined": ("quarantined", "已隔离"),
    "deleted": ("deleted", "已删除"),
    "tagged": ("tagged", "已标记"),
    "association": ("internet association", "互联网协会"),
    "provider": ("the source's provider", "外域乙方"),
    "nsp": ("its NSP", "NSP"),
    "low": ("low", "低"),
    "medium": ("medium", "中"),
    "high": ("high", "高"),
    "critical": ("critical", "严重"),
}


def column_title(key: str, language: Language) -> str:
    """The heading of a column of evidence."""
    return pick(_COLUMNS[key], language)


def value_word(value: str, language: Language) -> str:
    """A code of an event in words; free text as it is."""
    pair = _VALUES.get(value)
    return pick(pair, language) if pair else value
