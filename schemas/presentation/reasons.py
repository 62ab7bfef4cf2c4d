"""What the tables say in English sentences, in Chinese: refusals, and rows of evidence."""

import re
from collections.abc import Sequence
from typing import Final

from mailsla.schemas.presentation.language import Language

_REFUSALS: Final = tuple(
    (re.compile(rf"\A{pattern}\Z"), chinese)
    for pattern, chinese in (
        (r"not valid JSON: (.*); send .*",
         r"不是有效的 JSON（\1）；每条记录应为一个 UTF-8 JSON 对象"),
        (r"not a JSON object; .*", "不是 JSON 对象；每条记录应为一个扁平对象"),
        (r"the event has (\d+) bytes; send at most (\d+), .*",
         r"事件长 \1 字节；至多 \2 字节，请去掉不属于该类型的字段"),
        (r"the field is required; .*", "缺少必填字段；请补上"),
        (r"unknown field; .*", "未知字段；请删除或更正名称"),
        (r"unknown or missing type; use one of: (.*)", r"类型未知或缺失；可用：\1"),
        (r"not one of the allowed values; use (.*)", r"不在允许值之内；可用：\1"),
        (r"(\S+) is after (\S+); an end cannot precede its start",
         r"\1 晚于 \2；结束不能早于开始"),
        (r"(\S+) concerns one tenant; .*", r"\1 只涉及一个甲方；请写其编号而不是 *"),
        (r"not a tenant id; .*", "不是甲方编号；请用 1 至 64 个 A-Z a-z 0-9 . _ - 字符"),
        (r"not a month; .*", '不是月份；请写作 YYYY-MM，如 "2026-10"'),
        (r"not a currency; .*", '不是币种；请写 ISO 4217 代码，如 "CNY"'),
        (r"not a list; .*", "不是列表；请用 JSON 数组"),
        (r"not a text; .*", "不是文本；请用 JSON 字符串"),
        (r"not a truth value; .*", "不是真假值；请写 true 或 false，不加引号"),
        (r"not a whole number; .*", "不是整数；请写整数，不加引号，不带小数"),
        (r"not a finite number; .*", "不是有限数；请写测得的值或省略"),
        (r"not a number; .*", "不是数字；不要加引号"),
        (r"not a date; .*", '不是日期；请写作 "2026-10-01"'),
        (r"not an amount .*", '不是至多 18 位、6 位小数的金额；请写作 "12.50"'),
        (r"not an RFC 3339 time .*",
         "不是带时差的 RFC 3339 时间；请写作 2026-10-01T08:00:00.5+08:00"),
        (r"no such time .*", "没有这个时刻；请写事件的时间"),
        (r"the time has no UTC offset; .*", "时间没有时差；请加上 Z 或 +08:00"),
        (r"the time is before 2000; .*", "时间早于 2000 年；请写事件的时间"),
        (r"the time is more than 24 h ahead of the broker clock; .*",
         "时间比消息系统的时钟早出 24 小时以上；请校准发送方的时钟"),
        (r"the time is outside 1970 to 2200; .*", "时间不在 1970 至 2200 年之间；请写事件的时间"),
        (r"the (?:time|month) is outside .*; mend it", "时间过早或过晚；请更正"),
        (r"too long; send at most (\d+) characters", r"过长；至多 \1 个字符"),
        (r"too many items; send at most (\d+)", r"项目过多；至多 \1 项"),
        (r"too short; send at least (\d+) (?:character|item)", r"过短；至少 \1 个"),
        (r"too small; send at least (.*)", r"过小；不得小于 \1"),
        (r"too small; send more than (.*)", r"过小；须大于 \1"),
        (r"too large; send at most (.*)", r"过大；不得大于 \1"),
        (r"too large; send less than (.*)", r"过大；须小于 \1"),
        (r"failed: (.*)", r"处理失败：\1"),
        (r"a batch of records cannot be read: (.*)", r"无法读取：\1"),
    )
)  # fmt: skip
_EVIDENCE: Final = tuple(
    (re.compile(rf"\A{pattern}\Z", re.DOTALL), chinese)
    for pattern, chinese in (
        (r"down \(own probes\)", "中断（自有监测点）"),
        (r"down \(probes of the platform\)", "中断（平台监测点）"),
        (r"every known channel down", "已知渠道全部中断"),
        (r"customers charged", "已计费客户"),
        (r"week to Sunday (\S+)", r"截至周日 \1 的一周"),
        (r"(.+) \(platform\)", r"\1（平台）"),
        (r"fault", "故障"),
        (r"adjustment", "调整"),
        (r"in an earlier month", "此前月份"),
        (r"billed wrong", "计费有误"),
        (r"billed right", "计费无误"),
        (r"the tenant has samples of its own", "该甲方有自己的样本"),
        (r"due before (.+)", r"期限 \1 之前"),
        (r"due by (.+)", r"期限 \1"),
        (r"to be kept until (.+)", r"应保留至 \1"),
        (r"reported to nobody", "未通报任何一方"),
        (r"reported to (.+)", r"已通报 \1"),
        (r"(\d+) updates, an outbreak", r"升级 \1 次，病毒频发"),
        (r"(\d+) updates", r"升级 \1 次"),
        (r"(\d+) full backups", r"全备份 \1 次"),
        (r"(\d+) backups", r"备份 \1 次"),
        (r"verdict (.+), action (.+), policy (.+)", r"结果 \1，处理 \2，策略 \3"),
        (r"outbound(.*)", r"发送\1"),
        (r"inbound(.*)", r"接收\1"),
    )
)  # fmt: skip
_MORE_OF_A_MESSAGE: Final = ((", left out", "，不计入"), (", not finished", "，未完成"))
_CUT: Final = re.compile(r" \(only the first (\d+) bytes are kept\)$")


def refusal(reason: str, language: Language) -> str:
    """The reason of a dead letter; a sentence that has no translation stays as it is."""
    if language == "en":
        return reason
    kept = _CUT.search(reason)
    told = _translated(_CUT.sub("", reason), _REFUSALS)
    return told + (f"（仅保留前 {kept[1]} 字节）" if kept else "")


def evidence_text(text: str, language: Language) -> str:
    """What a row of evidence is called, or its note; names of others' stay as they are."""
    if language == "en":
        return text
    told = _translated(text, _EVIDENCE)
    if told != text:
        for english, chinese in _MORE_OF_A_MESSAGE:
            told = told.replace(english, chinese)
    return told


def _translated(sentence: str, table: Sequence[tuple[re.Pattern[str], str]]) -> str:
    for pattern, chinese in table:
        if (found := pattern.search(sentence)) is not None:
            return found.expand(chinese)
    return sentence
