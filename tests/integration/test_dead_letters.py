"""``mailsla dead-letters``: chosen, shown harmlessly, replayed."""

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from mailsla.sinks.quotas import QuotaWatch, tenants_over_quota
from mailsla.streams.cli.main import cli
from mailsla.streams.cli.support.doctor.checks import clickhouse_findings
from mailsla.streams.cli.support.errors import CheckFailed
from mailsla.streams.live.state.strangers import REJECTION
from mailsla.streams.metrics.names import REGISTRY
from mailsla.streams.settings import Settings

pytestmark = pytest.mark.embedded

ESC, BIDI = "\x1b[2J", "\u202e"
NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=2)
GOOD = {
    "id": "1",
    "source": "pbx",
    "type": "channel.up",
    "tenant_id": "acme",
    "time": f"{NOON:%Y-%m-%dT%H:%M:%SZ}",
    "channel": "phone",
}
LETTERS = [
    # partition, offset, bytes, reason, hours after noon
    (0, 1, json.dumps(GOOD), "was refused by an older release", 0),
    (0, 2, json.dumps(GOOD | {"channel": ESC}), "must be phone, mail or web", 1),
    (1, 3, json.dumps(GOOD | {"tenant_id": "other", "channel": "x"}), "must be phone", 2),
    (1, 4, f"no JSON {ESC}{BIDI}", f"is no JSON: {ESC}", 3),
    (1, 5, b"\xff\xfe\x00", "is no UTF-8", 4),
    (2, 6, json.dumps(GOOD | {"tenant_id": "new"}), REJECTION.reason, 5),
]


@pytest.fixture(scope="module")
def letters(server):
    client = server.connect()
    rows = []
    for partition, offset, value, reason, hours in LETTERS:
        raw = value if isinstance(value, bytes) else value.encode()
        received = NOON + timedelta(hours=hours)
        encoded = base64.b64encode(raw).decode()
        rows.append(["mail.support", partition, offset, reason, "channel", received, encoded])
    names = ["topic", "partition", "offset", "reason", "field", "received_at", "value_b64"]
    client.insert("dead_letters", rows, column_names=names)
    client.close()
    return server


def run(server, *words):
    done = CliRunner().invoke(cli, ["dead-letters", *words], env=server.variables)
    if done.exception:
        raise done.exception
    return done.stdout


def offsets(server, *words):
    return [row["offset"] for row in json.loads(run(server, "list", "--json", *words))]


def test_they_are_chosen_by_reason_tenant_and_time(letters):
    def at(hours):
        return f"{NOON + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"

    assert offsets(letters) == [6, 5, 4, 3, 2, 1]
    assert offsets(letters, "--reason", "MUST be") == [3, 2]
    assert offsets(letters, "--tenant", "acme") == [2, 1]
    assert offsets(letters, "--tenant", "nobody") == []
    assert offsets(letters, "--since", at(1), "--until", at(3)) == [3, 2]
    assert offsets(letters, "--tenant", "acme", "--since", at(1)) == [2]


def test_the_summary_counts_kinds_of_reasons(letters):
    kinds = json.loads(run(letters, "list", "--summary", "--json"))
    assert [kind["records"] for kind in kinds] == [1] * 6
    assert "no UTF-8" in run(letters, "list", "--summary")


def test_one_is_shown_with_why_and_whether_it_would_pass_now(letters):
    shown = run(letters, "show", "mail.support/0/1")
    assert "was refused by an older release" in shown
    assert "it passes now" in shown
    assert '"tenant_id": "acme"' in shown
    assert "still refused: channel" in run(letters, "show", "mail.support/0/2")
    with pytest.raises(CheckFailed, match=r"no dead letter at mail.support/9/9"):
        run(letters, "show", "mail.support/9/9")


def test_nothing_of_what_is_shown_steers_the_terminal(letters):
    everything = [run(letters, "list"), run(letters, "list", "--summary")]
    everything += [run(letters, "show", f"mail.support/{p}/{o}") for p, o, *_ in LETTERS]
    for text in everything:
        assert not set(text) & {"\x1b", BIDI, "\x00"}
    letter, *_ = json.loads(run(letters, "show", "mail.support/1/5", "--json"))
    assert base64.b64decode(letter["value_b64"]) == b"\xff\xfe\x00"


def test_a_dry_replay_says_what_would_pass_and_takes_the_same_choice(letters):
    assert run(letters, "replay", "--dry-run").startswith("1 pass now and would be replayed\n5 are")
    chosen = run(letters, "replay", "--dry-run", "--tenant", "other")
    assert chosen.startswith("0 pass now and would be replayed\n1 are still refused")


def finding(letters, check, **settings):
    found = {k.removeprefix("MAILSLA_").lower(): v for k, v in letters.variables.items()}
    (told,) = (
        one for one in clickhouse_findings(Settings(**found, **settings)) if one.check == check
    )
    return told


def test_what_is_quarantined_passes_once_a_contract_names_its_tenant(letters):
    place = "mail.support/2/6"
    assert "quarantined: no contract names the tenant" in run(letters, "show", place)
    assert run(letters, "replay", "--dry-run", place).startswith("0 pass now")
    told = finding(letters, "tenants")
    assert told.state == "note"
    assert "1 events of 1 tenants without a contract were held back: new;" in told.detail
    letters.connect().command(
        "INSERT INTO contracts (tenant_id, version, document) VALUES ('new', 1, '{}')"
    )
    assert "it passes now" in run(letters, "show", place)
    assert run(letters, "replay", "--dry-run", place).startswith("1 pass now")


def test_whoever_sends_more_than_the_quota_is_named_mail_too_and_all_of_it_is_there(letters):
    client = letters.connect()
    events = [("busy", NOON, f"b{n}") for n in range(3)]
    events += [("busy", NOON + timedelta(days=1), "b3"), ("quiet", NOON, "q")]
    client.insert("mta_events", events, column_names=["tenant_id", "time", "id"])
    found = {(tenant, events) for tenant, _, events in tenants_over_quota(client, 2)}
    assert ("busy", 3) in found
    assert not {("busy", 1), ("quiet", 1)} & found
    assert "busy" not in {tenant for tenant, *_ in tenants_over_quota(client, 3)}
    told = finding(letters, "quotas", tenant_events=2)
    assert told.state == "note"
    assert "more than 2 events of a day landed of " in told.detail
    asyncio.run(QuotaWatch(letters.settings(), 2).tick())
    assert REGISTRY.get_sample_value("mailsla_tenants_over_quota") >= 1


def test_they_are_kept_for_a_while_only(letters):
    text = letters.connect().command("SHOW CREATE TABLE dead_letters")
    assert "toIntervalDay(90)" in text
