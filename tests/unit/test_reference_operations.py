"""The reference on section 3 and on the periods: numbers worked out by hand."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.reference.judge import judge
from tests.reference.scenario import (
    CUTOFF,
    MONTH,
    MONTH_S,
    TENANT,
    at,
    contract,
    event,
    excluded,
    fault,
    found,
    probes,
)

NOON = at(10, 12)


@pytest.mark.parametrize("kind", ["fault", "adjustment"])
@pytest.mark.parametrize(
    ("seconds", "verdict"), [(5999.999999, "met"), (6000, "met"), (6000.000001, "breached")]
)
def test_fault_and_adjustment_are_at_most_100_minutes(kind, seconds, verdict):
    value = Decimal(str(seconds))
    events = fault(NOON, seconds, kind=kind)
    assert found(events, f"operations.{kind}_duration") == (value, value, 0, verdict)
    other = "adjustment" if kind == "fault" else "fault"
    assert found(events, f"operations.{other}_duration") == (0, 0, 0, "met")


@pytest.mark.parametrize(
    ("seconds", "observed", "verdict"),
    # 0.01 % of 31 days is 267.84 s.
    [
        (267.839999, "0.9999", "met"),
        (267.84, "0.9999", "met"),
        (267.840001, "0.999899999", "breached"),
    ],
)
def test_availability_is_at_least_four_nines(seconds, observed, verdict):
    availability = found(fault(NOON, seconds), "operations.availability")
    assert (availability.observed, availability.verdict) == (Decimal(observed), verdict)


def test_an_incident_runs_from_its_earliest_opening_to_its_earliest_close_after_it():
    events = [
        event("incident.closed", at(9)),
        event("incident.opened", NOON + timedelta(seconds=50), kind="adjustment"),
        event("incident.opened", NOON),
        event("incident.closed", NOON + timedelta(seconds=300)),
        event("incident.closed", NOON + timedelta(seconds=200)),
    ]
    assert found(events, "operations.fault_duration").observed == 200
    assert found(events, "operations.adjustment_duration").observed == 0


def test_an_open_fault_runs_on_and_a_close_alone_is_nothing():
    events = [
        event("incident.opened", at(31, 23, 50)),
        event("incident.closed", at(2), incident_id="z"),
    ]
    assert found(events, "operations.fault_duration").observed == 600


def test_overlapping_faults_of_tenant_and_platform_count_once():
    events = fault(NOON, 100) + fault(NOON + timedelta(seconds=50), 100, tenant_id="*")
    events += fault(NOON, 1000, tenant_id="other")
    assert found(events, "operations.fault_duration").observed == 150


def test_operations_take_exclusions_only_where_the_profile_says_so():
    events = [*fault(NOON, 600), excluded(NOON, 200, code="force_majeure")]
    events += fault(NOON, 50, kind="adjustment")
    assert found(events, "operations.fault_duration") == (600, 600, 0, "met")
    terms = contract(profile={"name": "fm", "operations_exclusions": ["force_majeure"]})
    assert found(events, "operations.fault_duration", terms) == (400, 600, 200, "met")
    assert found(events, "operations.adjustment_duration", terms).observed == 50
    narrow = [*fault(NOON, 600), excluded(NOON, 200, code="force_majeure", sections=[1])]
    assert found(narrow, "operations.fault_duration", terms).observed == 600


@pytest.mark.parametrize(
    ("days", "value", "verdict"), [(4, 361, "met"), (5, 360, "met"), (6, 359, "breached")]
)
def test_the_sixth_faulty_day_of_the_year_breaches(days, value, verdict):
    events = [e for day in range(1, days + 1) for e in fault(at(day), 1)]
    assert found(events, "operations.fault_free_days") == (value, value, 0, verdict)


def test_the_seventh_faulty_day_of_a_leap_year_breaches():
    leap = [e for day in range(7) for e in fault(at(1).replace(year=2024) + timedelta(day), 1)]
    old = contract(effective_from="2020-01-01")
    assert found(leap, "operations.fault_free_days", old, month="2024-10").observed == 359
    assert found(leap[2:], "operations.fault_free_days", old, month="2024-10").verdict == "met"


def test_fault_free_days_are_settled_after_the_month_that_missed_them():
    events = [e for day in range(1, 7) for e in fault(at(day, month=9), 1)]
    assert found(events, "operations.fault_free_days", month="2025-09").verdict == "breached"
    assert found(events, "operations.fault_free_days") == (359, 359, 0, "not_judged")
    next_year = found(events, "operations.fault_free_days", month="2026-01")
    assert next_year == (365, 365, 0, "met")


def test_a_fault_over_midnight_spoils_two_days_and_an_empty_one_none():
    events = fault(at(5, 23, 59, 59), 2) + fault(at(7), 0) + fault(at(8, 23), 3600)
    assert found(events, "operations.fault_free_days").observed == 362


@pytest.mark.parametrize(("wrong", "verdict"), [(2, "met"), (3, "met"), (4, "breached")])
def test_billing_errors_touch_at_most_three_customers_in_100000(wrong, verdict):
    charged = [event("customer.charged", at(1), tenant_id=f"t{n}") for n in range(100)]
    errors = [event("billing.error_confirmed", at(1), tenant_id=f"t{n}") for n in range(wrong)]
    terms = contract(overrides={"operations.billing_error_rate": {"target": "0.03"}})
    errors.append(event("billing.error_confirmed", at(1), tenant_id="not-charged"))
    rate = found(charged + errors, "operations.billing_error_rate", terms)
    assert rate == (Decimal(wrong) / 100, Decimal(wrong) / 100, 0, verdict)


def test_one_wrong_bill_of_a_few_breaches_and_none_charged_has_no_data():
    charged = [event("customer.charged", at(20, month=11), tenant_id=f"t{n}") for n in range(3)]
    wrong = event("billing.error_confirmed", at(25, month=11), tenant_id="t1")
    rate = found([*charged, wrong, wrong], "operations.billing_error_rate")
    assert rate == (Decimal("0.333333333"), Decimal("0.333333333"), 0, "breached")
    elsewhere = [event("customer.charged", NOON, billing_month="2025-09")]
    assert found(elsewhere, "operations.billing_error_rate").verdict == "no_data"


@pytest.mark.parametrize(("bandwidth", "limit"), [("narrowband", 30), ("broadband", 10)])
@pytest.mark.parametrize(("over_ms", "verdict"), [(-0.001, "met"), (0, "met"), (0.001, "breached")])
def test_mean_page_load(bandwidth, limit, over_ms, verdict):
    loads = [limit * 1000 + over_ms, limit * 1000]
    events = [event("page.loaded", NOON, bandwidth=bandwidth, load_ms=load) for load in loads]
    load = found(events, f"operations.page_load.{bandwidth}")
    assert (load.observed, load.verdict) == (limit + Decimal(str(over_ms)) / 2000, verdict)


def test_platform_pages_speak_only_where_the_tenant_has_none():
    def page(load_ms, **fields):
        return event("page.loaded", NOON, bandwidth="broadband", load_ms=load_ms, **fields)

    platform = page(9000, tenant_id="*")
    assert found([platform], "operations.page_load.broadband").observed == 9
    assert found([platform, page(2000)], "operations.page_load.broadband").observed == 2
    assert found([platform], "operations.page_load.narrowband").verdict == "no_data"


def test_monitoring_is_the_share_covered_by_heartbeats():
    events = [
        event("monitor.heartbeat", at(1), monitor="m", interval_s=15 * 86_400),
        event("monitor.heartbeat", at(2), monitor="n", interval_s=60, tenant_id="*"),
    ]
    share = (Decimal(30) / 31).quantize(Decimal("1e-9"), "ROUND_DOWN")
    assert found(events, "operations.monitoring") == (share, share, 0, "not_judged")
    whole = [event("monitor.heartbeat", at(1), monitor="m", interval_s=MONTH_S / 2)]
    terms = contract(overrides={"operations.monitoring": {"judged": True}})
    assert found(whole, "operations.monitoring", terms).verdict == "met"
    assert found(events, "operations.monitoring", terms).verdict == "breached"


def test_a_silent_topic_has_no_data_and_one_that_spoke_before_means_zero():
    silent = [event("security.incident", NOON, incident_id="x")]
    after = fault(at(1, month=11), 5)
    before = fault(at(1, month=3), 5)
    for name in ("fault_duration", "adjustment_duration", "availability", "fault_free_days"):
        assert found(silent + after, f"operations.{name}").verdict == "no_data"
        assert found(silent + before, f"operations.{name}").verdict == "met"


def test_part_of_a_month_is_judged_on_its_active_part():
    terms = contract(effective_from="2025-10-16", effective_to="2025-10-26")
    events = fault(at(15, 23, 50), 1200) + fault(at(25, 23, 59), 3600) + fault(at(1, month=2), 5)
    assert found(events, "operations.fault_duration", terms).observed == 660
    availability = 1 - Decimal(660) / (10 * 86_400)
    truncated = availability.quantize(Decimal("1e-9"), "ROUND_DOWN")
    assert found(events, "operations.availability", terms).observed == truncated
    assert found(events, "operations.fault_free_days", terms).observed == 363


def test_the_days_of_several_versions_are_one_month_of_parts():
    first = contract(effective_from="2025-10-11")
    second = contract(
        version=2,
        effective_from="2025-10-21",
        overrides={"operations.fault_duration": {"target": 10}},
    )
    events = fault(at(10, 23), 3600 + 11)
    found_ = found(events, "operations.fault_duration", first, second)
    assert found_ == (11, 11, 0, "met")
    assert found(events, "operations.fault_free_days", first, second).observed == 364


def test_tenants_of_a_month_have_an_event_in_it_or_a_contract():
    ended = contract(tenant_id="ended", effective_to="2025-10-01")
    quiet = contract(tenant_id="quiet", effective_from="2025-10-31")
    night = at(30, 23, 59, month=9)
    events = [
        event("security.incident", NOON, tenant_id="ended", incident_id="i"),
        event("security.incident", night, tenant_id="early", incident_id="i"),
        event("security.incident", at(1), tenant_id="new", incident_id="i"),
        event("message.dispatched", at(1), tenant_id="mta", accepted_at=night),
        *fault(NOON, 5, tenant_id="*"),
    ]
    tenants = {tenant for tenant, _ in judge(events, [ended, quiet], MONTH, CUTOFF)}
    assert tenants == {"ended", "quiet", "new"}
    # The contract ended: the default one governs the whole month.
    assert found(events, "operations.fault_duration", ended, tenant="ended").observed == 5


def test_days_are_cut_in_the_contract_s_zone_with_its_daylight_saving():
    terms = contract(timezone="Europe/Berlin")
    # 26 October 2025 has 25 hours in Berlin: the month is an hour longer.
    events = fault(at(26, 12), (MONTH_S + 3600) / 10_000)
    availability = found(events, "operations.availability", terms)
    assert (availability.observed, availability.verdict) == (Decimal("0.9999"), "met")
    assert found(probes(NOON, 100), "connectivity.ratio", terms, tenant=TENANT).observed == 1
