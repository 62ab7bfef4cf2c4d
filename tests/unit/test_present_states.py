"""The last word on ``sla.status`` is how an indicator stands, whatever was told in between.

Of each key the topic keeps the last record: that of the present month, also after word of the past.
"""

from datetime import UTC, date, datetime, timedelta

import orjson
import pytest

from mailsla.schemas.contract import Contract
from tests.live_run import LiveRun, contract_record
from tests.reference.log import TOPIC_OF

START = datetime(2026, 9, 10, 4, tzinfo=UTC)


def message(number, accepted_s, took_s, **fields):
    accepted = START + timedelta(seconds=accepted_s)
    event = {
        "id": f"d{number}", "source": "mx", "type": "message.dispatched", "tenant_id": "a",
        "time": (accepted + timedelta(seconds=took_s)).isoformat(), "message_id": f"m{number}",
        "recipient": "r@example.org", "direction": "outbound", "accepted_at": accepted.isoformat(),
    }  # fmt: skip
    return "mail.mta", b"a", orjson.dumps(event | fields)


def test_a_breach_that_had_to_settle_does_not_put_an_older_figure_on_the_present_state():
    """Word of the past waits for more of it before it is told; the present state does not.

    messages of the past    1 2 3 4 5
    present state                     5            5
    told                                2, as of then
    """
    run = LiveRun()
    run.feed([message(0, 6 * 3_600, 4_000)])
    run.checkpoint()
    run.feed([message(number, number, 4_000) for number in range(1, 5)])
    run.checkpoint()
    assert run.status["a", "latency.exceedances", "2026-09"].observed == 5
    run.pass_time(600)
    present = run.status["a", "latency.exceedances", "2026-09"]
    assert (present.state, present.observed, present.sequence) == ("breached", 5, 2)


PROBES = [
    {
        "id": f"p{minute}", "source": "probe", "type": "probe.result", "tenant_id": "a",
        "probe": "p", "channel": "imap", "capability": "receive", "scope": "external",
        "time": (START + timedelta(minutes=minute)).isoformat(), "ok": True, "interval_s": 60,
    }
    for minute in range(3)
]  # fmt: skip
ENDED = Contract(
    tenant_id="a", version=1, effective_from=date(2026, 1, 1), effective_to=date(2026, 9, 5)
)


@pytest.mark.parametrize("published", [False, True], ids=["not published", "published"])
def test_what_a_contract_that_comes_late_leaves_out_is_taken_back_after_a_restart(published):
    """The service ended before everything that was heard: nothing of it counts any more."""
    run = LiveRun()
    run.feed([message(0, 0, 1), *[("mail.probe", b"a", orjson.dumps(one)) for one in PROBES]])
    run.feed([message(1, 3_600, 1)])
    run.checkpoint()
    assert run.status["a", "connectivity.downtime", "2026-09"].observed == 0
    assert run.status["a", "latency.send.mean", "2026-09"].observed == 1
    run.feed([contract_record(ENDED)])
    run.checkpoint(everything=published)
    run.restart()
    run.checkpoint()
    run.pass_time(600)
    for indicator in ("connectivity.downtime", "latency.send.mean"):
        assert run.status["a", indicator, "2026-09"].observed is None, indicator


def incident(number, time):
    event = {
        "id": f"i{number}", "source": "desk", "type": "security.incident", "tenant_id": "a",
        "time": time, "incident_id": f"n{number}", "kind": "login", "severity": "high",
    }  # fmt: skip
    return "mail.security", b"a", orjson.dumps(event)


def test_whoever_was_heard_of_long_ago_has_had_no_incident_since():
    """The first incident is forgotten with its month, that there was one is not.

    Neither by a restart, nor as the others are counted anew because one was voided.
    """
    run = LiveRun()
    run.feed([incident(0, "2026-01-10T00:00:00Z")])
    run.checkpoint()
    run.feed([message(0, 0, 1), incident(1, START.isoformat())])
    run.checkpoint()
    run.feed([message(1, 100, 1)])
    run.checkpoint()
    run.restart()
    voiding = {
        "id": "v", "source": "desk", "type": "event.voided", "tenant_id": "a",
        "time": (START + timedelta(seconds=200)).isoformat(), "voids_topic": "mail.security",
        "voids_source": "desk", "voids_id": "i1", "reason": "a drill", "actor": "desk",
    }  # fmt: skip
    run.feed([("mail.ops", b"a", orjson.dumps(voiding))])
    run.pass_time(600)
    assert run.status["a", "security.incidents", "2026-09"].observed == 0


AGREED = Contract(
    tenant_id="b",
    version=1,
    effective_from=date(2026, 1, 1),
    overrides={"operations.monitoring": {"target": 1}},
)


@pytest.mark.parametrize("together", [True, False], ids=["one checkpoint", "several"])
def test_a_month_that_ends_is_told_of_whoever_is_heard_of_then_for_the_first_time(together):
    """Those of whom nothing is known are looked at as one, until something is known of one."""
    run, later_s = LiveRun(), 25 * 86_400
    run.feed([contract_record(AGREED), message(0, 0, 1), message(1, 3_600, 1)])
    run.checkpoint()
    opened = {
        "id": "o", "source": "desk", "type": "incident.opened", "tenant_id": "b",
        "incident_id": "n", "kind": "adjustment",
        "time": (START + timedelta(seconds=later_s)).isoformat(),
    }  # fmt: skip
    for records in ([message(2, later_s, 1)], [("mail.ops", b"b", orjson.dumps(opened))]):
        run.feed(records)
        if not together:
            run.checkpoint()
    run.checkpoint()
    assert run.status["b", "operations.monitoring", "2026-09"].observed == 0


def booked(number, type_, when, **fields):
    head = {"id": f"o{number}", "source": "ops", "type": type_, "tenant_id": "a"}
    event = head | {"time": when.isoformat(), "incident_id": f"i{number}"} | fields
    return TOPIC_OF[type_], b"a", orjson.dumps(event)


def fault(number, when):
    return [
        booked(number, "incident.opened", when, kind="fault"),
        booked(f"{number}-closed", "incident.closed", when + timedelta(hours=2)),
    ]


AUGUST, JULY = timedelta(days=-31), timedelta(days=-61)


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("late", [AUGUST, JULY], ids=["a month ago", "two months ago"])
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "urgent"])
def test_word_of_a_past_month_leaves_the_present_state_the_last_of_its_key(late, restarts, whole):
    run = LiveRun()
    run.feed([message(0, 0, 70), *fault(0, START - timedelta(hours=3))])
    run.pass_time(120)
    for number in range(1, 4):
        if restarts:
            run.restart()
        accepted_s = round(late.total_seconds()) + number
        run.feed([message(number, accepted_s, 4_000 * number), *fault(number, START + late)])
        for _ in range(4):
            run.checkpoint(everything=whole)
            assert run.overtaken() == {}
            run.now_s += 20
    run.pass_time(120)
    assert run.overtaken() == {}
    month = f"{START + late:%Y-%m}"
    assert run.status["a", "latency.exceedances", month].observed == 3
    assert run.status["a", "operations.fault_duration", month].observed > 0
    present = run.status["a", "latency.send.mean", "2026-09"]
    assert (run.last_period["a", "latency.send.mean"], present.observed) == ("2026-09", 70)


def test_a_month_that_ends_leaves_the_next_one_the_last_of_its_key():
    run = LiveRun()
    run.feed([message(0, 0, 70), *fault(0, START)])
    run.feed([message(1, 25 * 86_400, 10)])
    for _ in range(10):
        run.pass_time(60)
        assert run.overtaken() == {}
    assert run.last_period["a", "latency.send.mean"] == "2026-10"
    assert run.last_period["a", "operations.fault_duration"] == "2026-10"


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "late"])
@pytest.mark.parametrize(
    ("agreed", "shared", "months"),
    [
        (
            {"effective_from": date(2025, 2, 1), "timezone": "Pacific/Auckland"},
            "2025-01-31T13:00:00Z",
            ("2025-01", "2025-02"),
        ),
        (
            {
                "effective_from": date(2025, 1, 1),
                "effective_to": date(2025, 2, 1),
                "timezone": "America/New_York",
            },
            "2025-01-31T20:00:00Z",
            ("2025-01", "2025-02"),
        ),
    ],
    ids=["a zone begins", "a zone ends"],
)
def test_what_two_months_hold_is_told_in_both(agreed, shared, months, at_once):
    run = LiveRun()
    run.feed([contract_record(Contract(tenant_id="a", version=1, **agreed))])
    told = [incident(0, "2025-01-10T00:00:00Z"), incident(2, "2025-03-05T00:00:00Z")]
    told.insert(1 if at_once else 2, incident(1, shared))
    for record in told:
        run.feed([record])
        run.checkpoint()
    run.pass_time(600)
    counted = [run.status["a", "security.incidents", month].observed for month in months]
    assert counted == [2, 1]


@pytest.mark.parametrize("whose", ["*", "a"], ids=["the platform", "the tenant"])
def test_the_first_heartbeat_that_comes_late_is_told_of_every_month_since(whose):
    """It changes no state, but from then on it is known that nothing was wrong."""
    run = LiveRun()
    run.feed([message(0, 0, 1), message(1, 3_600, 1)])
    run.checkpoint()
    heartbeat = {
        "id": "h", "source": "ops", "type": "monitor.heartbeat", "tenant_id": whose,
        "time": "2026-07-10T00:00:00Z", "monitor": "m", "interval_s": 60,
    }  # fmt: skip
    run.feed([("mail.ops", whose.encode(), orjson.dumps(heartbeat))])
    run.pass_time(600)
    months = [f"2026-0{month}" for month in (7, 8, 9)]
    told = [run.status["a", "operations.availability", month].observed for month in months]
    assert told == [1, 1, 1]


def test_word_of_the_past_goes_along_where_a_tenant_is_looked_at_by_itself_from_now_on():
    """While it waits the tenant's first fact comes: those of whom only mail is known are one."""
    run = LiveRun()
    run.feed([message(0, 0, 1)])
    for number, (type_, time) in enumerate(
        [("opened", "2026-08-03T12:00:00Z"), ("closed", "2026-08-03T12:00:05Z")]
    ):
        incident_of_all = {
            "id": f"p{number}", "source": "ops", "type": f"incident.{type_}", "tenant_id": "*",
            "time": time, "incident_id": "i", "kind": "fault",
        }  # fmt: skip
        run.pass_time(60)
        run.feed([("mail.ops", b"*", orjson.dumps(incident_of_all))])
        run.checkpoint()
        run.hear()
    run.feed([incident(1, START.isoformat())])
    run.pass_time(600)
    assert run.status["a", "operations.fault_duration", "2026-08"].observed == 5


def outage(number, begin_s, end_s, whose="a"):
    declared = {
        "id": f"o{number}", "source": "ops", "type": "outage.declared", "tenant_id": whose,
        "outage_id": "o", "reason": "power", "actor": "li",
        "time": (START + timedelta(seconds=30_000 + number)).isoformat(),
        "starts_at": (START + timedelta(seconds=begin_s)).isoformat(),
        "ends_at": (START + timedelta(seconds=end_s)).isoformat(),
    }  # fmt: skip
    return TOPIC_OF["outage.declared"], whose.encode(), orjson.dumps(declared)


@pytest.mark.parametrize("restarts", [False, True])
def test_a_breach_that_is_withdrawn_for_nothing_at_all_is_off_the_present_state(restarts):
    """An outage that was all that was known is declared anew, as none."""
    run = LiveRun()
    run.feed([outage(1, 0, 20_000)])
    run.pass_time(200)
    downtime = "a", "connectivity.downtime", "2026-09"
    assert run.status[downtime].state == "breached"
    if restarts:
        run.restart()
    run.feed([outage(2, 100, 100)])
    run.pass_time(2_000)
    present = run.status[downtime]
    assert (present.state, present.observed, present.sequence) == ("ok", None, 2)


RECEIVED = {"type": "message.delivered", "direction": "inbound"}
GAP = [
    Contract(
        tenant_id="a", version=1, effective_from=date(2026, 1, 1), effective_to=date(2026, 9, 1)
    ),
    Contract(tenant_id="a", version=2, effective_from=date(2026, 9, 11)),
]
VOIDED = {
    "id": "v", "source": "desk", "type": "event.voided", "tenant_id": "a",
    "time": (START + timedelta(days=2)).isoformat(), "voids_topic": "mail.mta",
    "voids_source": "mx", "voids_id": "d0", "reason": "a drill", "actor": "desk",
}  # fmt: skip


@pytest.mark.parametrize("restart", ["none", "before", "after, and nothing told"])
@pytest.mark.parametrize(
    ("leaves", "first"),
    [
        ([contract_record(one) for one in GAP], ()),
        ([contract_record(one) for one in GAP], [message(8, 100_000, 1)]),
        ([("mail.ops", b"a", orjson.dumps(VOIDED))], ()),
        ([message(0, -31 * 86_400, 1, **RECEIVED, id="d-2")], ()),
    ],
    ids=["contracts leave a gap", "and other mail stays", "voided", "begun a month earlier"],
)
def test_the_only_message_of_an_indicator_that_leaves_the_month_is_off_the_present_state(
    leaves, first, restart
):
    run, mean = LiveRun(), ("a", "latency.receive.mean", "2026-09")
    run.feed([message(0, 0, 5, **RECEIVED), message(9, 10, 1), *first])
    run.pass_time(60)
    assert run.status[mean].observed == 5
    if restart == "before":
        run.restart()
    # Mail of the month comes with it, so that there is something to tell of others.
    run.feed([*leaves, message(1, 150_000, 1)])
    if restart == "after, and nothing told":
        run.checkpoint(everything=False)
        run.restart()
    run.pass_time(60)
    assert run.status["a", "latency.send.mean", "2026-09"].observed == 1
    assert run.status[mean].observed is None


@pytest.mark.parametrize("restart", ["none", "before", "after, and nothing told"])
@pytest.mark.parametrize("whose", ["a", "*"], ids=["the tenant's", "the platform's"])
def test_an_outage_that_is_none_any_more_is_off_the_present_state(whose, restart):
    """It broke nothing, so no word of the feed takes it back."""
    run, downtime = LiveRun(), ("a", "connectivity.downtime", "2026-09")
    run.feed([message(0, 0, 1), outage(1, 0, 100, whose)])
    run.checkpoint()
    run.hear()
    run.pass_time(200)
    assert run.status[downtime].observed == 100
    if restart == "before":
        run.restart()
    run.feed([outage(2, 100, 100, whose)])
    run.checkpoint(everything=False)
    run.hear()
    if restart == "after, and nothing told":
        run.restart()
    run.pass_time(2_000)
    assert run.status[downtime].observed is None
