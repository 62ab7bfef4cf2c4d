"""A good result of the platform's probes changes values: nobody is looked at for it."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from mailsla.streams.time.calendar import SECOND, to_us
from tests.live_run import LiveRun

START = datetime(2026, 9, 10, 4, tzinfo=UTC)
WINDOWS = "sla.windows"


def record(topic, tenant, minute, **fields):
    at = START + timedelta(minutes=minute)
    event = {"id": f"{topic}-{minute}", "source": "s", "tenant_id": tenant, "time": at.isoformat()}
    return topic, tenant.encode(), orjson.dumps(event | fields)


def probed(minute, ok=True):
    fields = {"probe": "p", "channel": "imap", "capability": "receive", "scope": "external"}
    more = {"ok": ok, "interval_s": 60, "type": "probe.result"}
    return record("mail.probe", "*", minute, **fields, **more)


def backed_up(minute):
    more = {"type": "backup.completed", "backup_id": "b", "kind": "full"}
    return record("mail.backup", "a", minute, started_at=START.isoformat(), **more)


def heard(run, *records):
    """The feed's clock goes on by a tick, so that whoever was touched is looked at."""
    run.feed(list(records))
    run.checkpoint()
    run.hear()
    return list(run.task.scheduler.stale())


@pytest.fixture
def run():
    """A task whose tenant was looked at, with the platform up."""
    run = LiveRun()
    heard(run, probed(0), backed_up(0))
    heard(run, probed(1), backed_up(1))
    run.pass_time(60)
    return run


def test_nobody_is_looked_at_for_a_good_result_and_everybody_for_a_bad_one(run):
    assert not heard(run, probed(2))
    assert run.task.scheduler.unpublished
    assert heard(run, probed(3, ok=False))


def test_what_is_known_again_is_watched_until_it_is_no_longer_known(run):
    run.pass_time(3_600)
    assert run.task.scheduler.next_us(2**62) > to_us(START) + 3_600 * SECOND
    assert not heard(run, probed(120))
    due_us = run.task.scheduler.next_us(2**62)
    assert to_us(START) + 7_200 * SECOND < due_us <= to_us(START) + 7_800 * SECOND
