"""Headings, labels and sentences; ``{…}`` is filled in by whoever asks."""

from collections.abc import Mapping
from typing import Final

from mailsla.schemas.presentation.language import Language, Pair, pick

_PHRASES: Final[Mapping[str, Pair]] = {
    # key: (English, Chinese)
    "title": ("Monthly service statement", "服务品质月度报告"),
    "subtitle": ("under the service-quality agreement", "依据《服务品质保证书》"),
    "tenant": ("Customer", "甲方"),
    "month": ("Month", "月份"),
    "verdict": ("Verdict", "结论"),
    "says": ("{title}:", "{title}："),
    "owed": ("What is owed", "赔偿"),
    "nothing_owed": ("Nothing is owed for this month.", "本月无须赔偿。"),
    "double_service": (
        "Double service for the month: the term is extended by {days} days.",
        "提供甲方当月双倍服务时长：服务期延长 {days} 天。",
    ),
    "double_service_stacked": (
        "Double service: {count} × the month's term{named}; the term is extended by {days} days.",
        "双倍服务时长：{count} × 当月服务时长{named}；服务期延长 {days} 天。",
    ),
    "of_sections": (" (sections {sections})", "（第 {sections} 条）"),
    "fee_waiver": (
        "The month's fee is waived: {amount} {currency}.",
        "免收甲方当月之费用：{amount} {currency}。",
    ),
    "fee_waiver_unnamed": (
        "The month's fee is waived; the contract names no amount.",
        "免收甲方当月之费用；合同未载明金额。",
    ),
    "fee_waiver_stacked": (
        "Fees waived: {count} × the month's fee{named}; {amount} {currency} in all.",
        "免收费用：{count} × 当月费用{named}；共 {amount} {currency}。",
    ),
    "fee_waiver_unnamed_stacked": (
        "Fees waived: {count} × the month's fee{named}; the contract names no amount.",
        "免收费用：{count} × 当月费用{named}；合同未载明金额。",
    ),
    "owed_for": ("Clauses: {sections}", "依据条款：{sections}"),
    "reversed": (
        "This revision takes back what revision {revision} issued: {what}.",
        "本版冲销第 {revision} 版所列赔偿：{what}。",
    ),
    "days": ("{days} days", "{days} 天"),
    "provisional": (
        "Provisional: closed before the month was over or before everything had landed. "
        "The figures may change.",
        "暂定：本报告在当月结束或数据到齐之前结账，数字可能变动。",
    ),
    "undecided": (
        "Hangs on days of late December that the official notice of the next year decides: "
        "{indicators}.",
        "以下指标取决于次年放假通知方能确定的十二月末工作日：{indicators}。",
    ),
    "superseded": (
        "Superseded: a later revision of this month holds.",
        "已被取代：本月已有更新的版次，以新版为准。",
    ),
    "glance": ("At a glance", "概览"),
    "section": ("Section", "条款"),
    "indicator": ("Indicator", "指标"),
    "observed": ("Observed", "实测"),
    "promise": ("Promise", "承诺"),
    "budget": ("Remaining", "余量"),
    "remedy": ("Remedy", "赔偿"),
    "gross": ("before exclusions {value}", "扣除前 {value}"),
    "blank_section": (
        "The agreement leaves this section blank; what happened is shown, not judged.",
        "《服务品质保证书》本节内容暂缺；仅列示，不作考核。",
    ),
    "parts": ("By contract version", "按合同版本"),
    "part_span": ("version {version}, {first} to {last}", "第 {version} 版，{first} 至 {last}"),
    "evidence": ("Evidence: {indicator}", "依据：{indicator}"),
    "evidence_all": ("In all: {total}.", "共 {total} 项。"),
    "evidence_some": ("In all: {total}; listed: {shown}.", "共 {total} 项，列出 {shown} 项。"),
    "platform_billing": (
        "The rate concerns all customers; only your own bills are named here.",
        "计费差错率按所有客户计算；此处仅列出甲方自己的账单。",
    ),
    "charts": ("The month in pictures", "图示"),
    "latency_send": (
        "Send latency by day: mean and maximum", "每日邮件发送延迟：平均值与最大值",
    ),
    "latency_receive": (
        "Receive latency by day: mean and maximum", "每日邮件接收延迟：平均值与最大值",
    ),
    "mean": ("mean", "平均值"),
    "maximum": ("maximum", "最大值"),
    "limit_mean": ("mean at most {value}", "平均值上限 {value}"),
    "limit_max": ("maximum at most {value}", "最大值上限 {value}"),
    "log_scale": ("logarithmic scale", "对数刻度"),
    "latency_desc": (
        "Days with messages: {days}. Highest daily mean {mean} on {mean_day}; largest latency "
        "{largest} on {largest_day}. The daily figures stand in the table below.",
        "有邮件的天数：{days}。日平均值最高 {mean}（{mean_day}）；"
        "最大延迟 {largest}（{largest_day}）。每日数字见下表。",
    ),
    "no_messages": ("No message counts in this month.", "本月无计入统计的邮件。"),
    "timeline": ("Connectivity, day by day and hour by hour", "联通性时间线（逐日逐时）"),
    "down": ("not connected", "不联通"),
    "excluded_time": ("excluded", "不计入"),
    "unobserved": ("unobserved", "未监测"),
    "timeline_desc": (
        "Each row is a day, each column an hour. Not connected: {down} in {outages} stretches, of "
        "which excluded {excused}. Unobserved: {unobserved}.",
        "每行为一天，每列为一小时。不联通：共 {outages} 段，{down}，其中不计入 {excused}。"
        "未监测：{unobserved}。",
    ),
    "calendar": ("Fault calendar of {year}", "{year} 年故障日历"),
    "faulty": ("day with a fault", "有故障的天"),
    "fault_free": ("fault-free", "无故障"),
    "not_served": ("outside the contract or not over", "合同期外或尚未结束"),
    "calendar_desc": (
        "Days with a fault up to the end of {month}: {count} ({days}).",
        "截至 {month} 月底，有故障的天数：{count}（{days}）。",
    ),
    "calendar_none": (
        "No day with a fault up to the end of {month}.",
        "截至 {month} 月底，没有发生故障的日子。",
    ),
    "daily": ("Daily latency", "每日延迟"),
    "day": ("Day", "日期"),
    "messages": ("Messages", "邮件数"),
    "sent": ("Sent", "发送"),
    "received": ("Received", "接收"),
    "exclusions": ("Exclusions", "除外情形"),
    "voided": ("Events taken out after the fact", "事后撤销的事件"),
    "event": ("Event", "事件"),
    "kind": ("Kind", "类型"),
    "happened": ("Happened", "发生时间"),
    "taken_out": ("Taken out", "撤销时间"),
    "why": ("Reason", "原因"),
    "by": ("By", "操作人"),
    "no_exclusions": ("No exclusion touches this month.", "本月无除外情形。"),
    "exclusion": ("Exclusion", "编号"),
    "cause": ("Cause", "原因"),
    "from": ("From", "开始"),
    "to": ("To", "结束"),
    "consent": ("Consent reference", "甲方同意依据"),
    "sections": ("Sections", "适用条款"),
    "state": ("State", "状态"),
    "applied": ("applied", "已适用"),
    "short_notice": ("not applied: declared too late", "未适用：提前通知不足"),
    "unapproved": ("not applied: not approved", "未适用：未经复核批准"),
    "no_consent": ("not applied: no consent on record", "未适用：无甲方同意记录"),
    "over_limit": ("not applied: the hours of the year are used up", "未适用：本年时数已用完"),
    "cut": ("applied until the hours of the year are used up", "适用至本年时数用完为止"),
    "maintenance": (
        "Agreed maintenance of {year} up to the end of this month: of at most {most} h, "
        "{counted} count; {left_out} do not.",
        "{year} 年截至本月底经同意的维护：至多 {most} 小时，计入 {counted}，未计入 {left_out}。",
    ),
    "revoked": ("not applied: revoked on {at}", "未适用：已于 {at} 撤销"),
    "whole_platform": ("whole platform", "全平台"),
    "unobserved_title": ("Unobserved time", "未监测时间"),
    "unobserved_none": (
        "Connectivity was observed throughout the month.", "本月联通性全程有监测。",
    ),
    "unobserved_some": (
        "For {value} no probe told whether mail worked; this time counts neither as up nor as "
        "down.",
        "共有 {value} 没有监测结果；该时间既不算联通，也不算不联通。",
    ),
    "unobserved_all": (
        "Connectivity was never observed in this month.", "本月未对联通性进行监测。",
    ),
    "unobserved_list": (
        "The longest stretches are listed: {shown} of {total}.",
        "列出最长的时段：{shown}／{total}。",
    ),
    "contract": ("Contract and readings", "合同与解释口径"),
    "contract_versions": ("Contract versions in force", "生效的合同版本"),
    "default_contract": (
        "No contract document was published; the agreement's default terms hold.",
        "未发布合同文件，适用《服务品质保证书》的缺省条款。",
    ),
    "version": ("Version", "版本"),
    "in_force": ("In force in this month", "本月生效期"),
    "fee": ("Monthly fee", "月费"),
    "zone": ("Time zone", "时区"),
    "calendar_name": ("Calendar", "工作日历"),
    "calendar_cn": (
        "official Chinese working days, with moved days", "中国法定工作日（含调休）",
    ),
    "domains": ("Domains", "域名"),
    "name": ("Name", "名称"),
    "readings": ("How the agreement was read (profile {profile})", "解释口径（{profile}）"),
    "changed_reading": ("agreed otherwise than the default", "与缺省口径不同"),
    "about": ("About this statement", "关于本报告"),
    "revision": ("Revision", "版次"),
    "status_final": ("final", "最终"),
    "status_superseded": ("superseded", "已被取代"),
    "status_provisional": ("provisional", "暂定"),
    "closed_at": ("Closed at", "结账时间"),
    "cutoff": ("Cutoff of the facts", "数据截止时间"),
    "fingerprint": ("Fingerprint", "指纹"),
    "governing": ("Governing contract version", "适用的合同版本"),
    "profile": ("Profile", "口径"),
    "period": ("Period", "统计周期"),
    "period_value": (
        "{first} to {last} (both included), {length}", "{first} 至 {last}（含首尾），共 {length}",
    ),
    "about_text": (
        "Times are local times of the contract's zone. Figures are those of the closing, which "
        "is frozen; nothing was rounded before it was judged. Below each readable figure stands "
        "the exact one, cut to nine decimals. “Remaining” is the distance to the promise, with "
        "its share of what is allowed. Charts and lists show the facts known at the cutoff.",
        "时间均为合同时区的当地时间。数字取自已冻结的结账结果，考核之前未作任何舍入；"
        "易读数字下方列出精确值，截取至小数点后九位。“余量”为实测与承诺之差及其占允许量的比例。"
        "图示与清单为数据截止时间之前的事实。",
    ),
    "running": ("still going on", "仍在持续"),
    "not_finished": ("not finished", "未完成"),
    "not_answered": ("not answered", "未处理"),
}  # fmt: skip


def phrase(key: str, language: Language, **values: object) -> str:
    """The phrase in a language, its places filled in.

    Raises:
        KeyError: no such phrase, or a place without a value.

    """
    text = pick(_PHRASES[key], language)
    return text.format(**values) if values else text


PHRASES: Final = tuple(_PHRASES)
"""Every key."""
