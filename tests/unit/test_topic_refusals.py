"""What a topic refuses is named with its remedy, and known to the process that comes next."""

import logging

import pytest
from aiokafka import errors

from mailsla.streams.runtime.checkpoint.writer import Fenced
from mailsla.streams.runtime.faust_app import notices
from mailsla.streams.runtime.kafka.refusals import TopicRefusal, hand_on, inherited, refused
from mailsla.streams.runtime.lasting import refusal_of


def test_a_record_that_is_too_large_names_topic_size_and_setting():
    found = refused("sla.dead_letters", 700_123, errors.MessageSizeTooLargeError())
    assert found.refusal.sentence == (
        "topic sla.dead_letters refuses 700123 bytes (MESSAGE_SIZE_TOO_LARGE); "
        "mend its max.message.bytes at the broker"
    )


@pytest.mark.parametrize("passes", [errors.RequestTimedOutError(), errors.ProducerFenced(), None])
def test_what_passes_by_itself_is_no_refusal(passes):
    assert refused("sla.dead_letters", 1, passes) is None


def test_a_refusal_is_found_behind_what_it_led_to_and_handed_on_once():
    refusal = TopicRefusal("sla.windows", 9, "topic sla.windows refuses 9 bytes")
    try:
        raise Fenced("task 1") from refused("sla.windows", 9, errors.PolicyViolationError())
    except Fenced as error:
        assert refusal_of(error).topic == "sla.windows"
    hand_on(refusal)
    assert (inherited(), inherited()) == (refusal, None)


def test_a_notice_is_said_once_every_minute_and_when_it_is_over(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    clock = {"now": 0.0}
    monkeypatch.setattr(notices.time, "monotonic", lambda: clock["now"])
    monkeypatch.setattr(notices, "before_restart", lambda do: None)
    notice = notices.Notice(notices.WRITING)
    for second in range(150):
        clock["now"] = float(second)
        notice.bad("topic x is not there")
    notice.good()
    notice.good()
    assert [line.partition(": ")[0] for line in caplog.messages] == [
        "Kafka does not take what this worker writes",
        "Kafka has not taken what this worker writes for 60 s",
        "Kafka has not taken what this worker writes for 120 s",
        "Kafka takes what this worker writes again after 149 s",
    ]
