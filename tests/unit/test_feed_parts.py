"""The feed of section 2 in a month whose contract changes: followed message by message."""

from datetime import date

import orjson
import pytest

from mailsla.schemas.contract import Contract
from mailsla.schemas.topics import BREACHES
from mailsla.streams.clauses.model.stuck_limits import LatencyLimits
from tests.live_run import contract_record
from tests.unit.clauses_scene import at
from tests.unit.test_feed_clock import Watched, message, second

DAY_S = 86_400


def version(number, first, target, **profile):
    terms = {"latency.exceedances": {"target": target}}
    return Contract.model_validate(
        {
            "tenant_id": "a",
            "version": number,
            "effective_from": first,
            "overrides": terms,
            "profile": profile,
        }
    )


def told(run):
    run.checkpoint()
    found = []
    for record in run.told:
        if record.topic == BREACHES.name:
            event = orjson.loads(record.value)
            if event["data"]["indicator"] == "latency.exceedances":
                state, observed = event["data"]["state"], event["data"]["observed"]
                found.append((state, observed, second(event["time"])))
    return found


VERSIONS = (version(1, date(2025, 1, 1), 5), version(2, date(2025, 10, 8), 3))
LATE = [message(number, "delivered", 3_700 + number, name="q") for number in range(1, 4)]
NEXT_DAY = message(9, "delivered", DAY_S, accepted=DAY_S - 1)


@pytest.mark.parametrize("at_once", [True, False])
def test_exceedances_of_a_part_are_followed_one_by_one(at_once):
    run = Watched()
    run.feed([contract_record(each) for each in VERSIONS])
    for batch in [[*LATE, NEXT_DAY]] if at_once else [[each] for each in (*LATE, NEXT_DAY)]:
        run.feed(batch)
    assert told(run) == [("at_risk", 2.0, 3_600.000001), ("breached", 3.0, 3_600.000001)]


@pytest.mark.parametrize("at_once", [True, False])
def test_a_message_in_flight_has_the_limit_of_its_part(at_once):
    """The version in force now allows an hour, that of its day a quarter of one."""
    run = Watched()
    quick = version(1, date(2025, 1, 1), 1, max_latency_s=900)
    run.feed([contract_record(each) for each in (quick, version(2, date(2025, 10, 9), 1))])
    waiting, later = message(1, "accepted", 0, name="q"), message(9, "accepted", DAY_S, DAY_S)
    for batch in [[waiting, later]] if at_once else [[waiting], [later]]:
        run.feed(batch)
    held_s = 60  # at risk is told after it has held
    assert [(state, when) for state, _, when in told(run)] == [
        ("at_risk", 450.0 + held_s),
        ("breached", 900.000001),
    ]


def test_the_limit_is_that_of_the_contract_that_judges_the_instant():
    versions = (
        version(1, date(2025, 9, 10), 1, max_latency_s=60),
        version(2, date(2025, 10, 8), 1, max_latency_s=120),
        version(3, date(2025, 12, 1), 1, max_latency_s=180, in_flight_share="0.9"),
    )
    ended = versions[2].model_copy(update={"effective_to": date(2026, 2, 1)})
    limits = LatencyLimits("a", (*versions[:2], ended))
    days = {
        "2025-08-31 23:59": (1_800, 3_600),
        "2025-10-07 23:59": (30, 60),
        "2025-10-08 00:00": (60, 120),
        "2025-11-30 23:59": (60, 120),
        "2025-12-01 00:00": (162, 180),
        "2026-01-31 23:59": (162, 180),
        "2026-02-01 00:00": (1_800, 3_600),
    }
    stuck, longest = limits.at([at(day) for day in days])
    assert list(zip(stuck // 1_000_000, longest // 1_000_000, strict=True)) == list(days.values())


@pytest.mark.parametrize("at_once", [True, False])
def test_a_contract_that_comes_first_is_looked_at_from_the_first_event_on(at_once):
    """Of the events neither is a tenant's with a contract, nor says the first of them a latency."""
    watched = {"operations.monitoring": {"judged": True}}
    promise = {"tenant_id": "b", "version": 1, "effective_from": "2025-10-10"}
    run = Watched()
    run.feed([contract_record(Contract.model_validate(promise | {"overrides": watched}))])
    log = [message(1, "expired", 0), message(2, "accepted", 20 * DAY_S, 20 * DAY_S)]
    for batch in [log] if at_once else [[each] for each in log]:
        run.feed(batch)
    run.checkpoint()
    events = [orjson.loads(each.value) for each in run.told if each.topic == BREACHES.name]
    (breach,) = (each for each in events if each["data"]["indicator"] == "operations.monitoring")
    assert breach["time"] == "2025-10-09T16:00:00.000001Z"


@pytest.mark.parametrize("at_once", [True, False])
def test_a_largest_latency_that_is_judged_is_followed_message_by_message(at_once):
    judged = {"latency.receive.max": {"judged": True, "target": 100}}
    promise = {"tenant_id": "a", "version": 1, "effective_from": "2025-01-01"}
    run = Watched()
    run.feed([contract_record(Contract.model_validate(promise | {"overrides": judged}))])
    log = [message(each, "delivered", each, name="q") for each in (10, 50, 101, 120)]
    log += [message(7, "delivered", 130, name="slow"), message(7, "delivered", 60, name="slow")]
    log.append(message(8, "delivered", DAY_S, DAY_S))
    for batch in [log] if at_once else [[each] for each in log]:
        run.feed(batch)
    run.checkpoint()
    events = [orjson.loads(each.value) for each in run.told if each.topic == BREACHES.name]
    found = [
        (each["data"]["state"], second(each["time"]))
        for each in events
        if each["data"]["indicator"] == "latency.receive.max"
    ]
    assert found == [("breached", 102)]


def foreign(number, seconds, accepted=0):
    return message(number, "delivered", seconds, accepted, name="q", liability="carrier")


JUDGED = {"latency.receive.max": {"judged": True, "target": 4_000}}
LEFT_OUT = [
    (
        JUDGED,
        "breached",
        [foreign(1, 3_700), message(2, "delivered", 4_100, name="q"), foreign(3, 4_130)],
    ),
    (
        {"latency.exceedances": {"target": 2}},
        "at_risk",
        [
            message(1, "accepted", 0, name="q"),
            message(9, "dispatched", 1_990, 1_990, name="q"),
            message(1, "dispatched", 2_000, name="q"),
            foreign(2, 3_700),
            message(3, "accepted", 4_000, 4_000, name="q"),
            message(4, "dispatched", 6_000, 6_000, name="q"),
            foreign(5, 6_100),
        ],
    ),
]


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(("overrides", "state", "log"), LEFT_OUT)
def test_what_is_left_out_is_told_as_of_the_turn(overrides, state, log, at_once):
    promise = {"tenant_id": "a", "version": 1, "effective_from": "2025-01-01"}
    run = Watched()
    run.feed([contract_record(Contract.model_validate(promise | {"overrides": overrides}))])
    log = [*log, message(8, "delivered", DAY_S, DAY_S)]
    for batch in [log] if at_once else [[each] for each in log]:
        run.feed(batch)
    run.checkpoint()
    events = [orjson.loads(each.value)["data"] for each in run.told if each.topic == BREACHES.name]
    found = [one for one in events if one["indicator"] in overrides and one["state"] == state]
    assert found[-1]["excluded"] == 1
