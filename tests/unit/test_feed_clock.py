"""What the event clock alone makes known: messages stuck in flight, and what does not happen."""

from datetime import UTC, date, datetime, timedelta

import orjson
import pytest

from mailsla.schemas.contract import Contract
from mailsla.schemas.topics import BREACHES, CALENDARS, WINDOWS
from tests.live_run import LiveRun, contract_record
from tests.reference.log import TOPIC_OF

START = datetime(2025, 10, 8, 4, tzinfo=UTC)  # a Wednesday at noon in Shanghai
PROMISED_S = 30


def event(number, type_, seconds, **fields):
    times = {
        name: (START + timedelta(seconds=fields.pop(name))).isoformat()
        for name in ("accepted_at", "notified_at")
        if name in fields
    }
    time = (START + timedelta(seconds=seconds)).isoformat()
    head = {"id": f"e{number}", "source": "s", "type": type_, "tenant_id": "a", "time": time}
    return TOPIC_OF[type_], b"a", orjson.dumps(head | fields | times)


def message(number, type_, seconds, accepted=0, name="m", **more):
    return event(
        number,
        f"message.{type_}",
        seconds,
        accepted_at=accepted,
        message_id=f"{name}{number if name == 'q' else ''}",
        recipient="r@example.org",
        direction="inbound" if type_ == "delivered" else "outbound",
        **more,
    )


def promised(exceedances):
    """A contract that allows fewer exceedances than so many."""
    terms = {"latency.exceedances": {"target": exceedances}}
    promise = {"tenant_id": "a", "version": 1, "effective_from": "2025-01-01"}
    return Contract.model_validate(promise | {"overrides": terms})


def second(text):
    return (datetime.fromisoformat(text) - START).total_seconds()


class Watched(LiveRun):
    """A task with a clock that starts at `START`; `feed` in seconds from there."""

    def until(self, seconds):
        """Look every second while nothing comes, as a worker does; when what was told came."""
        start_us = int(START.timestamp() * 1e6)
        while (now := (self.task.clock.now_us(self.now_s) - start_us) / 1e6) < seconds:
            self.now_s += 1 if seconds - now < 60 else 30
            if self.task.due(self.now_s):
                before = len(self.told)
                self.checkpoint()
                for record in self.told[before:]:
                    if record.topic == BREACHES.name:
                        self.seen.append((self.now_s, orjson.loads(record.value)))
        return self

    def __init__(self):
        self.seen = []
        super().__init__()

    def types(self, indicator):
        self.checkpoint()
        return [
            event["type"].rpartition(".")[2]
            for record in self.told
            if record.topic == BREACHES.name
            and (event := orjson.loads(record.value))["data"]["indicator"] == indicator
        ]


def test_messages_stuck_in_flight_are_told_by_name_and_once():
    run = Watched()
    run.feed([message(1, "accepted", 0, name="q"), message(2, "accepted", 0, name="q")])
    run.until(1_890)
    ((seen_at, first),) = run.seen
    assert (first["type"], first["subject"]) == ("sla.indicator.at_risk", "a")
    assert first["data"]["evidence"] == ["s#e1", "s#e2"]
    assert seen_at <= 1_800 + 60 + PROMISED_S
    run.until(3_700)
    _, (seen_at, last) = run.seen
    assert (last["type"], last["data"]["observed"]) == ("sla.indicator.breached", 2)
    assert last["data"]["evidence"] == ["s#e1", "s#e2"]
    assert 3_600 < seen_at <= 3_600 + PROMISED_S + run.task.clock.quiet_s
    run.until(9_000)
    assert len(run.seen) == 2


def test_a_tenant_with_its_first_fact_leaves_nothing_to_look_at_behind():
    """Until then it was looked at with others of whom mail alone was known, and was the last."""
    run = Watched()
    probe = {"probe": "p", "channel": "smtp", "capability": "send", "scope": "internal"}
    result = {"ok": True, "interval_s": 600, **probe}
    topic, _, value = event(1, "probe.result", 0, tenant_id="*", **result)
    run.feed([(topic, b"*", value)])
    run.checkpoint()
    run.hear()
    run.feed([message(2, "dispatched", 10, name="q")])
    run.until(20)
    run.feed([event(3, "probe.result", 30, **result)])
    run.until(2_000)
    assert run.status["a", "connectivity.downtime", "2025-10"].state == "ok"


def test_a_message_that_finishes_is_not_counted_twice():
    run = Watched()
    run.feed([message(1, "accepted", 0, name="q")])
    run.until(3_700)
    run.feed([message(1, "dispatched", 3_701, name="q")])
    run.until(4_000)
    assert run.types("latency.exceedances") == ["at_risk"]
    assert run.status["a", "latency.exceedances", "2025-10"].observed == 1


def test_word_of_a_timely_finish_that_comes_late_takes_the_breach_back():
    run = Watched()
    run.feed([message(1, "accepted", 0, name="q"), message(2, "accepted", 0, name="q")])
    run.until(3_700)
    run.feed([message(1, "dispatched", 20, name="q")])
    run.until(3_800)
    assert run.types("latency.exceedances") == ["at_risk", "breached", "withdrawn"]


@pytest.mark.parametrize("at_once", [True, False])
def test_word_of_an_earlier_finish_that_is_late_too_changes_nothing(at_once):
    run = Watched()
    run.feed([message(1, "accepted", 0, name="q"), message(2, "accepted", 0, name="q")])
    run.until(3_700)
    late = [message(2, "dispatched", seconds, name="q") for seconds in (4_000, 3_900)]
    for batch in [late] if at_once else [[each] for each in late]:
        run.feed(batch)
    assert run.types("latency.exceedances") == ["at_risk", "breached"]


def test_references_of_messages_in_flight_survive_a_restart():
    run = Watched()
    run.feed([message(1, "accepted", 0, name="q"), message(2, "accepted", 0, name="q")])
    run.checkpoint()
    run.restart()
    run.until(3_700)
    assert run.seen[-1][1]["data"]["evidence"] == ["s#e1", "s#e2"]


@pytest.mark.parametrize("restarted", [False, True])
def test_a_breach_names_the_finished_messages_that_took_too_long(restarted):
    run = Watched()
    run.feed([contract_record(promised(9))])
    run.feed([message(each, "delivered", 3_610 - each, name=f"slow{each}") for each in range(1, 9)])
    run.feed([message(20, "delivered", 3_600, name="quick")])
    run.checkpoint()
    if restarted:
        run.restart()
    run.feed([message(9, "delivered", 3_700, name="other")])
    run.until(3_710)
    (breach,) = (event for _, event in run.seen if event["type"] == "sla.indicator.breached")
    assert breach["data"]["evidence"] == [f"s#e{number}" for number in range(1, 10)]


@pytest.mark.parametrize(
    ("finishes", "named"),
    [
        ([("bounced", 3_000), ("dispatched", 9_000)], "s#e3"),
        ([("dispatched", 9_000), ("dispatched", 8_000)], "s#e3"),
        ([("dispatched", 9_000), ("accepted", 1), ("bounced", 9_000)], "s#e1"),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_a_slow_message_is_named_alike_however_its_records_are_cut(finishes, named, at_once):
    run = Watched()
    says = [("accepted", 0), *finishes]
    log = [message(number, *each) for number, each in enumerate(says, 1)]
    log.append(message(9, "dispatched", 9_100, name="other"))
    for batch in [log] if at_once else [[each] for each in log]:
        run.feed(batch)
    run.until(9_200)
    breach = next(event for _, event in run.seen if event["type"].endswith("breached"))
    assert breach["data"]["evidence"] == sorted([named, "s#e9"])


MONTHS_S = 150 * 24 * 3600


@pytest.mark.parametrize("restarts", [False, True])
def test_a_month_that_was_given_up_is_told_of_no_more(restarts):
    """A message of it is still on its way when a contract comes, its source is heard of again,
    and an exclusion is declared."""
    run = Watched()
    run.feed([message(1, "accepted", 0, name="q"), message(2, "accepted", 0, name="q")])
    run.until(3_700)
    told = [event["id"] for _, event in run.seen]
    run.feed([message(3, "accepted", MONTHS_S, MONTHS_S)])
    run.until(MONTHS_S + 100)
    if restarts:
        run.restart()
    excluded = {"exclusion_id": "x", "code": "force_majeure", "reason": "r", "actor": "li"}
    spans = {"starts_at": START.isoformat(), "ends_at": START.isoformat(), "sections": [2]}
    run.feed([contract_record(promised(2))])
    run.feed([message(1, "accepted", 0, name="q"), message(4, "accepted", 10, 10, name="q")])
    run.feed([event(5, "exclusion.declared", MONTHS_S + 100, **excluded, **spans)])
    run.feed([message(6, "accepted", MONTHS_S + 200, MONTHS_S + 200, name="q")])
    run.until(MONTHS_S + 4_000)
    assert [each["id"] for _, each in run.seen if each["data"]["period"] == "2025-10"] == told


def test_word_of_an_earlier_finish_takes_a_message_out_of_the_evidence():
    run = Watched()
    run.feed([message(1, "delivered", 3_700), message(2, "delivered", 3_700, name="other")])
    run.feed([message(3, "delivered", 10)])
    run.feed([message(4, "delivered", 3_800, name="third")])
    run.until(3_850)
    assert run.types("latency.exceedances")[-1] == "breached"
    last = [event for _, event in run.seen if event["type"].endswith("breached")][-1]
    assert last["data"]["evidence"] == ["s#e2", "s#e4"]


DAY_S = 24 * 3600
NEVER = {
    # Midnight in Shanghai; 24 h; the end of the next working day (a Thursday); a week's end.
    "backup.incremental": (
        "backup.completed",
        {"backup_id": "b", "kind": "full", "started_at": START.isoformat()},
        1.5 * DAY_S,
    ),
    "provisioning.own_domain": (
        "payment.confirmed",
        {"order_id": "o", "domain_kind": "own"},
        DAY_S,
    ),
    "antispam.complaint_response": (
        "complaint.received",
        {"case_id": "c", "origin": "own_domain"},
        1.5 * DAY_S,
    ),
    "antivirus.definition_updates": (
        "definitions.updated",
        {"engine": "av", "version": "1"},
        11.5 * DAY_S,
    ),
}


@pytest.mark.parametrize("indicator", NEVER)
def test_what_does_not_happen_is_told_within_30_s_of_its_deadline(indicator):
    type_, fields, deadline = NEVER[indicator]
    run = Watched()
    # Served from that day on: what was missed before is not missed here.
    served = Contract(tenant_id="a", version=1, effective_from=date(2025, 10, 8))
    run.feed([contract_record(served)])
    run.feed([event(1, type_, 0, **fields)])
    run.until(deadline - 1)
    assert run.types(indicator) == ["at_risk"]
    run.until(deadline + PROMISED_S)
    assert run.types(indicator) == ["at_risk", "breached"]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_deadline_is_known_with_the_calendar_it_is_counted_by(restarts):
    run, indicator = Watched(), "antispam.complaint_response"
    served = {"version": 1, "effective_from": date(2025, 10, 8), "calendar": "own"}
    run.feed([contract_record(Contract(tenant_id="a", **served))])
    run.feed([event(1, "complaint.received", 0, case_id="c", origin="own_domain")])
    run.until(3 * DAY_S)
    assert run.types(indicator) == []
    # With the day after the complaint free, the next one is the last in time.
    calendar = {"calendar": "own", "version": 1, "complete_for": [2025], "holidays": ["2025-10-09"]}
    run.feed([(CALENDARS.name, b"own", orjson.dumps(calendar))])
    run.checkpoint()
    if restarts:
        run.restart()
    run.hear()
    run.until(3 * DAY_S + PROMISED_S)
    assert run.types(indicator) == ["breached"]
    (told,) = (told for key, told in run.status.items() if key[1] == indicator)
    assert told.observed == 1
    run.feed(
        [(CALENDARS.name, b"own", orjson.dumps({**calendar, "version": 2, "week": "SUN-MON"}))]
    )
    run.checkpoint()
    run.hear()
    run.until(3 * DAY_S + 2 * PROMISED_S)
    assert run.types(indicator) == ["breached", "withdrawn"]


def test_a_silent_probe_is_unknown_within_30_s():
    run = Watched()
    probe = {"probe": "p", "channel": "smtp", "capability": "send", "scope": "internal"}
    run.feed([event(1, "probe.result", 0, ok=True, interval_s=60, **probe)])
    run.until(120 + PROMISED_S)
    states = [
        window["state"]
        for record in run.told
        if record.topic == WINDOWS.name and (window := orjson.loads(record.value))["window"] == "5m"
    ]
    assert states == ["up", "unknown"]


def test_a_late_answer_that_was_in_time_takes_the_breach_back():
    run = Watched()
    run.feed([event(1, "payment.confirmed", 0, order_id="o", domain_kind="own")])
    run.until(24 * 3600 + PROMISED_S)
    run.feed([event(2, "service.opened", 3_600, order_id="o", notified_at=3_700)])
    run.until(24 * 3600 + 100)
    assert run.types("provisioning.own_domain") == ["at_risk", "breached", "withdrawn"]


def test_no_time_passes_before_the_first_event():
    run = Watched()
    run.restart()
    for _ in range(3):
        run.pass_time(100)
    assert run.task.clock.now_us(run.now_s) == 0
    run.feed([message(1, "dispatched", 10, name="q")])
    # What is looked at begins with the event: years of nothing are not walked through.
    assert run.task.scheduler.position_us >= int(START.timestamp()) * 1_000_000
