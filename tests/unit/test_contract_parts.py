"""A contract that changes within the month: live and by the reference, part by part."""

from datetime import date
from random import Random

import pytest

from mailsla.schemas.contract import READINGS, Contract, Profile
from mailsla.schemas.indicators import INDICATORS
from mailsla.sinks.closing.plan import contract_segments
from mailsla.streams.clauses.model.contracts import governing
from mailsla.streams.time.calendar import Month, to_us
from tests.live_run import findings, live_through
from tests.reference import period as reference
from tests.reference.frame import build_frame
from tests.reference.part_cases import CASES, CHANGE
from tests.reference.scenario import TENANT, contract, judged

OCTOBER = date(2025, 10, 1)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.indicator}: {case.about}")
def test_a_changed_month(case):
    expected = judged(case.events, case.indicator, *case.contracts)
    assert expected.verdict == case.verdict
    assert tuple(part.verdict for part in expected.parts) == tuple(case.parts)
    assert case.remedy in {None, expected.remedy}
    history = case.history
    run = live_through(history, Random(1))
    found = findings(run, history, {TENANT}, to_us(history.cutoff))
    assert found[TENANT, case.indicator] == expected
    status = run.status[TENANT, case.indicator, history.month]
    assert (status.state == "breached") == (case.verdict == "breached")
    assert (status.remedy, status.contract_version) == (expected.remedy, 2)


def cuts(versions: list[Contract], indicator: str) -> tuple[list[date], ...]:
    """Where live worker, closing and reference cut October for an indicator: first days."""
    live = governing(TENANT, versions, Month.of(OCTOBER)).parts(indicator)
    closing = contract_segments.parts_of(contract_segments.period_of(TENANT, versions, OCTOBER))
    naive = reference.parts_of(reference.period_of(TENANT, versions, OCTOBER), indicator)
    return (
        [part.period.first for part in live],
        [part.first for part, judges in closing if indicator in judges],
        [part.first for part in naive] if len(naive) > 1 else [],
    )


@pytest.mark.parametrize("indicator", INDICATORS)
def test_what_adds_up_is_cut_where_its_target_changes(indicator):
    versions = [
        contract(),
        contract(
            version=2,
            effective_from=CHANGE.date(),
            overrides={indicator: {"target": 5, "comparator": "<="}},
        ),
    ]
    expected = [OCTOBER, CHANGE.date()] if INDICATORS[indicator].additive else []
    assert cuts(versions, indicator) == (expected, expected, expected)


def test_versions_that_promise_the_same_are_one_part():
    ratio = {"connectivity.ratio": {"target": "0.99"}}
    fee = {"monthly_fee": {"amount": "9", "currency": "CNY"}}
    versions = [
        contract(version=1, effective_from="2025-01-01", effective_to="2025-10-04"),
        contract(version=2, effective_from="2025-10-06", **fee),  # a gap belongs to what was before
        contract(version=3, effective_from="2025-10-11", overrides=ratio),
        contract(version=4, effective_from="2025-10-21", overrides=ratio, **fee),
        contract(version=5, effective_from="2025-10-26"),
    ]
    days = [date(2025, 10, day) for day in (1, 11, 26)]
    assert cuts(versions, "connectivity.ratio") == (days, days, days)
    assert cuts(versions, "connectivity.downtime") == ([], [], [])


def test_the_three_cut_random_contracts_at_the_same_days():
    changed = 0
    for seed in range(150):
        frame = build_frame(Random(seed))
        for tenant in frame.tenants:
            versions = [each for each in frame.contracts if each.tenant_id == tenant]
            live = governing(tenant, versions, Month.of(frame.month))
            closing = contract_segments.parts_of(
                contract_segments.period_of(tenant, versions, frame.month)
            )
            naive = reference.period_of(tenant, versions, frame.month)
            for indicator in INDICATORS:
                expected = [
                    (each.first, each.last, each.contract.version)
                    for each in reference.parts_of(naive, indicator)
                ]
                expected = expected if len(expected) > 1 else []
                changed += len(expected) > 1
                assert expected == [
                    (*each.days, each.contract.version) for each in live.parts(indicator)
                ]
                assert expected == [
                    (each.first, each.last, each.contract.version)
                    for each, judges in closing
                    if indicator in judges
                ]
    assert changed > 100


def test_every_reading_bears_on_a_section():
    about_remedies = {"name", "version", "stacking"}
    about_the_feed = {
        "at_risk_share",
        "deadline_share",
        "in_flight_share",
        "burn_rates",
        "feed_hold_s",
    }
    read = {name for names in READINGS.values() for name in names}
    assert read | about_remedies | about_the_feed == set(Profile.model_fields)


def test_in_which_order_excused_codes_are_named_changes_nothing():
    codes = ("carrier", "force_majeure")
    former = contract(profile={"operations_exclusions": codes})
    later = contract(version=2, profile={"operations_exclusions": codes[::-1]})
    assert former.judges_alike(later, "operations.fault_duration")
