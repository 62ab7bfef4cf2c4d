"""A checkpoint that tells only what is urgent, between those that tell everything."""

from collections import deque

import orjson
import pytest

from mailsla.schemas.topics import BREACHES, STATUS, WINDOWS
from mailsla.streams.runtime.checkpoint.writer import feed_apart
from tests.live_run import LiveRun
from tests.unit.test_feed_clock import Watched, message


def told(run, topic, before=0):
    return [orjson.loads(each.value) for each in run.told[before:] if each.topic == topic.name]


def busy():
    run = Watched()
    run.feed([message(1, "dispatched", 10, name="q")])
    run.checkpoint()
    return run, len(run.told)


def test_a_breach_does_not_wait_for_the_windows():
    run, before = busy()
    run.feed([message(2, "dispatched", 3_700, name="q"), message(3, "dispatched", 3_701, name="q")])
    assert run.task.urgent
    run.checkpoint(everything=False)
    breaches = [event["type"] for event in told(run, BREACHES, before)]
    assert "sla.indicator.breached" in breaches
    assert not told(run, WINDOWS, before)
    assert {event["state"] for event in told(run, STATUS, before)} >= {"breached"}
    assert not run.task.urgent
    assert run.task.due(run.now_s)
    run.checkpoint()
    assert told(run, WINDOWS, before)


def test_quick_messages_are_nothing_urgent():
    run, before = busy()
    run.feed([message(number, "dispatched", 20 + number, 20, name="q") for number in range(2, 9)])
    assert not run.task.urgent
    assert run.task.due(run.now_s)
    run.checkpoint(everything=False)
    assert not told(run, STATUS, before)


def test_the_group_s_offsets_wait_until_everything_is_told():
    run, _ = busy()
    run.feed([message(2, "dispatched", 3_700, name="q")])
    assert run.task.checkpoint(run.now_s, everything=False).offsets == {}
    assert run.task.dirty
    assert run.task.checkpoint(run.now_s).offsets == {("mail.mta", 0): 2}
    assert not run.task.dirty


def test_a_round_that_ends_without_a_record_is_committed_all_the_same():
    run, _ = busy()
    run.feed([message(1, "dispatched", 10, name="q")])  # the same again: nothing to publish
    run.task.checkpoint(run.now_s, everything=False)
    for _ in run.task.publish_some():
        pass
    assert not run.task.urgent
    assert not run.task.rounds.has_news
    assert run.task.due(run.now_s)
    made = run.task.checkpoint(run.now_s, everything=False)
    assert made.offsets == {("mail.mta", 0): 2}
    assert not run.task.due(run.now_s)


def test_what_the_feed_was_told_after_the_head_is_told_by_the_next_life_too():
    """Without transactions the feed leaves last, and a crash may keep it back."""
    run = LiveRun(keeps_feed=True)
    run.feed([message(n, "dispatched", 3_700 + n, name="q") for n in (1, 2)])
    run.checkpoint(everything=False)
    results, feed = feed_apart(run.told)
    assert feed and {record.topic for record in feed} == {BREACHES.name}
    assert BREACHES.name not in {record.topic for record in results}
    # Whether the one before came is not known either: both lives of the crash say the same.
    for _ in range(2):
        run.restart()
        before = len(run.told)
        run.checkpoint(everything=False)
        assert feed_apart(run.told[before:])[1] == feed
    run.checkpoint(everything=False)
    run.restart()
    before = len(run.told)
    run.checkpoint(everything=False)
    assert not told(run, BREACHES, before)


def mail(tenant, number):
    topic, _, value = message(number, "dispatched", 10, name="q")
    return topic, tenant.encode(), orjson.dumps(orjson.loads(value) | {"tenant_id": tenant})


@pytest.mark.parametrize(("changes", "is_news"), [("b", False), ("a", True)])
def test_only_what_changes_after_a_tenant_s_turn_waits_for_the_next_round(changes, is_news):
    """Tenants of mail have their turns in the order in which they came up."""
    run = LiveRun()
    run.feed([mail("a", 1), mail("b", 2)])
    run.checkpoint()
    run.feed([mail("a", 3), mail("b", 4)])
    deque(run.task.publish_some(1), 0)
    assert run.task.rounds.under_way
    run.feed([mail(changes, 5)])
    while run.task.rounds.under_way:
        deque(run.task.publish_some(1), 0)
    assert run.task.rounds.has_news == is_news
    run.checkpoint()
    assert {one["count"] for one in told(run, WINDOWS)[-2:] if one["tenant_id"] == changes} == {3}
