"""An event that is voided no longer counts live: its tenant's facts are those of the others."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from mailsla.schemas.topics import BREACHES, WINDOWS
from mailsla.streams.time.calendar import Month, to_us
from tests.live_run import LiveRun
from tests.reference.log import TOPIC_OF

START = datetime(2026, 9, 10, 4, tzinfo=UTC)
ENDS = ("breached", "withdrawn", "recovered")
LATER = START + timedelta(hours=8)


def event(id_, type_, when, tenant="a", **fields):
    times = {name: each.isoformat() for name, each in fields.items() if isinstance(each, datetime)}
    head = {"id": id_, "source": "s", "type": type_, "tenant_id": tenant}
    filled = head | {"time": when.isoformat()} | fields | times
    return TOPIC_OF[type_], tenant.encode(), orjson.dumps(filled)


def voided(id_, topic="mail.ops", tenant="a", number=1):
    names = {"voids_topic": topic, "voids_source": "s", "voids_id": id_}
    return event(f"v{number}", "event.voided", LATER, tenant, **names, reason="a typo", actor="li")


def fault(begin=START, lasting_s=20_000):
    return [
        event("opened", "incident.opened", begin, incident_id="i", kind="fault"),
        event("closed", "incident.closed", begin + timedelta(seconds=lasting_s), incident_id="i"),
    ]


def told(run, indicator="operations.fault_duration"):
    found = [orjson.loads(each.value) for each in run.told if each.topic == BREACHES.name]
    return [
        (each["data"]["tenant_id"], each["type"].rpartition(".")[2])
        for each in found
        if each["data"]["indicator"] == indicator and each["type"].endswith(ENDS)
    ]


def beat(number, after_s=0):
    when = LATER + timedelta(seconds=after_s)
    return event(f"b{number}", "monitor.heartbeat", when, monitor="m", interval_s=60)


def lived(run, steps, restarts):
    for step in steps:
        heard_us = to_us(LATER) + round(run.now_s * 1_000_000)
        run.feed(step, [heard_us] * len(step))
        run.pass_time(20)
        if restarts:
            run.restart()
    run.pass_time(200)
    return told(run)


@pytest.mark.parametrize("restarts", [False, True])
def test_a_voided_event_is_taken_back_on_the_feed_once(restarts):
    steps = [fault(), [beat(1)], [voided("opened")], [voided("opened"), voided("opened", number=2)]]
    assert lived(LiveRun(), steps, restarts) == [("a", "breached"), ("a", "withdrawn")]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_voiding_that_comes_before_its_event_holds(restarts):
    assert lived(LiveRun(), [[voided("opened")], fault(), [beat(1)]], restarts) == []


@pytest.mark.parametrize("whose", ["a", "b", "*"])
def test_a_voiding_takes_out_the_event_whosever_it_is(whose):
    steps = [fault(), [beat(1)], [voided("opened", tenant=whose)], [beat(2, 60)]]
    assert lived(LiveRun(), steps, False) == [("a", "breached"), ("a", "withdrawn")]


def test_what_concerns_everybody_is_taken_out_for_everybody():
    opened, closed = (
        (topic, b"*", value.replace(b'"tenant_id":"a"', b'"tenant_id":"*"'))
        for topic, _, value in fault()
    )
    steps = [[beat(1)], [opened, closed], [voided("opened")], [beat(2, 60)]]
    assert lived(LiveRun(), steps, False) == [("a", "breached"), ("a", "withdrawn")]


def test_a_voided_event_is_replaced_by_another():
    another = [event("anew", "incident.opened", START, incident_id="i", kind="adjustment")]
    steps = [fault(), [beat(1)], [voided("opened")], another]
    run = LiveRun()
    assert lived(run, steps, False) == [("a", "breached"), ("a", "withdrawn")]
    assert run.status["a", "operations.adjustment_duration", "2026-09"].observed == 20_000


def delivered(id_, lasting_s):
    return event(
        id_,
        "message.delivered",
        START + timedelta(seconds=lasting_s),
        accepted_at=START,
        message_id="m",
        recipient="r@example.org",
        direction="inbound",
    )


@pytest.mark.parametrize("restarts", [False, True])
def test_mail_that_comes_after_its_voiding_does_not_count(restarts):
    run = LiveRun()
    steps = [[voided("d", "mail.mta")], [delivered("d", 9_000), delivered("anew", 9_500)]]
    lived(run, steps, restarts)
    assert run.status["a", "latency.receive.mean", "2026-09"].observed == 9_500


def progress(when):
    return event("p", "source.progress", when, of="s")


def accepted(id_):
    message = {"message_id": "m", "recipient": "r@example.org", "direction": "inbound"}
    return event(id_, "message.accepted", START, **message)


def kept(run):
    """What is known of the month's mail: deliveries, exceedances, and what stands for them."""
    month = Month.parse("2026-09")
    found = {one.measure.indicator: one.measure for one in run.task.latency.assess(0, month)}
    mean, exceedances = found["latency.receive.mean"], found["latency.exceedances"]
    return mean.observed, exceedances.observed, list(exceedances.evidence)


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("wrong", [9_000, 9_500])
def test_mail_that_is_voided_is_taken_out_and_may_be_replaced(wrong, restarts):
    """By an earlier or a later delivery; what it was seen by in flight is gone, too."""
    run = LiveRun()
    steps = [[delivered("d", wrong)], [beat(1)], [voided("d", "mail.mta")], [beat(2, 60)]]
    lived(run, steps, restarts)
    assert kept(run) == (None, 0, [])
    lived(run, [[delivered("d", wrong), delivered("anew", 9_200)], [beat(3, 120)]], restarts)
    assert kept(run) == (9_200, 1, ["s#anew"])
    windows = [orjson.loads(each.value) for each in run.told if each.topic == WINDOWS.name]
    counts = [one["count"] for one in windows if one["window"] == "month" and "count" in one]
    assert counts[-2:] == [0, 1]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_voided_acceptance_is_not_in_flight(restarts):
    run = LiveRun()
    lived(run, [[accepted("f")], [progress(LATER)], [beat(1)]], restarts)
    assert kept(run) == (None, 1, ["s#f"])
    lived(run, [[voided("f", "mail.mta")], [accepted("f")], [beat(2, 60)]], restarts)
    assert kept(run) == (None, 0, [])
