"""Kinds of record that once restarted a worker for ever: refused, and the next one is applied."""

import json

import orjson
import pytest

from mailsla.schemas.topics import BILLING, CONTRACTS, DEAD_LETTERS, MTA, SUPPORT
from tests.live_run import BROKER_US, LiveRun

LARGEST = 1_048_576 - 1_000
"""What a broker takes of a record by default, less its own bytes."""
TIME = "2026-10-20T08:00:00Z"
HEAD = {"id": "1", "source": "s", "tenant_id": "acme", "time": TIME}
CHARGE = HEAD | {
    "type": "customer.charged", "charge_id": "c", "amount": "1.00", "currency": "CNY",
    "billing_month": "2026-10",
}  # fmt: skip
MAIL = HEAD | {
    "type": "message.delivered", "accepted_at": TIME, "direction": "inbound", "message_id": "m",
    "recipient": "r@example.org",
}  # fmt: skip
CONTRACT = {"tenant_id": "acme", "version": 1, "effective_from": "2026-01-01"}
GOOD = (
    SUPPORT.name,
    b"acme",
    json.dumps(HEAD | {"type": "channel.up", "channel": "mail"}).encode(),
)

KINDS = {
    "a month of year 0": (BILLING.name, CHARGE | {"billing_month": "0000-01"}),
    "a month long ago": (BILLING.name, CHARGE | {"billing_month": "1899-12"}),
    "a time before time": (MTA.name, MAIL | {"accepted_at": "0001-01-01T00:00:00Z"}),
    "a time after time": (MTA.name, MAIL | {"time": "9999-12-31T23:59:59.999999Z"}),
    "a latency of 300,000 years": (
        CONTRACTS.name, CONTRACT | {"profile": {"max_latency_s": 10**13}},
    ),
    "a target of 400 digits": (
        CONTRACTS.name,
        CONTRACT | {"overrides": {"latency.send.mean": {"target": "9" * 400}}},
    ),
    "a target of 13 decimals": (
        CONTRACTS.name,
        CONTRACT | {"overrides": {"latency.send.mean": {"target": "0.1234567890123"}}},
    ),
    "an unknown zone": (CONTRACTS.name, CONTRACT | {"timezone": "Mars/Phobos"}),
    "a tenant that is no name": (BILLING.name, CHARGE | {"tenant_id": "a" * 100_000}),
    "no object": (MTA.name, [[[]]]),
}  # fmt: skip


def letters(run):
    return [json.loads(one.value) for one in run.told if one.topic == DEAD_LETTERS.name]


def well(run):
    """Whether the good record counts, now and after a restart."""
    for _ in range(2):
        run.checkpoint()
        assert run.task.tenants.has_facts("acme")
        assert all(len(one.key or b"") + len(one.value or b"") < LARGEST for one in run.told)
        run.restart()
    return True


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("broker_us", [BROKER_US, -1, 2**62], ids=["now", "negative", "far"])
def test_a_record_that_means_harm_is_a_dead_letter_and_the_next_one_counts(kind, broker_us):
    topic, document = KINDS[kind]
    run = LiveRun()
    run.feed([(topic, b"acme", orjson.dumps(document)), GOOD], [broker_us, BROKER_US])
    assert well(run)
    (letter,) = letters(run)
    assert (letter["topic"], letter["offset"]) == (topic, 0)


@pytest.mark.parametrize("broker_us", [-1, -(2**62), 0, 2**62])
def test_a_good_contract_with_any_stamp_is_taken(broker_us):
    run = LiveRun()
    run.feed([(CONTRACTS.name, b"acme", orjson.dumps(CONTRACT)), GOOD], [broker_us, BROKER_US])
    assert well(run)
    assert [one.version for one in run.task.tenants.versions("acme")] == [1]


@pytest.mark.parametrize("value", [b"{}", b"x" * 90_000, b"x" * 700_000, json.dumps(MAIL).encode()])
@pytest.mark.parametrize("length", [300_000, 950_000, 1_048_000])
def test_a_key_of_nearly_a_record_makes_no_record_that_the_broker_refuses(value, length):
    run = LiveRun()
    run.feed([(MTA.name, b"k" * length, value), GOOD])
    assert well(run)
