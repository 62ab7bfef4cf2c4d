"""Events put right after a month was closed: later revisions follow, old cutoffs do not."""

from datetime import UTC, date, datetime, timedelta

import pytest

from mailsla.sinks.closing.conflicts import note_conflicts_now_and_then
from mailsla.sinks.closing.plan.contract_segments import micros
from mailsla.sinks.closing.revisions.diff import diff_month
from mailsla.sinks.closing.run.close_month import close_month
from mailsla.sinks.closing.run.verify import verify_month
from mailsla.sinks.statement.facts.gather import closed_revisions, gather
from mailsla.streams.cli.support.doctor.landed import LANDED
from mailsla.streams.metrics.names import REGISTRY
from mailsla.streams.settings import Settings
from tests.integration.test_closing.conftest import forget
from tests.integration.test_closing.ledger import close, land
from tests.reference.scenario import CUTOFF, TENANT, at, contract, event, excluded, probes, sent

pytestmark = pytest.mark.embedded

OCTOBER = date(2025, 10, 1)
LATER = CUTOFF + timedelta(days=10)
BETWEEN = CUTOFF + timedelta(hours=1)
SLOW = sent(at(10, 12), 3700, "m1", id="slow", source="mx1")
OTHER = sent(at(10, 12), 3700, "m2", id="other", source="mx1")


def observed(closing, indicator):
    return {item.indicator: item.observed for item in closing.items}[indicator]


def void(topic, id_, source, **fields):
    return event(
        "event.voided", at(20), voids_topic=topic, voids_id=id_, voids_source=source,
        reason="the clock was wrong", actor="li", **fields,
    )  # fmt: skip


def conflicts_counted():
    counted = REGISTRY.get_sample_value("mailsla_conflicting_events_total", {"topic": "mail.mta"})
    return counted or 0


def test_a_voided_event_counts_for_old_cutoffs_and_not_for_later_ones(client):
    contracts = [contract()]
    (first,) = close(client, [SLOW, OTHER], now=CUTOFF, contracts=contracts)
    assert observed(first, "latency.exceedances") == 2
    land(client, [void("mail.mta", "slow", "mx1")], BETWEEN, 10)
    (second,) = close_month(client, OCTOBER, contracts=contracts, now=LATER)
    assert (second.revision, observed(second, "latency.exceedances")) == (2, 1)
    assert [check.differences for check in verify_month(client, OCTOBER)] == [(), ()]
    (difference,) = diff_month(client, OCTOBER)
    assert [(c.type, c.about) for c in difference.causes.events] == [("event.voided", "mx1#slow")]
    (statement,) = gather(client, OCTOBER, closed_revisions(client, OCTOBER))
    (told,) = statement.voided
    assert (told.reference, told.type, told.actor) == ("mx1#slow", "message.dispatched", "li")


def test_what_comes_again_under_its_id_with_other_content_never_counts_and_is_listed(client):
    again = SLOW | {"recipient": "another@example.org", "message_id": "m9"}
    elsewhere = OTHER | {"tenant_id": "umbrella"}
    contracts = [contract()]
    (first,) = close(client, [SLOW, OTHER], now=CUTOFF, contracts=contracts)
    land(client, [again, elsewhere, SLOW], BETWEEN, 10)
    before = conflicts_counted()
    (second,) = close_month(client, OCTOBER, contracts=contracts, now=LATER)
    assert second == first
    assert conflicts_counted() == before + 2
    close_month(client, OCTOBER, contracts=contracts, now=LATER + timedelta(minutes=1))
    assert conflicts_counted() == before + 2, "found again, it is the same"
    listed = client.query(
        "SELECT id, tenant_id, first_tenant_id, fields FROM conflicts ORDER BY id"
    ).result_rows
    assert listed == [
        ("other", "umbrella", TENANT, ["tenant_id"]),
        ("slow", TENANT, TENANT, ["message_id", "recipient"]),
    ]
    assert LANDED["conflicts"](client, Settings()).state == "ok", "they landed long ago"
    moved = {"landed_at": datetime.now(UTC), "topic": "mail.mta", "source": "mx1"}
    client.insert("conflict_log", [list(moved.values())], column_names=list(moved))
    told = LANDED["conflicts"](client, Settings())
    assert (told.state, "1 events came again" in told.detail) == ("note", True)
    assert "from mx1;" in told.detail


def test_what_comes_again_with_other_content_is_listed_soon_also_when_it_is_merged_away(client):
    known = {"exclusion_id": "x", "code": "force_majeure", "id": "declared", "source": "desk"}
    declared, longer = (excluded(at(3), length_s, **known) for length_s in (60, 120))
    land(client, [SLOW, OTHER, declared], CUTOFF)
    note_conflicts_now_and_then(client, micros(CUTOFF + timedelta(seconds=1)))
    again = [
        SLOW | {"accepted_at": SLOW["time"]},
        OTHER | {"recipient": "another@example.org"},
        longer,
    ]
    land(client, again, CUTOFF + timedelta(seconds=2), 10)
    for table in ("mta_events", "ops_events"):
        client.command(f"OPTIMIZE TABLE {table} FINAL")
    merged = "SELECT (SELECT count() FROM mta_events), (SELECT count() FROM ops_events)"
    assert client.query(merged).result_rows == [(3, 1)]
    note_conflicts_now_and_then(client, micros(CUTOFF + timedelta(seconds=31)))
    listed = client.query("SELECT id, fields FROM conflicts ORDER BY id").result_rows
    assert listed == [
        ("declared", ["ends_at"]), ("other", ["recipient"]), ("slow", ["accepted_at"]),
    ]  # fmt: skip


def test_a_declared_outage_is_downtime_once_it_is_approved(client):
    contracts = [contract(profile={"approval": ["outage"]})]
    watched = [one for scope in ("internal", "external") for capability in ("send", "receive")
               for one in probes(at(10), 86_400, scope=scope, capability=capability)]  # fmt: skip
    declared = event(
        "outage.declared", at(11), outage_id="o", starts_at=at(10, 12), ends_at=at(10, 13),
        reason="power", actor="li",
    )  # fmt: skip
    (first,) = close(client, [*watched, declared], now=CUTOFF, contracts=contracts)
    assert observed(first, "connectivity.downtime") == 0
    approved = event("approval.given", at(12), approves="o", actor="wang")
    land(client, [event("approval.given", at(12), approves="o", actor="li")], BETWEEN, 1000)
    assert close_month(client, OCTOBER, contracts=contracts, now=BETWEEN)[0] == first
    land(client, [approved], BETWEEN + timedelta(hours=1), 1001)
    (second,) = close_month(client, OCTOBER, contracts=contracts, now=LATER)
    assert observed(second, "connectivity.downtime") == 3600
    (difference,) = diff_month(client, OCTOBER)
    assert ("approval.given", "o") in {(c.type, c.about) for c in difference.causes.events}


def test_each_part_of_a_month_asks_for_approval_by_its_own_version(client):
    """The second outage is the platform's, the probes are the tenant's own."""
    contracts = [
        contract(profile={"approval": ["outage"]}),
        contract(version=2, effective_from="2025-10-15"),
    ]
    outages = [
        event("outage.declared", at(21), outage_id=str(day), tenant_id=tenant,
              starts_at=at(day, 12), ends_at=at(day, 13), reason="power", actor="li")
        for day, tenant in ((10, TENANT), (20, "*"))
    ]  # fmt: skip
    events = [*probes(at(10), 86_400), *outages]
    for tenants in ([TENANT, "*"], ["*"]):
        forget(client)
        own = [one for one in events if one["tenant_id"] in tenants or "probe" in one]
        (closing,) = close(client, own, now=CUTOFF, contracts=contracts)
        (item,) = (one for one in closing.items if one.indicator == "connectivity.downtime")
        assert [one.observed for one in item.parts] == [0, 3600]
        assert item.observed == 3600 * len(tenants)


def test_maintenance_booked_late_for_an_earlier_month_uses_up_the_hours_of_later_ones(client):
    contracts = [contract(profile={"max_hours_per_year": 1})]
    outage = probes(at(10, 12), 3600, ok=False)
    known = {"code": "agreed_maintenance", "consent_ref": "letter 9"}
    window = excluded(at(10, 12), 3600, exclusion_id="october", **known)
    (first,) = close(client, [*outage, window], now=CUTOFF, contracts=contracts)
    assert observed(first, "connectivity.downtime") == 0
    earlier = excluded(at(3, 1, month=3), 1800, exclusion_id="march", **known)
    land(client, [earlier], BETWEEN, 10)
    (second,) = close_month(client, OCTOBER, contracts=contracts, now=LATER)
    assert (second.revision, observed(second, "connectivity.downtime")) == (2, 1800)
    assert [check.differences for check in verify_month(client, OCTOBER)] == [(), ()]
    (difference,) = diff_month(client, OCTOBER)
    assert [each.about for each in difference.causes.events] == ["march"]
    (statement,) = gather(client, OCTOBER, closed_revisions(client, OCTOBER))
    assert [one.exclusion_id for one in statement.exclusions] == ["october"]
    half_an_hour = 1_800_000_000
    told = statement.maintenance
    assert (told.counted_us, told.left_out_us) == (2 * half_an_hour, half_an_hour)
    assert told.state(statement.exclusions[0]) == "cut"


@pytest.mark.parametrize("watched", [False, True], ids=["silent", "watched"])
def test_an_exclusion_that_changes_nothing_makes_no_revision(client, watched):
    contracts = [contract()]
    fault = [
        event("incident.opened", at(10), incident_id="i", kind="fault"),
        event("incident.closed", at(10, 1), incident_id="i"),
    ]
    seen = [*fault, *probes(at(10), 3600, ok=False)] if watched else []
    (first,) = close(client, [SLOW, *seen], now=CUTOFF, contracts=contracts)
    idle = event(
        "exclusion.declared", at(9), exclusion_id="x", code="agreed_maintenance",
        starts_at=at(10), ends_at=at(11),
    )  # fmt: skip
    land(client, [idle], BETWEEN, 1000)
    (second,) = close_month(client, OCTOBER, contracts=contracts, now=LATER)
    assert second == first
