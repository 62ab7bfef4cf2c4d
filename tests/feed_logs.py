"""Logs that mean much to the breach feed, each drawn from a seed."""

from datetime import UTC, date, datetime, timedelta

import orjson

from mailsla.schemas.codec.identifiers import PLATFORM
from mailsla.schemas.contract import Contract
from mailsla.schemas.facts.lines import fact_of
from mailsla.schemas.topics import BROADCAST, MTA, OPS
from mailsla.streams.live.state.platform import broadcast_record
from tests.live_run import contract_record
from tests.reference.instants import parse
from tests.reference.log import TOPIC_OF

SECOND = 1_000_000
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


def received(log):
    """When the broker received each record: as soon as everything before it had happened."""
    reached, times = 0, []
    for topic, _, value in log:
        event = orjson.loads(value)
        if topic == BROADCAST.name:
            reached = max(reached, event["heard_us"])
        elif "time" in event:
            reached = max(reached, parse(event["time"]))
        times.append(reached)
    return times


def busy_days(rng, messages=(20, 90)):
    """So many messages of a few days, most close to what matters, in order of arrival."""
    start = datetime(2025, 10, 30, 3, tzinfo=UTC)
    arrivals, clock = [], 0
    for number in range(rng.randint(*messages)):
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
                topic = rng.choice((OPS.name, MTA.name))
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


def with_platform(log, rng, ages_s):
    """The log with word of the platform at drawn places, as every task hears it there.

    Between the broadcast topic and a task's own there is no order: what is told hangs on where a
    task hears of something, and must hang on nothing else.

    Args:
        log: records of a task's own topics.
        rng: draws.
        ages_s: how long ago, seconds, it may have been by then.

    """
    times = received(log)
    first, made = next(at for at in times if at), []
    for number in range(rng.randint(1, 12)):
        place = rng.randrange(len(log))
        at = times[place] or first
        past = at - SECOND * rng.choice(ages_s)
        made.append((place, number, _of_platform(rng, number, at, past)))
    found = list(log)
    for place, _, record in sorted(made, reverse=True):
        found.insert(place, record)
    return found


def _of_platform(rng, number, at, past):
    """Word of an incident, an exclusion or an outage of everybody, or that one was a mistake."""
    name = f"p{rng.randrange(3)}"
    span = {"starts_at": past, "ends_at": past + SECOND * rng.choice((60, 7_200))}
    void = {"voids_source": "p", "voids_id": f"p{rng.randrange(number + 2)}", "reason": "a typo"}
    outage = {"reason": "a test", "actor": "li"}
    document = rng.choice(
        (
            {"type": "incident.opened", "time": past, "incident_id": name, "kind": "fault"},
            {"type": "incident.opened", "time": past, "incident_id": name, "kind": "adjustment"},
            {"type": "incident.closed", "time": past, "incident_id": name},
            {"type": "exclusion.declared", "time": at, "exclusion_id": name, "code": "carrier"}
            | span,
            {"type": "exclusion.revoked", "time": at, "exclusion_id": name},
            {"type": "outage.declared", "time": at, "outage_id": name} | outage | span,
            {"type": "event.voided", "time": at, "voids_topic": OPS.name, "actor": "li"} | void,
        )
    )
    head = {"id": f"p{number}", "source": "p", "tenant_id": PLATFORM}
    fact = fact_of(document | head)
    return BROADCAST.name, PLATFORM.encode(), broadcast_record(fact, at).value
