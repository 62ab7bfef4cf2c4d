"""What verdicts owe, and how a revision takes back what the one before issued."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsla.schemas.contract import Contract
from mailsla.schemas.indicators import INDICATORS
from mailsla.schemas.registry import TYPES
from mailsla.schemas.results import ClosingItem
from mailsla.sinks.closing.credits.balances import Booking, totals
from mailsla.sinks.closing.credits.rules import (
    issue,
    money,
    overall_verdict,
    owed_remedies,
    reverse,
)
from mailsla.sinks.closing.event_dependencies import BEARING, topics_of, types_of
from mailsla.sinks.closing.plan.contract_segments import period_of


def period(month=date(2026, 2, 1), **fields):
    base = {"tenant_id": "acme", "version": 1, "effective_from": "2025-01-01"}
    return period_of("acme", [Contract.model_validate(base | fields)], month)


def item(verdict, section=2, remedy="double_service"):
    return ClosingItem.model_construct(verdict=verdict, section=section, remedy=remedy)


@pytest.mark.parametrize(
    ("verdicts", "overall"),
    [
        (("met", "breached", "no_data"), "breached"),
        (("met", "not_judged"), "met"),
        (("met", "no_data", "not_judged"), "incomplete"),
        (("no_data", "not_judged"), "incomplete"),
        (("not_judged",), "met"),
    ],
)
def test_the_month_is_as_bad_as_its_worst_indicator(verdicts, overall):
    assert overall_verdict([item(verdict) for verdict in verdicts]) == overall


BREACHES = [
    item("breached", 1),
    item("breached", 1),
    item("breached", 7),
    item("breached", 4, "fee_waiver"),
    item("breached", 9, "none"),
    item("met", 8, "fee_waiver"),
]


def test_each_remedy_is_owed_once_a_month():
    assert owed_remedies(BREACHES, period()) == ("double_service", "fee_waiver")
    assert owed_remedies([item("met")], period()) == ()


def test_stacking_owes_a_remedy_once_per_section():
    stacked = owed_remedies(BREACHES, period(profile={"stacking": "per_section"}))
    assert stacked == ("double_service", "double_service", "fee_waiver")


def test_double_service_is_the_month_and_fee_waiver_the_exact_fee():
    fee = {"monthly_fee": {"amount": "1200.10", "currency": "CNY"}}
    service, waiver = issue("acme", 3, ["double_service", "fee_waiver"], period(**fee))
    assert (service.days, service.amount, service.kind) == (28, None, "issue")
    assert (waiver.days, waiver.amount, waiver.currency) == (None, Decimal("1200.10"), "CNY")


def test_a_reversal_repeats_the_credit_under_the_new_revision():
    issued = issue("acme", 1, ["double_service"], period())
    (reversal,) = reverse(issued, 2)
    assert (reversal.revision, reversal.kind, reversal.days) == (2, "reversal", 28)


def test_money_has_two_decimals_or_as_many_as_it_needs():
    shown = [str(money(Decimal(text))) for text in ("1200", "1200.5", "0.125000000", "1E+3", "0")]
    assert shown == ["1200.00", "1200.50", "0.125", "1000.00", "0.00"]


def bookings(history):
    """A revision for every step: it takes back what the one before owed and owes anew."""
    common = {
        "tenant_id": "acme",
        "month": "2026-02",
        "issued_at": datetime(2026, 3, 1, tzinfo=UTC),
    }
    found, former = [], []
    for revision, credits in enumerate(history, start=1):
        for kind, some in (("reversal", former), ("issue", credits)):
            for cents in some:
                service = cents == 0
                found.append(
                    Booking(
                        **common,
                        revision=revision,
                        kind=kind,
                        remedy="double_service" if service else "fee_waiver",
                        days=28 if service else None,
                        amount=None if service else Decimal(cents) / 100,
                        currency=None if service else "CNY",
                    )
                )
        former = credits
    return found


@given(st.lists(st.lists(st.integers(0, 10**9), max_size=4), max_size=6))
def test_what_is_left_of_the_ledger_is_what_the_last_revision_issued(history):
    owed = {each.remedy: each for each in totals(bookings(history))}
    last = history[-1] if history else []
    fees = [cents for cents in last if cents]
    assert owed.keys() == {"fee_waiver" if cents else "double_service" for cents in last}
    if fees:
        waived = owed["fee_waiver"]
        assert (waived.times, waived.amount) == (len(fees), Decimal(sum(fees)) / 100)
    if services := len(last) - len(fees):
        assert (owed["double_service"].times, owed["double_service"].days) == (
            services,
            28 * services,
        )


def test_every_indicator_says_which_events_bear_on_it():
    assert BEARING.keys() == INDICATORS.keys()
    assert {one for types in BEARING.values() for one in types} <= TYPES.keys()
    assert types_of(["backup.full"]) == ["backup.completed", "event.voided"]
    assert topics_of(["backup.full", "support.availability"]) == ["mail.backup", "mail.support"]
    ended = types_of([], silent=["backup.full"])
    assert {"backup.completed", "account.locked"} <= set(ended) <= TYPES.keys()
