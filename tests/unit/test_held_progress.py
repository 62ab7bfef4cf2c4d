"""Word of how far a log is published, known long before the mail of that time has been applied."""

import orjson

from mailsla.schemas.topics import BREACHES
from tests.unit.test_feed_clock import START, Watched, event, message

HOURS_S = 3_600
START_US = int(START.timestamp()) * 1_000_000


def of(source, record):
    topic, key, value = record
    return topic, key, orjson.dumps({**orjson.loads(value), "source": source})


def word(seconds):
    fields = {"tenant_id": "*", "of": "mx1"}
    topic, _, value = event(f"-{seconds}", "source.progress", seconds)
    return topic, b"*", orjson.dumps({**orjson.loads(value), **fields})


def give(run, record, seconds):
    """The broker received it so many seconds after the start."""
    run.feed([record], [START_US + seconds * 1_000_000])
    run.checkpoint()
    run.hear()


def test_a_source_whose_word_is_held_back_is_not_silent():
    run = Watched()
    give(run, word(0), 1)
    give(run, of("mx1", message(1, "accepted", 2, name="q")), 3)
    give(run, of("mx2", message(2, "dispatched", 4, 3, name="q")), 5)
    # It spoke every half minute; all but the last is overtaken, as after a restart.
    give(run, word(6 * HOURS_S), 6 * HOURS_S)
    for hour in (1, 2, 3):
        at = hour * HOURS_S
        give(run, of("mx2", message(2 + hour, "dispatched", at, at - 1, name="q")), at + 1)
    told = [orjson.loads(one.value) for one in run.told if one.topic == BREACHES.name]
    assert told == []
    # Its own finish is read at last.
    give(run, of("mx1", message(9, "dispatched", 5, 2, name="q")), 3 * HOURS_S + 2)
    run.checkpoint()
    assert not [one for one in run.told if one.topic == BREACHES.name]


def test_word_from_a_clock_that_is_ahead_makes_no_message_late():
    """Nothing beyond the present can have been published by now."""
    run = Watched()
    give(run, word(0), 1)
    give(run, of("mx1", message(1, "accepted", 2, name="q")), 3)
    give(run, word(5 * HOURS_S), 10)
    give(run, of("mx1", message(2, "dispatched", 20, 19, name="p")), 21)
    assert not [one for one in run.told if one.topic == BREACHES.name]
    # What is true of it counts: an hour later the message is late.
    give(run, word(HOURS_S + 3), HOURS_S + 4)
    give(run, of("mx2", message(3, "dispatched", HOURS_S + 5, HOURS_S + 4, name="r")), HOURS_S + 6)
    run.pass_time(60)
    late = [orjson.loads(one.value) for one in run.told if one.topic == BREACHES.name]
    assert [one["data"]["indicator"] for one in late][:1] == ["latency.exceedances"]
