"""Why a record was refused, and what a row of evidence says, in Chinese."""

import pytest

from mailsla.schemas.codec.records import decode_event
from mailsla.schemas.export.examples import BROKER_TIME, invalid
from mailsla.schemas.presentation.reasons import evidence_text, refusal
from mailsla.schemas.registry import EVENT_TYPES
from mailsla.streams.live.caution import FAILED
from mailsla.streams.runtime.unreadable import UNREADABLE


def chinese(reason):
    return refusal(reason, "zh")


@pytest.mark.parametrize("topic", EVENT_TYPES)
def test_every_reason_of_the_invalid_examples_is_told_in_chinese(topic):
    reasons = {decode_event(topic, case.value, BROKER_TIME).reason for case in invalid(topic)}
    assert [reason for reason in reasons if chinese(reason) == reason] == []


def test_what_a_reason_names_is_kept():
    told = chinese("too long; send at most 256 characters (only the first 9 bytes are kept)")
    assert told == "过长；至多 256 个字符（仅保留前 9 字节）"
    assert chinese(f"{FAILED}: KeyError") == "处理失败：KeyError"
    assert chinese(f"{UNREADABLE}: a wrong checksum") == "无法读取：a wrong checksum"
    assert chinese("what nobody has translated") == "what nobody has translated"
    assert refusal("the field is required; send it", "en") == "the field is required; send it"


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("down (own probes)", "中断（自有监测点）"),
        ("power (platform)", "power（平台）"),
        ("3 updates, an outbreak", "升级 3 次，病毒频发"),
        ("outbound, left out, not finished", "发送，不计入，未完成"),
        ("inbound, 3601.5 s", "接收, 3601.5 s"),
        ("incident-7", "incident-7"),
    ],
)
def test_a_row_of_evidence_is_told_in_chinese(english, chinese):
    assert evidence_text(english, "zh") == chinese
    assert evidence_text(english, "en") == english
