"""Addresses are hashed where a key is set, and forgotten: closings stay as they were."""

import base64
import json
from datetime import timedelta

import numpy as np
import pytest

from mailsla.schemas.codec.addresses import FIELDS, HASHED, AddressKey
from mailsla.sinks.closing.run.close_month import close_month
from mailsla.sinks.closing.run.verify import verify_month
from mailsla.sinks.ddl import FACT_TABLES
from mailsla.sinks.forgetting import Forgetting
from mailsla.sinks.landing.facts import decode_facts
from tests.integration.test_closing.ledger import BROKER_US, land
from tests.integration.test_closing.month import OCTOBER, QUIET, TERRIBLE, contracts
from tests.reference.scenario import CUTOFF, at, event, received

pytestmark = pytest.mark.embedded

KEY = AddressKey("a secret of the installation")
SOMEONE = "someone@acme.example"
LETTERS = [(1, {"tenant_id": QUIET, "recipient": SOMEONE}), (2, {"tenant_id": TERRIBLE})]
OWN = [
    received(at(10, 9), 4_000, "own-1", tenant_id=TERRIBLE, recipient=SOMEONE, mailbox=SOMEONE),
    received(at(11, 9), 5, "own-2", tenant_id=TERRIBLE, recipient=SOMEONE),
    event("message.scanned", at(9), message_id="scan-9", tenant_id=TERRIBLE, mailbox=SOMEONE),
    event("account.locked", at(1), account=SOMEONE, tenant_id=TERRIBLE),
    event("complaint.received", at(14), case_id="c9", reporter=SOMEONE, tenant_id=TERRIBLE),
]


def everything(client):
    """All that is kept, as text."""
    found = {
        table: client.query(f"SELECT * FROM {table} ORDER BY ALL").result_rows
        for table in FACT_TABLES.values()
    }
    letters = client.query("SELECT base64Decode(value_b64) FROM dead_letters").result_rows
    mutations = client.query("SELECT command FROM system.mutations").result_rows
    return f"{found} {letters} {mutations}"


@pytest.fixture
def landed(client):
    client.command("TRUNCATE TABLE dead_letters")
    for offset, value in LETTERS:
        encoded = base64.b64encode(json.dumps(value).encode()).decode()
        client.insert(
            "dead_letters", [["mail.mta", 0, offset, "x", encoded]],
            column_names=["topic", "partition", "offset", "reason", "value_b64"],
        )  # fmt: skip
    land(client, OWN, CUTOFF - timedelta(seconds=1))
    assert SOMEONE in everything(client)
    return client


def test_a_closing_stays_when_addresses_are_forgotten(landed):
    client = landed
    close_month(client, OCTOBER, contracts=contracts(), now=CUTOFF)
    for whom in ({"mailbox": SOMEONE}, {"tenant": TERRIBLE}):
        forgetting = Forgetting(client, KEY, **whom)
        assert all(forgetting.count().values()) == ("mailbox" in whom)
        forgetting.forget()
        assert not any(forgetting.count().values())
        assert SOMEONE not in everything(client)
    # The two messages of one person have nothing in common any more.
    names = client.query(
        "SELECT uniqExact(recipient), count() FROM mta_events FINAL WHERE message_id LIKE 'own-%'"
    ).result_rows
    assert names == [(2, 2)]
    checks = verify_month(client, OCTOBER)
    assert {check.stored.tenant_id for check in checks} == {QUIET, TERRIBLE}
    assert not any(check.differences for check in checks)


def test_one_that_was_cut_off_is_finished_by_the_next(landed, monkeypatch):
    client, forgetting = landed, Forgetting(landed, KEY, mailbox=SOMEONE)
    rows = client.query("SELECT count() FROM mta_events FINAL").result_rows
    calls = []

    def killed(table):
        calls.append(table)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(forgetting, "_bring_back", killed)
    with pytest.raises(KeyboardInterrupt):
        forgetting.forget()
    assert client.query("SELECT count() FROM mta_events FINAL").result_rows != rows
    Forgetting(client, KEY, mailbox=SOMEONE).forget()
    assert client.query("SELECT count() FROM mta_events FINAL").result_rows == rows
    assert SOMEONE not in everything(client)


def test_with_a_key_addresses_land_hashed_and_equal_ones_alike():
    events = [json.dumps(one).encode() for one in OWN[:2]]
    times = np.full(2, BROKER_US)
    rows = decode_facts("mail.mta", 0, np.arange(2), events, times, KEY).rows
    assert rows.column("recipient").to_pylist() == [KEY.hashed(SOMEONE)] * 2
    assert rows.column("mailbox").to_pylist() == [KEY.hashed(SOMEONE), None]
    assert KEY.hashed(KEY.hashed(SOMEONE)) == KEY.hashed(SOMEONE)
    assert KEY.hashed(SOMEONE).startswith(HASHED)
    assert AddressKey("another secret here").hashed(SOMEONE) != KEY.hashed(SOMEONE)
    assert "recipient" in FIELDS
