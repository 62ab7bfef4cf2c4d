"""The breach feed does not depend on pace: the same log tells the same events.

A month is lived through record by record, each when the clock reaches it and with idle time in
between, or replayed as fast as it can be read, in random batches, with checkpoints and restarts
anywhere: the feed's events, their ids and their order are the same.
"""

import os
from datetime import UTC, date, datetime, timedelta
from random import Random

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailsla.schemas.codec.identifiers import PLATFORM
from mailsla.schemas.contract import Contract
from mailsla.schemas.topics import BREACHES, CONTRACTS, MTA
from mailsla.streams.live.task import SILENCE_US
from mailsla.streams.time.calendar import to_us
from tests.live_run import LiveRun, contract_record
from tests.reference.instants import parse
from tests.reference.log import TOPIC_OF
from tests.reference.strategies import SCENES, History, histories, seeded_month

NEVER_US = 2**60
ALONE = [name for name in SCENES if name != "charges"]
MONTHS = int(os.environ.get("MAILSLA_MONTHS", "50")) // 10
BILLED = {"customer.charged", "billing.error_confirmed"}


def own_log(history, rng):
    """Contracts and the tenants' own events, in one order."""
    log = [contract_record(each) for each in history.contracts]
    records = [
        record
        for event, record in zip(history.events, history.records(), strict=True)
        if event["tenant_id"] != PLATFORM and event["type"] not in BILLED
    ]
    for record in log:
        records.insert(rng.randrange(len(records) // 2 + 1), record)
    return records


def feed_of(run):
    """(tenant, indicator, period) → what was told of it, in order; an id repeated counts once."""
    told = {}
    for record in run.told:
        if record.topic == BREACHES.name:
            event = orjson.loads(record.value)
            data = event["data"]
            key = (data["tenant_id"], data["indicator"], data["period"])
            line = (data["sequence"], event["type"], data["state"], event["id"], event["time"])
            told.setdefault(key, []).append(line)
    for lines in told.values():
        assert [line[0] for line in lines] == list(range(1, len(lines) + 1))
    return told


def settle(run):
    """Tell whatever is due now."""
    while run.task.due(run.now_s):
        run.hear()
        run.checkpoint()


def idle_until(run, instant_us, rng):
    """Let the clocks come to when the broker receives something next, in a few steps."""
    goal_s = instant_us / 1_000_000
    for _ in range(rng.choice((0, 1, 3))):
        run.now_s += (goal_s - run.now_s) * rng.random()
        settle(run)


def steadily(log):
    """Before which records a worker may be idle.

    What changes how mail is judged does so at the time that mail has come to, so idle time between
    the mail before it and the mail after it is not in the log.
    """
    changes = [
        topic == CONTRACTS.name or b"exclusion." in value or b"event.voided" in value
        for topic, _, value in log
    ]
    steady, begin = [True] * len(log), 0
    for place, (topic, _, _) in enumerate(log):
        if topic == MTA.name or place == len(log) - 1:
            if any(changes[begin : place + 1]):
                steady[begin : place + 1] = [False] * (place + 1 - begin)
            begin = place + 1
    return steady


def in_order(records):
    """Consecutive records of one topic at a time."""
    group = []
    for record in records:
        if group and group[0][0] != record[0]:
            yield group
            group = []
        group.append(record)
    if group:
        yield group


def received(log):
    """When the broker received each record: as soon as everything before it had happened."""
    reached, times = 0, []
    for _, _, value in log:
        event = orjson.loads(value)
        reached = max(reached, parse(event["time"])) if "time" in event else reached
        times.append(reached)
    return times


def lived(log, history, rng):
    """Record by record, each when the clock reaches it."""
    times = received(log)
    run = LiveRun(silence_us=NEVER_US, now_s=times[0] / 1_000_000)
    for record, reached, steady in zip(log, times, steadily(log), strict=True):
        if steady:
            idle_until(run, reached, rng)
        run.now_s = reached / 1_000_000
        run.feed([record], [reached])
        if rng.random() < 0.5:
            settle(run)
    return ended(run, history)


def replayed(log, history, rng, sizes, restarts, silence_us=SILENCE_US):
    """As fast as it goes, in batches cut anywhere."""
    place, times = 0, received(log)
    run = LiveRun(silence_us, now_s=times[-1] / 1_000_000)
    while place < len(log):
        size = rng.choice(sizes)
        for group in in_order(log[place : place + size]):
            run.feed(group, times[place : place + len(group)])
            place += len(group)
        if rng.random() < 0.5:
            run.checkpoint(everything=rng.random() < 0.5)
            if rng.random() < restarts:
                run.restart()
    return ended(run, history)


def ended(run, history):
    run.now_s += 2.0
    settle(run)
    run.now_s = max(run.now_s, to_us(history.cutoff) / 1_000_000 + 7_200)
    settle(run)
    return feed_of(run)


def assert_one_feed(log, history, seed):
    once = replayed(log, history, Random(seed), (10_000,), 0)
    assert replayed(log, history, Random(seed + 1), (1, 1, 2, 7, 40), 0.5) == once
    # Idle time trails the broker's by a second, so that which source is silent may differ by that.
    patient = replayed(log, history, Random(seed), (10_000,), 0, NEVER_US)
    assert lived(log, history, Random(seed + 2)) == patient


@pytest.mark.parametrize("seed", range(MONTHS))
def test_a_month_tells_one_feed_at_any_pace(seed):
    history = seeded_month(50_000 + seed)
    assert_one_feed(own_log(history, Random(seed)), history, seed)


@given(history=histories(scenes=ALONE), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=MONTHS, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_month_tells_one_feed_at_any_pace(history, seed):
    assert_one_feed(own_log(history, Random(seed)), history, seed)


def busy_days(rng):
    """Messages of a few days, most of them close to what matters, in order of arrival."""
    start = datetime(2025, 10, 30, 3, tzinfo=UTC)
    arrivals, clock = [], 0
    for number in range(rng.randint(20, 90)):
        clock += rng.choice((0, 1, 5, 30, 61, 300, 900, 1_900, 4_000))
        arrivals += _message(rng, number, clock)
        if rng.random() < 0.06:
            name = f"x{rng.randrange(3)}"
            since, until = clock - rng.choice((0, 3_000)), clock + rng.choice((1, 5_000))
            span = {"starts_at": since, "ends_at": until, "code": "carrier"}
            type_ = rng.choice(("exclusion.declared", "exclusion.declared", "exclusion.revoked"))
            fields = span if type_ == "exclusion.declared" else {}
            arrivals.append((clock, {"type": type_, "time": clock, "exclusion_id": name} | fields))
    tenants = ("a", "b")
    records = []
    for number, (_, event) in enumerate(sorted(arrivals, key=lambda arrival: arrival[0])):
        times = {
            name: (start + timedelta(seconds=event[name])).isoformat()
            for name in ("time", "accepted_at", "starts_at", "ends_at")
            if name in event
        }
        tenant = event.get("tenant_id", rng.choice(tenants))
        filled = {"id": f"e{number}", "source": "mx", "tenant_id": tenant} | event | times
        record = (TOPIC_OF[event["type"]], tenant.encode(), orjson.dumps(filled))
        records += [record] * rng.choice((1, 1, 1, 1, 2))
    profile = {"feed_hold_s": rng.choice((0, 60, 60, 600)), "max_latency_s": rng.choice((3600, 90))}
    terms = {"latency.exceedances": {"target": rng.choice((1, 2, 4))}}
    given = {"version": 1, "effective_from": date(2025, 1, 1), "profile": profile}
    own = Contract.model_validate({"tenant_id": "a", "overrides": terms} | given)
    records.insert(rng.choice((0, len(records) // 2)), contract_record(own))
    return records


def _message(rng, number, clock):
    direction, finish = rng.choice((("outbound", "dispatched"), ("inbound", "delivered")))
    base = {
        "tenant_id": rng.choice("ab"),
        "message_id": f"m{number}",
        "direction": direction,
        "recipient": "r@example.org",
        "accepted_at": clock,
    }
    if rng.random() < 0.1:
        base["liability"] = "carrier"
    made = []
    if rng.random() < 0.6:
        late = clock + rng.choice((0, 0, 0, 70, 2_000, 4_000))
        made.append((late, base | {"type": "message.accepted", "time": clock}))
    latencies = (0, 10, 59, 60, 61, 65, 90, 91, 120, 400, 1_799, 1_800, 1_801, 3_600, 3_601, 9_000)
    for _ in range(rng.choice((0, 1, 1, 1, 1, 2))):
        done = clock + rng.choice(latencies)
        arrival = done + rng.choice((0, 0, 0, 0, 30, 3_000))
        type_ = f"message.{rng.choice((finish, finish, finish, finish, 'bounced'))}"
        made.append((arrival, base | {"type": type_, "time": done}))
    return made


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=2 * MONTHS, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_busy_days_tell_one_feed_at_any_pace(seed):
    log, cutoff = busy_days(Random(seed)), datetime(2025, 11, 3, tzinfo=UTC)
    assert_one_feed(log, History("2025-10", ("a", "b"), (), cutoff, ()), seed)


def versions(rng):
    """Up to two versions of a contract."""
    for version in range(rng.randrange(3)):
        terms = {
            "latency.send.mean": {"target": rng.choice((10, 100))},
            "operations.fault_duration": {"target": rng.choice((10, 10_000))},
        }
        given = {"tenant_id": "a", "version": version + 1, "effective_from": date(2025, 1, 1)}
        profile = {"feed_hold_s": rng.choice((0, 60))}
        yield contract_record(
            Contract.model_validate(given | {"overrides": terms, "profile": profile})
        )


def late_news(rng):
    """Some hours of heartbeats and mail, and word of the past among them."""
    now = datetime(2025, 11, 3, 3, tzinfo=UTC)
    records, clock = [], 0

    def publish(type_, at, **fields):
        times = {name: each.isoformat() for name, each in fields.items() if name.endswith("_at")}
        head = {
            "id": f"e{len(records)}",
            "source": "s",
            "type": type_,
            "tenant_id": rng.choice("ab"),
        }
        event = head | {"time": at.isoformat()} | fields | times
        records.append((TOPIC_OF[type_], event["tenant_id"].encode(), orjson.dumps(event)))

    for number in range(rng.randint(20, 80)):
        clock += rng.choice((0, 0, 1, 2, 5, 14, 15, 16, 40, 61, 600))
        at = now + timedelta(seconds=clock)
        past = at - timedelta(seconds=rng.choice((100, 130, 3_000, 90_000, 900_000, 4_000_000)))
        name = f"i{rng.randrange(3)}"
        match rng.randrange(7):
            case 0:
                publish("monitor.heartbeat", at, monitor="m", interval_s=60)
            case 1:
                publish("incident.opened", past, incident_id=name, kind="fault")
            case 2:
                publish("incident.closed", past, incident_id=name)
            case 3:
                span = {"starts_at": past, "ends_at": past + timedelta(hours=2)}
                publish("exclusion.declared", at, exclusion_id=name, code="carrier", **span)
            case 4:
                # Of whatever tenant, and some of what comes later.
                named = {"voids_source": "s", "voids_id": f"e{rng.randrange(len(records) + 5)}"}
                topic = rng.choice(("mail.ops", MTA.name))
                why = {"voids_topic": topic, "reason": "a typo", "actor": "li"}
                publish("event.voided", at, **named, **why)
            case _:
                # Of this month: whether a mean of an earlier one is final is known batch by batch.
                accepted = rng.choice((at, max(past, at - timedelta(seconds=90_000))))
                done = accepted + timedelta(seconds=rng.choice((0, 1, 30, 200, 4_000)))
                message = {"message_id": f"m{number}", "recipient": "r@example.org"}
                type_ = "message.dispatched"
                way = {"direction": "outbound", "accepted_at": accepted}
                publish(type_, done, **message, **way)
    # Topics keep no common order: what a contract changes is told when it comes.
    return [*versions(rng), *records]


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=4 * MONTHS, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_past_tells_one_feed_however_it_is_cut(seed):
    log, cutoff = late_news(Random(seed)), datetime(2025, 11, 4, tzinfo=UTC)
    history = History("2025-11", ("a", "b"), (), cutoff, ())
    once = replayed(log, history, Random(seed), (10_000,), 0)
    for more in range(2):
        assert replayed(log, history, Random(seed + more), (1, 1, 2, 7, 40), 0.5) == once
