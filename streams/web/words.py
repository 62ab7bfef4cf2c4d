"""What the pages say besides `schemas.presentation`, in English and Chinese."""

from collections.abc import Mapping
from typing import Final

from schemas.presentation.language import Language, Pair, pick

_WORDS: Final[Mapping[str, Pair]] = {
    "overview": ("Overview", "总览"),
    "title": ("Service levels", "服务品质"),
    "platform": ("Platform", "平台"),
    "other_language": ("中文", "English"),
    "skip": ("To the content", "跳到正文"),
    "lead": (
        "Every tenant with its worst state: the months that are not closed yet, else the last "
        "closed one.",
        "每个甲方的最差状态：尚未结账的月份，否则为最近一次结账的月份。",
    ),
    "lead_month": ("Every tenant's state in {month}.", "{month} 每个甲方的状态。"),
    "tenant": ("Tenant", "甲方"),
    "name": ("Name", "名称"),
    "month": ("Month", "月份"),
    "months_open": ("not closed yet, else the last", "未结账，否则最近"),
    "state": ("State", "状态"),
    "sections": ("Sections in trouble", "问题条款"),
    "section": ("Section", "条款"),
    "measured": ("Promises measured", "已测得承诺"),
    "scarcest": ("Scarcest budget left", "最紧余量"),
    "used_up": ("Used up about", "预计用尽"),
    "any": ("any", "全部"),
    "search": ("Search tenant or name", "搜索甲方或名称"),
    "shown": ("{shown} of {total} shown", "显示 {shown}／{total}"),
    "loading": ("Loading …", "载入中……"),
    "failed": ("The overview cannot be read now.", "暂时无法读取总览。"),
    "nothing": ("No tenant fits.", "没有符合的甲方。"),
    "none_yet": ("Nothing has been measured yet.", "尚无测量结果。"),
    "live": ("live", "实时"),
    "away": ("connection lost, trying again", "连接中断，正在重试"),
    "need_script": (
        "The table needs JavaScript; the same figures are at /api/overview.",
        "此表需要 JavaScript；相同数据见 /api/overview。",
    ),
    "closed_mark": ("closed, revision {revision}", "已结账，第 {revision} 版"),
    "tenant_title": ("Tenant {tenant}", "甲方 {tenant}"),
    "indicators_of": ("Indicators in {month}", "{month} 各项指标"),
    "indicator": ("Indicator", "指标"),
    "observed": ("Observed", "实测"),
    "promise": ("Promise", "承诺"),
    "remaining": ("Remaining", "余量"),
    "since": ("Event time", "事件时间"),
    "show_month": ("Show", "查看"),
    "closed": ("Closed months", "已结账月份"),
    "no_closed": ("No month has been closed yet.", "尚无已结账月份。"),
    "verdict": ("Verdict", "结论"),
    "owed": ("Owed", "赔偿"),
    "revision": ("Revision", "版次"),
    "closed_at": ("Closed at", "结账时间"),
    "provisional": ("provisional", "暂定"),
    "nothing_owed": ("nothing", "无"),
    "feed": ("Newest events", "最新事件"),
    "no_feed": ("Nothing has happened yet.", "尚无事件。"),
    "change": ("Change", "变化"),
    "period": ("Period", "周期"),
    "incidents": ("Open incidents", "未结束的故障与调整"),
    "no_incidents": ("No incident is open.", "没有未结束的故障或调整。"),
    "incident": ("Incident", "编号"),
    "kind": ("Kind", "类别"),
    "opened": ("Opened", "开始"),
    "particulars": ("Particulars", "说明"),
    "exclusions": ("Exclusions", "除外情形"),
    "no_exclusions": ("No exclusion has been declared.", "没有除外情形。"),
    "exclusion": ("Exclusion", "编号"),
    "cause": ("Cause", "原因"),
    "from": ("From", "开始"),
    "to": ("To", "结束"),
    "contract": ("Contract", "合同"),
    "default_contract": (
        "No contract has been published; the agreement's default terms hold.",
        "未发布合同，适用《服务品质保证书》的缺省条款。",
    ),
    "version": ("Version", "版本"),
    "in_force": ("In force from", "生效日"),
    "until": ("until before", "失效日"),
    "zone": ("Time zone", "时区"),
    "times": ("Times are those of {zone}.", "时间为 {zone} 时间。"),
    "lag": ("Consumer lag", "消费延迟"),
    "group": ("Group", "消费组"),
    "behind": ("Records behind", "落后记录数"),
    "by_topic": ("By topic", "按主题"),
    "lag_unknown": ("not known", "未知"),
    "clickhouse_answers": ("ClickHouse answers.", "ClickHouse 正常。"),
    "clickhouse_away": ("ClickHouse cannot be read", "无法读取 ClickHouse"),
    "comes_back": (
        "Live measuring goes on without ClickHouse; this page comes back with it.",
        "没有 ClickHouse 时实时测量照常进行；恢复后本页随之恢复。",
    ),
    "dead_letters": ("Dead letters of the last week", "最近一周的死信"),
    "no_dead_letters": ("No record was refused.", "没有被拒收的记录。"),
    "topic": ("Topic", "主题"),
    "reason": ("Reason", "原因"),
    "count": ("Records", "记录数"),
    "last": ("Last", "最近"),
    "probes": ("Probes, last heard", "监测点（最近一次结果）"),
    "no_probes": ("No probe has reported in the last week.", "最近一周没有监测结果。"),
    "probe": ("Probe", "监测点"),
    "no_tenant": ("No such tenant", "没有此甲方"),
    "no_tenant_text": (
        "Nothing is known of a tenant named {tenant}.", "没有名为 {tenant} 的甲方。",
    ),
}  # fmt: skip


def word(key: str, language: Language, **values: object) -> str:
    """A word or sentence in a language, its places filled in; `KeyError` for an unknown key."""
    text = pick(_WORDS[key], language)
    return text.format(**values) if values else text


SCRIPT_WORDS: Final = (
    "tenant", "name", "month", "state", "sections", "measured", "scarcest", "used_up", "shown",
    "loading", "failed", "nothing", "live", "away", "closed_mark",
)  # fmt: skip
"""What the script of the overview says."""
