"""Revisions, credits, cutoff, lock: what a closing freezes, and what changes it."""

import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from mailsla.schemas.indicators import INDICATORS
from mailsla.sinks.closing.cutoff import fix_cutoff
from mailsla.sinks.closing.errors import ClosingInProgressError, MonthNotOverError
from mailsla.sinks.closing.plan.plan_store import refresh_plans
from mailsla.sinks.closing.revisions import writer
from mailsla.sinks.closing.run import lock
from mailsla.sinks.closing.run.close_month import close_month
from mailsla.sinks.migrations import read_migrations
from tests.integration.test_closing.ledger import close, findings, land
from tests.reference.scenario import (
    CUTOFF,
    MONTH_S,
    TENANT,
    at,
    contract,
    event,
    excluded,
    fault,
    probes,
    sent,
)

pytestmark = pytest.mark.embedded

OCTOBER = date(2025, 10, 1)
NOON = at(10, 12)
LATER = CUTOFF + timedelta(days=10)
FEE = {"monthly_fee": {"amount": "1200.50", "currency": "CNY"}}
OVER = [sent(NOON, 3700, "m1"), sent(NOON, 3700, "m2")]


def again(client, contracts, now=LATER, **options):
    return close_month(client, OCTOBER, contracts=contracts, now=now, **options)


def rows(client, query):
    return client.query(query).result_rows


def credits(client):
    return rows(
        client,
        "SELECT revision, kind, remedy, days, amount, currency FROM credits ORDER BY ALL",
    )


def test_unchanged_input_gives_no_new_revision(client):
    contracts = [contract()]
    first = close(client, OVER, now=CUTOFF, contracts=contracts)
    assert again(client, contracts) == first
    assert rows(client, "SELECT revision, status FROM closings") == [(1, "final")]
    assert rows(client, "SELECT count() FROM closing_items") == [(len(INDICATORS),)]


def test_a_late_event_supersedes_the_revision_and_turns_its_credits(client):
    contracts = [contract(**FEE)]
    (first,) = close(client, OVER, now=CUTOFF, contracts=contracts)
    assert (first.verdict, first.remedies) == ("breached", ("double_service",))
    purged = event("complaint.received", at(14), case_id="c")
    excuse = excluded(NOON, 60, code="carrier")
    land(client, [excuse, purged], CUTOFF + timedelta(hours=1), 10)
    (second,) = again(client, contracts)
    assert (second.revision, second.remedies) == (2, ("fee_waiver",))
    statuses = "SELECT revision, status, remedies FROM closings ORDER BY revision"
    assert rows(client, statuses) == [
        (1, "superseded", ["double_service"]),
        (2, "final", ["fee_waiver"]),
    ]
    assert credits(client) == [
        (1, "issue", "double_service", 31, None, None),
        (2, "issue", "fee_waiver", None, Decimal("1200.50"), "CNY"),
        (2, "reversal", "double_service", 31, None, None),
    ]


def test_a_closing_repeated_at_its_cutoff_does_not_see_what_landed_later(client):
    contracts = [contract()]
    first = close(client, OVER, now=CUTOFF, contracts=contracts)
    land(client, [sent(NOON, 9000, "m3")], CUTOFF + timedelta(hours=1), 10)
    assert again(client, contracts, now=CUTOFF) == first
    assert again(client, contracts)[0].revision == 2


def test_a_changed_contract_is_a_new_revision_be_it_only_the_fee_under_the_old_number(client):
    late = event("complaint.received", at(14), case_id="c")
    close(client, [*OVER, late], now=CUTOFF, contracts=[contract(**FEE)])
    dearer = {"monthly_fee": {"amount": "1300", "currency": "CNY"}}
    (second,) = again(client, [contract(**dearer)])
    assert [c.amount for c in second.credits if c.kind == "issue"] == [None, Decimal(1300)]
    (third,) = again(client, [contract(version=2, **dearer)])
    assert [(e.revision, e.items[0].contract_version) for e in (second, third)] == [(2, 1), (3, 2)]


def test_both_remedies_can_be_owed_and_stacking_adds_them_up(client):
    late = event("complaint.received", at(14), case_id="c")
    events = [*OVER, *fault(NOON, 7000), late]
    (once,) = close(client, events, now=CUTOFF, contracts=[contract()])
    assert once.remedies == ("double_service", "fee_waiver")
    (stacked,) = again(client, [contract(version=2, profile={"stacking": "per_section"})])
    assert stacked.remedies == ("double_service", "double_service", "fee_waiver")


def test_a_dry_run_books_nothing(client):
    (closing,) = close(client, OVER, now=CUTOFF, contracts=[contract()], dry_run=True)
    assert (closing.revision, closing.verdict) == (1, "breached")
    assert rows(client, "SELECT count() FROM closing_log") == [(0,)]


def test_a_run_that_breaks_off_before_its_last_insert_leaves_nothing(client, monkeypatch):
    whole = writer._insert

    def breaks(client, table, content):
        if table == "closing_log":
            raise ConnectionError("cut")
        whole(client, table, content)

    contracts = [contract()]
    with monkeypatch.context() as broken:
        broken.setattr(writer, "_insert", breaks)
        with pytest.raises(ConnectionError):
            close(client, OVER, now=CUTOFF, contracts=contracts)
    assert rows(client, "SELECT count() FROM credit_log") == [(1,)]
    assert rows(client, "SELECT count() FROM credits") == [(0,)]
    assert rows(client, "SELECT count() FROM closing_items") == [(0,)]
    assert again(client, contracts)[0].revision == 1
    assert len(credits(client)) == 1
    assert rows(client, "SELECT count() FROM closing_items") == [(len(INDICATORS),)]


def test_a_month_that_is_not_over_is_refused_or_provisional(client):
    early = at(20)
    land(client, OVER, at(19))
    with pytest.raises(MonthNotOverError, match="2025-10 is not over yet"):
        again(client, [contract()], now=early)
    (forced,) = again(client, [contract()], now=early, force=True)
    assert forced.provisional
    (final,) = again(client, [contract()])
    assert (final.revision, final.provisional) == (2, False)
    (undrained,) = again(client, [contract()], undrained=True)
    assert undrained == final, "the same figures are final already"
    land(client, [sent(NOON, 9000, "m3")], LATER, 10)
    (undrained,) = again(client, [contract()], undrained=True)
    assert undrained.provisional
    statuses = "SELECT revision, provisional, status FROM closings ORDER BY revision"
    assert rows(client, statuses) == [
        (1, True, "superseded"),
        (2, False, "superseded"),
        (3, True, "final"),
    ]


def test_of_two_closings_at_once_one_wins_and_the_other_says_so(client, server):
    other = server.connect()
    with (
        lock.month_lock(client, OCTOBER, "11111111-1111-4111-8111-111111111111"),
        pytest.raises(ClosingInProgressError, match="Another closing of 2025-10"),
    ):
        close_month(other, OCTOBER, contracts=[contract()], now=LATER)
    assert close_month(other, OCTOBER, contracts=[contract()], now=LATER)[0].revision == 1
    other.close()


def test_an_abandoned_lock_is_taken_over_by_one(client, monkeypatch):
    first, second = (f"{n}1111111-1111-4111-8111-111111111111" for n in (1, 2))
    abandoned = lock.MonthLock(client, OCTOBER, first)
    abandoned.acquire()
    with monkeypatch.context() as impatient:
        impatient.setattr(lock, "LEASE_S", 0)
        last = (
            "SELECT metadata_modification_time < now() FROM system.tables WHERE name = {t:String}"
        )
        while not client.query(last, parameters={"t": "closing_lock_202510"}).result_rows[0][0]:
            pass
        with lock.month_lock(client, OCTOBER, second) as held:
            held.renew()
            with pytest.raises(ClosingInProgressError):
                abandoned.check()
            abandoned.release()
            held.check()
    assert rows(client, "SHOW TABLES LIKE 'closing_lock%'") == []


def test_plans_follow_the_facts_that_land(client):
    before = refresh_plans(client, 0)
    land(client, [sent(NOON, 1)], datetime.now(UTC))
    refresh_plans(client, before - 1_000_000)
    assert rows(client, "SELECT month, tenants FROM plans") == [(OCTOBER, 1)]
    query = "SELECT observed FROM clause_results(month = '2025-10-01') WHERE indicator = "
    assert rows(client, f"{query}'latency.send.mean'") == [(1,)]


def test_the_cutoff_waits_for_an_insert_that_began_before_it(client, server):
    writer = server.connect()
    slow = threading.Thread(
        target=writer.command,
        args=(
            "INSERT INTO security_events (id, source, type, tenant_id, time, incident_id, kind, "
            "severity, topic, partition, offset) SELECT toString(sleepEachRow(0.5)), 's', "
            "'security.incident', 'acme', now64(6), 'n', 'k', 'low', 't', 0, 0 FROM numbers(2)",
        ),
    )
    slow.start()
    running = "SELECT count() FROM system.processes WHERE query_kind = 'Insert'"
    while not rows(client, running)[0][0]:
        assert slow.is_alive()
    cutoff = fix_cutoff(client, None)
    before = "SELECT count() FROM security_events WHERE toUnixTimestamp64Micro(landed_at) <= "
    seen = rows(client, f"{before}{cutoff}")
    slow.join()
    writer.close()
    assert rows(client, f"{before}{cutoff}") == seen


def test_only_some_tenants_can_be_closed(client):
    land(client, [*OVER, sent(NOON, 1, tenant_id="other")], CUTOFF - timedelta(hours=1))
    closings = again(client, [contract()], tenants=["other", "nobody"])
    assert [closing.tenant_id for closing in closings] == ["other"]


def test_of_one_identity_with_two_contents_the_first_landing_speaks(client):
    first = sent(NOON, 10, "m1", id="same")
    other = sent(NOON, 5000, "m2", id="same")
    changed = sent(NOON, 5, "m1", id="same")
    land(client, [first], CUTOFF - timedelta(hours=2))
    land(client, [other, changed, first], CUTOFF - timedelta(hours=1), 1)
    found = findings(again(client, [contract()]))
    assert found[TENANT, "latency.send.mean"][:3] == (10, 10, 0)
    assert found[TENANT, "latency.exceedances"][0] == 0


def test_views_show_the_month_before_and_after_it_is_closed(client):
    land(client, OVER, CUTOFF - timedelta(hours=1))
    again(client, [contract()], dry_run=True)
    query = (
        "SELECT indicator, observed, verdict FROM clause_results(month = '2025-10-01') "
        "WHERE section = 2 ORDER BY indicator"
    )
    live = rows(client, query)
    assert live[0] == ("latency.exceedances", Decimal(2), "breached")
    again(client, [contract()])
    land(client, [sent(NOON, 9000, "m3")], datetime.now(UTC), 10)
    assert rows(client, query) == live
    messages = "SELECT message_id, latency_s, left_out FROM exceedances(month = '2025-10-01')"
    assert sorted(rows(client, messages)) == [
        ("m1", 3700.0, False),
        ("m2", 3700.0, False),
        ("m3", 9000.0, False),
    ]
    summary = "SELECT verdict, breached, remedies FROM tenant_month_summary(month = '2025-10-01')"
    assert rows(client, summary) == [
        ("breached", ["latency.exceedances", "latency.send.mean"], ["double_service"])
    ]


def test_what_was_not_measured_keeps_a_month_from_being_met(client):
    """Nothing is breached, and much that is promised was never measured."""
    (closing,) = close(client, [sent(NOON, 1, "m1")], now=CUTOFF, contracts=[contract()])
    missing = sorted(item.indicator for item in closing.items if item.verdict == "no_data")
    assert "connectivity.downtime" in missing
    assert closing.verdict == "incomplete"
    assert rows(client, "SELECT verdict FROM closings") == [("incomplete",)]
    summary = "SELECT verdict, without_data FROM tenant_month_summary(month = '2025-10-01')"
    assert rows(client, summary) == [("incomplete", missing)]


def test_an_earlier_release_s_word_for_an_incomplete_month_is_mended(client):
    close(client, [sent(NOON, 1, "m1")], now=CUTOFF, contracts=[contract()])
    wrong = "ALTER TABLE closing_log UPDATE verdict = 'met' WHERE true SETTINGS mutations_sync = 2"
    client.command(wrong)
    (mended,) = [one for one in read_migrations() if one.name == "incomplete_months"]
    for statement in mended.statements * 2:
        client.command(statement)
    assert rows(client, "SELECT verdict FROM closings") == [("incomplete",)]


def test_views_of_the_sections_follow_the_facts(client):
    events = [
        *probes(NOON, 600, ok=False),
        excluded(NOON, 60, code="carrier"),
        *fault(NOON, 90),
        sent(at(11), 30, "m1"),
        event("payment.confirmed", NOON, order_id="o", domain_kind="own"),
    ]
    close(client, events, now=CUTOFF, contracts=[contract()], dry_run=True)
    month = "(month = '2025-10-01')"
    downtime = f"SELECT down_s, excluded_s, net_down_s, unobserved_s FROM downtime_month{month}"
    assert rows(client, downtime) == [(600.0, 60.0, 540.0, MONTH_S - 600.0)]
    faults = (
        f"SELECT net_fault_s, adjustment_s, faults, faulty_days_of_year FROM faults_month{month}"
    )
    assert rows(client, faults) == [(90.0, 0.0, 1, 1)]
    latency = f"SELECT direction, messages, mean_s, max_s, exceedances FROM latency_month{month}"
    assert rows(client, latency) == [("outbound", 1, 30.0, 30.0, 0)]
    cases = f"SELECT indicator, case_id, deadline, answered_at, late FROM cases_month{month}"
    due = NOON + timedelta(hours=24)
    assert rows(client, cases) == [("provisioning.own_domain", "o", due, None, True)]
