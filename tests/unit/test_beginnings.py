"""Beginnings: what a restart must not bring back, and where a task begins to look."""

from datetime import UTC, date, datetime

import orjson
import pytest

from mailsla.schemas.codec.identifiers import PLATFORM
from mailsla.schemas.contract import Contract
from mailsla.schemas.facts.lines import fact_of
from mailsla.schemas.topics import BACKUP, BREACHES, MTA, OPS, STATUS
from mailsla.streams.live.evaluate.scheduler import Scheduler
from mailsla.streams.live.state.platform import broadcast_record
from tests.live_run import LiveRun, contract_record

NOON = "2026-10-20T12:00:00Z"


def flooded():
    """Word of a day without connectivity more than a week ago, for everybody."""
    at_us, day_us = int(datetime.fromisoformat(NOON).timestamp()) * 1_000_000, 86_400_000_000
    document = {
        "id": "o1", "source": "s", "type": "outage.declared", "tenant_id": PLATFORM, "time": at_us,
        "outage_id": "o1", "starts_at": at_us - 9 * day_us, "ends_at": at_us - 8 * day_us,
        "reason": "a flood", "actor": "li",
    }  # fmt: skip
    return broadcast_record(fact_of(document), at_us).value


def feed_of(run):
    """What the feed was told."""
    return [orjson.loads(one.value) for one in run.told if one.topic == BREACHES.name]


def message(name, type_, time, accepted, tenant="a"):
    event = {
        "id": f"{name}/{type_}",
        "source": "mx",
        "type": f"message.{type_}",
        "tenant_id": tenant,
        "time": time,
        "accepted_at": accepted,
        "message_id": name,
        "recipient": "r@example.org",
        "direction": "inbound",
    }
    return MTA.name, tenant.encode(), orjson.dumps(event)


@pytest.fixture
def looks(monkeypatch):
    """The event times of all looks at groups of tenants."""
    looks, look = [], Scheduler._look
    monkeypatch.setattr(Scheduler, "_look", lambda *a: looks.append(a[2]) or look(*a))
    return looks


def months_told(run, since):
    """The periods of the present states published after so many records."""
    return {
        orjson.loads(one.value)["period"] for one in run.told[since:] if one.topic == STATUS.name
    }


def test_nothing_is_told_of_any_month_before_the_first_event():
    run = LiveRun()
    run.feed([contract_record(Contract(tenant_id="a", version=1, effective_from=date(2025, 1, 1)))])
    run.checkpoint()
    run.restart()
    run.checkpoint()
    assert months_told(run, 0) == set()


def test_a_month_that_was_given_up_is_not_told_again():
    run = LiveRun()
    run.feed([message("stuck", "accepted", "2025-01-10T08:00:00Z", "2025-01-10T08:00:00Z")])
    run.feed([message("m1", "delivered", "2025-01-10T08:31:00Z", "2025-01-10T08:30:59Z")])
    run.checkpoint()
    run.feed([message("m2", "delivered", "2025-05-10T08:00:01Z", "2025-05-10T08:00:00Z")])
    run.checkpoint()
    run.checkpoint()
    run.restart()
    before = len(run.told)
    run.feed([message("m3", "delivered", "2025-05-10T08:10:01Z", "2025-05-10T08:10:00Z")])
    run.checkpoint()
    assert months_told(run, before) == {"2025-03", "2025-04", "2025-05"}


def heartbeat(name, time):
    event = {
        "id": name,
        "source": "watch",
        "type": "monitor.heartbeat",
        "tenant_id": "a",
        "time": time,
        "monitor": "watch-1",
        "interval_s": 60,
    }
    return OPS.name, b"a", orjson.dumps(event)


def beating(at_us, heard_us=None):
    """A heartbeat of everybody's, which the broker received at once where not said otherwise."""
    document = {
        "id": f"h{at_us}", "source": "s", "type": "monitor.heartbeat", "tenant_id": PLATFORM,
        "time": at_us, "monitor": "watch-1", "interval_s": 60,
    }  # fmt: skip
    return broadcast_record(fact_of(document), heard_us or at_us).value


def test_an_event_ahead_of_time_that_comes_first_makes_nobody_look_back_to_1970(looks):
    run, at_us = LiveRun(), int(datetime(2026, 10, 20, 12, tzinfo=UTC).timestamp()) * 1_000_000
    agreed = contract_record(Contract(tenant_id="a", version=1, effective_from=date(2025, 1, 1)))
    records = [heartbeat("ahead", "2026-10-20T14:00:00Z"), heartbeat("now", "2026-10-20T12:00:00Z")]
    run.feed([agreed, *records], [at_us] * 3)
    run.checkpoint()
    assert len(looks) < 10


def test_nor_does_word_of_everybody_that_comes_first(looks):
    """An outage long before is no budget that burns now, whoever looks before own events come."""
    run = LiveRun()
    run.feed([contract_record(Contract(tenant_id="a", version=1, effective_from=date(2025, 1, 1)))])
    run.broadcast([flooded()])
    run.checkpoint()
    run.pass_time(20.0)
    assert len(looks) < 10
    assert {one["type"] for one in feed_of(run)} == {"sla.indicator.breached"}


@pytest.mark.parametrize("size", [1, 2])
def test_tenants_that_mail_brings_up_are_met_when_they_came_wherever_a_batch_is_cut(size):
    run = LiveRun()
    run.broadcast([flooded()])
    seconds = {"a": 10, "b": 50, "c": 95}
    mail = [
        message("m", "delivered", f"2026-10-20T12:{at // 60:02d}:{at % 60:02d}Z", NOON, tenant)
        for tenant, at in seconds.items()
    ]
    for at in range(0, len(mail), size):
        run.feed(mail[at : at + size])
        run.checkpoint()
    run.pass_time(20.0)
    began = {one["subject"]: one["data"]["since"] for one in feed_of(run)}
    # The first is looked at with the next tick, and the others stand as it does.
    assert began == {
        "a": "2026-10-20T12:00:11Z", "b": "2026-10-20T12:00:50Z", "c": "2026-10-20T12:01:35Z"
    }  # fmt: skip


def test_idle_time_counts_from_when_the_broker_had_what_a_worker_that_was_away_reads_last():
    run, at_us = LiveRun(), int(datetime(2026, 10, 20, 12, tzinfo=UTC).timestamp()) * 1_000_000
    run.task.clock.waiting = True
    run.now_s = 7_200.0
    run.feed([heartbeat("late", "2026-10-20T12:00:00Z")], [at_us])
    run.task.anchor(run.now_s, at_us + 7_200_000_000)
    run.task.clock.waiting = False
    assert run.task.clock.now_us(run.now_s) == at_us + 7_199_000_000


def test_after_a_restart_word_of_the_platform_is_no_reason_to_be_ahead_of_the_present():
    run, at_us = LiveRun(), int(datetime(2026, 10, 20, 12, tzinfo=UTC).timestamp()) * 1_000_000
    run.feed([heartbeat("own", "2026-10-20T12:00:00Z")], [at_us])
    run.now_s = 7_200.0
    run.broadcast([beating(at_us + 7_200_000_000)])
    run.checkpoint()
    run.restart()
    run.task.anchor(run.now_s, at_us + 7_200_000_000)  # as a worker does when all is read
    assert run.task.clock.now_us(run.now_s) == at_us + 7_200_000_000


def test_word_of_the_platform_does_not_move_event_time_while_older_records_wait():
    run, at_us = LiveRun(), int(datetime(2026, 10, 20, 12, tzinfo=UTC).timestamp()) * 1_000_000
    run.task.clock.waiting = True
    run.now_s = 7_200.0
    run.feed([heartbeat("own", "2026-10-20T12:00:00Z")], [at_us])
    run.broadcast([beating(at_us + 7_200_000_000)])
    run.feed([heartbeat("more", "2026-10-20T12:10:00Z")], [at_us + 600_000_000])
    assert run.task.clock.now_us(run.now_s) == at_us + 600_000_000
    run.task.clock.waiting = False
    run.task.anchor(run.now_s, at_us + 7_200_000_000)
    assert run.task.clock.now_us(run.now_s) == at_us + 7_199_000_000


def test_an_event_of_the_platform_that_is_ahead_of_the_broker_s_clock_moves_no_time():
    run, at_us = LiveRun(), int(datetime(2026, 10, 20, 12, tzinfo=UTC).timestamp()) * 1_000_000
    run.broadcast([beating(at_us + 7_200_000_000, at_us)])
    assert run.task.clock.now_us(run.now_s) == run.task.scheduler.position_us == 0
    run.feed([heartbeat("own", "2026-10-20T12:00:00Z")], [at_us])
    run.broadcast([beating(at_us + 7_200_000_000, at_us)])
    assert run.task.clock.now_us(run.now_s) == at_us


@pytest.mark.parametrize("restart", [False, True])
def test_an_event_older_than_what_idle_time_has_come_to_holds_nothing_up(restart):
    run, at_us = LiveRun(), int(datetime(2026, 10, 20, 12, tzinfo=UTC).timestamp()) * 1_000_000
    run.feed([heartbeat("first", "2026-10-20T12:00:00Z")], [at_us])
    run.pass_time(7_200.0)
    run.checkpoint()
    if restart:
        run.restart()
    run.task.clock.waiting = True
    run.feed([heartbeat("old", "2026-10-20T12:10:00Z")], [at_us + 7_200_000_000])
    run.task.clock.waiting = False
    if restart:
        run.task.anchor(run.now_s, at_us + 7_200_000_000)  # as a worker does when all is read
    run.now_s += 10.0
    assert run.task.clock.now_us(run.now_s) > at_us + 7_200_000_000


def test_days_that_pass_while_nobody_is_there_count_as_days_without_a_backup():
    """The platform may have sent word of a backup: what is absent waits for how far it has come."""
    run, at_us = LiveRun(), int(datetime(2026, 10, 20, 12, tzinfo=UTC).timestamp()) * 1_000_000
    own = {
        "id": "b1", "source": "backup", "type": "backup.completed", "tenant_id": "a",
        "time": "2026-10-20T11:59:00Z", "backup_id": "b1", "kind": "full",
        "started_at": "2026-10-20T11:00:00Z",
    }  # fmt: skip
    topic, _, told = heartbeat("platform", "2026-10-20T12:00:00Z")
    everybody = orjson.dumps(orjson.loads(told) | {"tenant_id": PLATFORM})
    run.feed([(BACKUP.name, b"a", orjson.dumps(own)), (topic, b"*", everybody)], [at_us] * 2)
    run.checkpoint()
    run.pass_time(60.0)
    key = "a", "backup.incremental", "2026-10"
    before = run.status[key].observed
    run.restart()
    run.task.clock.waiting = True
    run.checkpoint()  # not everything there is has been applied yet
    run.hear()
    run.task.clock.waiting = False
    run.task.anchor(run.now_s, at_us + 3 * 86_400_000_000)
    run.pass_time(1.0)
    assert run.status[key].observed == before + 2
