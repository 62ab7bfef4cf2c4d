"""The past told once: what is known late changes each indicator and month at most once."""

import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from mailsla.schemas.contract import Contract
from mailsla.schemas.topics import BREACHES
from mailsla.streams.time.calendar import to_us
from tests.live_run import LiveRun, contract_record
from tests.reference.log import TOPIC_OF

NOW = datetime(2026, 11, 20, 4, tzinfo=UTC)
SEPTEMBER = datetime(2026, 9, 5, tzinfo=UTC)
APART_S = 2.0
IDLE_S = 1_800
SETTLED_S = 90.0


def event(number, type_, when, **fields):
    times = {name: each.isoformat() for name, each in fields.items() if isinstance(each, datetime)}
    head = {"id": f"e{number}", "source": "s", "type": type_, "tenant_id": "a"}
    filled = head | {"time": when.isoformat()} | fields | times
    return TOPIC_OF[type_], b"a", orjson.dumps(filled)


def fault(number, begin, lasting_s=1):
    end = begin + timedelta(seconds=lasting_s)
    return (
        event(f"{number}-opened", "incident.opened", begin, incident_id=f"i{number}", kind="fault"),
        event(f"{number}-closed", "incident.closed", end, incident_id=f"i{number}"),
    )


def delivered(number, accepted, lasting_s):
    return event(
        f"m{number}",
        "message.delivered",
        accepted + timedelta(seconds=lasting_s),
        accepted_at=accepted,
        message_id=f"m{number}",
        recipient="r@example.org",
        direction="inbound",
    )


def give(run, records):
    """Records that come now: until then the worker has looked at what is due, all the time."""
    for _ in run.task.pass_time(run.now_s):
        pass
    run.feed(records, [to_us(NOW) + round(run.now_s * 1_000_000)] * len(records))


def living(idle_s=IDLE_S):
    """A task that has lived until `NOW`, and been idle since."""
    run = LiveRun()
    give(run, [*fault("now", NOW - timedelta(hours=1), 0), delivered("now", NOW, 1)])
    run.pass_time(5)
    run.now_s += idle_s
    return run


def feed(run):
    return [orjson.loads(record.value) for record in run.told if record.topic == BREACHES.name]


def told_after(run, steps, restarts=False):
    """(indicator, month) → the states told of it, after records that come a while apart."""
    before = len(feed(run))
    for step in steps:
        give(run, step)
        run.pass_time(APART_S)
        if restarts:
            run.restart()
    run.pass_time(SETTLED_S)
    found = {}
    for each in feed(run)[before:]:
        data = each["data"]
        found.setdefault((data["indicator"], data["period"]), []).append(data["state"])
    return found


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("begin", [SEPTEMBER, datetime(2024, 1, 5, tzinfo=UTC)])
def test_a_fault_of_one_second_that_is_booked_late_is_no_news(begin, restarts):
    opened, closed = fault(1, begin)
    assert told_after(living(0 if restarts else IDLE_S), [[opened], [closed]], restarts) == {}


@pytest.mark.parametrize("restarts", [False, True])
def test_faults_booked_late_are_told_as_they_end_up(restarts):
    steps = [
        [each] for day in range(7) for each in fault(day, SEPTEMBER + timedelta(days=day), 2_000)
    ]
    told = told_after(living(0 if restarts else IDLE_S), steps, restarts)
    assert told == {
        ("operations.fault_duration", "2026-09"): ["breached"],
        ("operations.availability", "2026-09"): ["breached"],
        ("operations.fault_free_days", "2026-09"): ["breached"],
    }


def test_a_fault_that_stays_open_is_told_once_for_each_month_since():
    opened, _ = fault(1, SEPTEMBER)
    told = told_after(living(), [[opened]])
    assert set(told) >= {
        ("operations.fault_duration", month) for month in ("2026-09", "2026-10", "2026-11")
    }
    assert all(states == ["breached"] for states in told.values())


def test_what_happens_now_is_told_at_once_beside_the_past():
    run = living()
    give(run, [fault(1, SEPTEMBER)[0]])
    before = len(feed(run))
    skipped = event(
        "skipped",
        "message.scanned",
        NOW + timedelta(seconds=IDLE_S + 8),
        message_id="m",
        mailbox="b",
        verdict="skipped",
        action="none",
        policy="clean",
    )
    give(run, [skipped])
    run.pass_time(3)
    sections = {each["data"]["indicator"].partition(".")[0] for each in feed(run)[before:]}
    assert sections == {"antivirus"}


@pytest.mark.parametrize("restarts", [False, True])
def test_a_month_of_mail_that_comes_late_is_told_as_it_ends_up(restarts):
    """Its mean misses the target, holds it, and misses it; many messages took too long."""
    latencies = (100, 1, 1, 400, 4_000, 5_000, 1, 6_000)
    steps = [
        [delivered(number, SEPTEMBER + timedelta(hours=number), latency)]
        for number, latency in enumerate(latencies)
    ]
    assert told_after(living(0 if restarts else IDLE_S), steps, restarts) == {
        ("latency.receive.mean", "2026-09"): ["breached"],
        ("latency.exceedances", "2026-09"): ["breached"],
    }


def excluded(name, begin, ends=True):
    """An exclusion of some hours, which is declared now, or revoked."""
    type_ = "exclusion.declared" if ends else "exclusion.revoked"
    given = {"starts_at": begin - timedelta(hours=1), "ends_at": begin + timedelta(hours=3)}
    fields = {"exclusion_id": name} | (given | {"code": "force_majeure"} if ends else {})
    return event(f"{name}-{type_}", type_, NOW + timedelta(seconds=IDLE_S), **fields)


def accepted(number, when):
    message = {"message_id": f"m{number}", "recipient": "r@example.org", "direction": "outbound"}
    return event(f"m{number}", "message.accepted", when, **message)


LATE_MAIL = {
    "a month that is over": (SEPTEMBER, SEPTEMBER + timedelta(days=1), delivered, 6_000),
    "this month": (NOW - timedelta(days=9), NOW - timedelta(days=8), delivered, 6_000),
    "in flight": (NOW - timedelta(days=2), NOW - timedelta(days=1), accepted, None),
}


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("kind", LATE_MAIL)
def test_exclusions_declared_late_are_told_as_they_end_up(kind, together):
    """Each takes messages away, and gives them back: the last one leaves one fewer."""
    one, other, happened, lasting_s = LATE_MAIL[kind]
    lasting = () if lasting_s is None else (lasting_s,)
    run = living()
    given = [happened(number, when, *lasting) for number, when in enumerate((one, other))]
    before = told_after(run, [given])
    assert before
    declared = [
        excluded("x", one),
        excluded("y", other),
        excluded("x", one, ends=False),
        excluded("y", other, ends=False),
        excluded("z", one),
        excluded("u", other),
    ]
    told = told_after(run, [declared] if together else [[each] for each in declared])
    assert told == {key: ["ok"] for key in before}


def of_everybody(record):
    topic, _, value = record
    return topic, b"*", value.replace(b'"tenant_id":"a"', b'"tenant_id":"*"')


def told_around(before, after, restarts):
    """What is told with the times of it; where a task restarts, of the broadcast it hears then."""
    run = LiveRun()
    for number, (at_s, records) in enumerate([*before, *after]):
        beat_at = NOW + timedelta(seconds=at_s)
        beat = event(f"b{number}", "monitor.heartbeat", beat_at, monitor="m", interval_s=60)
        run.feed([*records, beat], [to_us(NOW) + at_s * 1_000_000] * (len(records) + 1))
        run.checkpoint()
        if restarts and number == len(before) - 1:
            run.restart()
        run.hear()
    run.pass_time(SETTLED_S)
    return [(each["type"], each["data"]["indicator"], each["time"]) for each in feed(run)]


def test_a_restart_does_not_put_off_what_happens_now():
    """An exclusion of everybody lies in the past and has settled: it is not word of it anew."""
    strict = {"overrides": {"operations.fault_duration": {"target": 10}}}
    given = {"tenant_id": "a", "version": 1, "effective_from": date(2026, 1, 1)}
    version = contract_record(Contract.model_validate(given | strict))
    declared = of_everybody(excluded("x", NOW - timedelta(days=1)))
    opened, _ = fault(1, NOW + timedelta(seconds=IDLE_S + 100))
    before = [(IDLE_S, [version, declared]), (IDLE_S + 60, []), (IDLE_S + 100, [opened])]
    after = [(IDLE_S + each, []) for each in (101, 109, 111, 120, 140)]
    told = told_around(before, after, restarts=False)
    assert len(told) == 2
    assert told_around(before, after, restarts=True) == told


@pytest.mark.parametrize("restarts", [False, True])
def test_mail_that_everybody_s_exclusion_takes_out_is_told_after_a_restart_too(restarts):
    run, when = living(0), NOW - timedelta(hours=1)
    before = told_after(run, [[delivered(1, when, 6_000)]])
    assert before
    give(run, [of_everybody(excluded("x", when))])
    run.checkpoint()
    if restarts:
        run.restart()
    told = len(feed(run))
    run.pass_time(2 * SETTLED_S)
    assert sorted(each["data"]["state"] for each in feed(run)[told:]) == ["ok"] * len(before)


def test_a_month_of_mail_that_ends_up_well_is_no_news():
    latencies = (100, 1, 1, 400, 1, 1, 1, 1, 1, 1, 1)
    steps = [
        [delivered(number, SEPTEMBER + timedelta(hours=number), latency)]
        for number, latency in enumerate(latencies)
    ]
    assert told_after(living(), steps) == {}


def test_versions_of_a_contract_that_come_late_are_told_as_they_end_up():
    run = living()
    before = [delivered(number, SEPTEMBER, 50) for number in range(3)]
    before += fault(1, SEPTEMBER, 30)
    assert told_after(run, [before]) == {}
    strict = {"latency.receive.mean": {"target": 10}, "operations.fault_duration": {"target": 10}}
    wide = {"latency.receive.mean": {"target": 90}, "operations.fault_duration": {"target": 90}}

    def version(number, terms):
        given = {"tenant_id": "a", "version": number, "effective_from": date(2026, 1, 1)}
        return contract_record(Contract.model_validate(given | {"overrides": terms}))

    assert told_after(run, [[version(1, strict)], [version(1, wide)]]) == {}
    assert told_after(run, [[version(1, strict)], [version(1, strict)]]) == {
        ("latency.receive.mean", "2026-09"): ["breached"],
        ("operations.fault_duration", "2026-09"): ["breached"],
    }


def test_some_hundred_old_events_cost_little():
    run, begin = LiveRun(), datetime(2024, 1, 3, tzinfo=UTC)
    log = [
        each
        for number in range(138)
        for each in fault(number, begin + timedelta(days=7.7 * number), 60)
    ]
    assert len(log) == 276
    resident, spent_s = _resident_mb(), time.process_time()
    for begins in range(0, len(log), 12):
        run.feed(log[begins : begins + 12])
        run.checkpoint()
    run.pass_time(SETTLED_S)
    assert time.process_time() - spent_s < 3
    assert _resident_mb() - resident < 150
    most = Counter((each["data"]["indicator"], each["data"]["period"]) for each in feed(run))
    assert max(most.values()) <= 3


def _resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096 / 1_000_000
