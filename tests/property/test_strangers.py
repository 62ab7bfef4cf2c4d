"""Tenants that no contract names: so many have a place, the others' events are held back."""

from base64 import b64decode
from random import Random

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from mailsla.schemas.codec.records import HELD_BACK, OVER_QUOTA
from mailsla.schemas.contract import default_contract
from mailsla.schemas.topics import BREACHES, DEAD_LETTERS
from mailsla.streams.live.state.strangers import MAIL_ALONE
from mailsla.streams.time.calendar import to_datetime
from tests.live_run import LiveRun, contract_record

START_US = 1_793_145_600_000_000
BODIES = {
    "mail.mta": {
        "type": "message.delivered",
        "direction": "inbound",
        "message_id": "m",
        "recipient": "r@example.org",
    },
    "mail.support": {"type": "channel.down", "channel": "phone"},
    "mail.billing": {
        "type": "customer.charged",
        "charge_id": "c",
        "amount": "1.00",
        "currency": "CNY",
        "billing_month": "2026-10",
    },
}
MAIL, FACT, BILL = BODIES


def event(number, topic, tenant, accepted_s=1):
    at = to_datetime(START_US + number * 1_000_000).isoformat()
    body = BODIES[topic] | {"id": f"{topic}{number}", "source": "s", "tenant_id": tenant}
    body |= {"time": at}
    if topic == MAIL:
        body["accepted_at"] = to_datetime(START_US + (number - accepted_s) * 1_000_000).isoformat()
    return topic, tenant.encode(), orjson.dumps(body)


def named(tenant):
    return contract_record(default_contract(tenant).model_copy(update={"version": 1}))


def held_back(run):
    """(tenant, id) of the events in the dead letters."""
    found = []
    for record in run.told:
        if record.topic == DEAD_LETTERS.name:
            letter = orjson.loads(record.value)
            assert letter["reason"].startswith((HELD_BACK, OVER_QUOTA))
            assert letter["field"] == "tenant_id"
            value = orjson.loads(b64decode(letter["value_b64"]))
            found.append((value["tenant_id"], value["id"]))
    return found


def known(run):
    tenants = run.task.tenants
    return sorted(tenants.names), {name for name in tenants.names if tenants.has_facts(name)}


def test_invented_tenants_leave_no_trace_in_the_state_and_the_others_are_unhurt():
    run = LiveRun(most_strangers=3)
    run.feed([named("acme")])
    flood = [event(n, FACT, f"x{n}") for n in range(200)] + [event(n, MAIL, "y") for n in range(5)]
    flood += [event(n, BILL, f"x{n}") for n in range(200)]
    run.feed([*flood, event(300, FACT, "acme"), event(300, MAIL, "acme", 4_000)])
    run.feed([event(301, MAIL, "acme", 4_000)])
    run.checkpoint()
    names, with_facts = known(run)
    assert len(with_facts - {"acme"}) == 3
    assert set(names) == {*with_facts, "y"}
    assert len(held_back(run)) == 2 * (200 - 3)
    kept = b"".join(value or b"" for value in run._state.values())
    assert all(f'"{tenant}"'.encode() not in kept for tenant, _ in held_back(run))
    breached = [record.key for record in run.told if record.topic == BREACHES.name]
    assert b"acme" in breached


def test_with_mail_alone_many_more_have_a_place():
    run = LiveRun(most_strangers=1)
    run.feed([event(n, MAIL, f"x{n}") for n in range(MAIL_ALONE + 7)])
    run.checkpoint()
    assert run.task.tenants.names == [f"x{n}" for n in range(MAIL_ALONE)]
    assert [tenant for tenant, _ in held_back(run)] == [
        f"x{n}" for n in range(MAIL_ALONE, MAIL_ALONE + 7)
    ]
    assert run.task.tenants.strangers.held_back == {MAIL: 7}


def test_a_contract_brings_a_tenant_in_and_its_events_are_replayed():
    run, events = LiveRun(most_strangers=1), [event(n, FACT, f"x{n}") for n in range(3)]
    run.feed(events)
    run.checkpoint()
    assert held_back(run) == [("x1", "mail.support1"), ("x2", "mail.support2")]
    run.feed([named("x1")])
    run.feed(events[1:2])
    assert known(run)[1] == {"x0", "x1"}
    run.feed([named("x0"), events[2]])  # whoever a contract names makes room for another
    assert known(run)[1] == {"x0", "x1", "x2"}


def test_one_that_has_a_place_keeps_it_when_there_are_fewer():
    run = LiveRun(most_strangers=2)
    run.feed([event(n, FACT, f"x{n}") for n in range(2)])
    run.checkpoint()
    run._options["most_strangers"] = 1
    run.restart()
    run.feed([event(n, FACT, f"x{n % 3}") for n in range(3, 6)])
    run.checkpoint()
    assert {tenant for tenant, _ in held_back(run)} == {"x2"}


def test_a_quota_bounds_a_tenant_s_events_of_a_day_and_nobody_else_s():
    run = LiveRun(most_a_day=3)
    run.feed([named("busy"), named("acme")])
    tomorrow = 86_400
    flood = [event(n, FACT, "busy") for n in range(10)]
    flood += [event(n + tomorrow, FACT, "busy") for n in range(5)]
    others = [event(n + 20, FACT, "acme") for n in range(3)]
    run.feed([*flood[:4], flood[0], *others[:2]])  # the same once more takes no room
    run.checkpoint()
    run.restart()
    run.feed([*flood[4:], others[2]])
    run.checkpoint()
    refused = {name for tenant, name in held_back(run) if tenant == "busy"}
    late = {f"{FACT}{n}" for n in range(3, 10)} | {f"{FACT}{n + tomorrow}" for n in (3, 4)}
    assert refused == late
    assert not [one for one in held_back(run) if one[0] != "busy"]


records = st.lists(
    st.tuples(st.sampled_from(list(BODIES)), st.integers(0, 12)), min_size=1, max_size=30
)


@given(records, st.integers(1, 3), st.integers(0, 2**20))
@settings(max_examples=25, deadline=None)
def test_who_has_a_place_hangs_on_the_log_alone(history, most, seed):
    rng = Random(seed)
    log = [event(n, topic, f"x{number}") for n, (topic, number) in enumerate(history)]
    outcomes = []
    for cuts in (1, 5):
        run = LiveRun(most_strangers=most)
        places = sorted(rng.sample(range(len(log) + 1), min(cuts, len(log))))
        for start, end in zip([0, *places], [*places, len(log)], strict=True):
            run.feed(log[start:end])
            run.checkpoint()
            if cuts > 1:
                run.restart()
        outcomes.append((known(run), sorted(held_back(run))))
    assert outcomes[0] == outcomes[1]
    (names, with_facts), refused = outcomes[0]
    assert len(with_facts) <= most
    assert len(names) <= most * (1 + MAIL_ALONE)
    assert {tenant for tenant, _ in refused}.isdisjoint(with_facts)
