"""What verdicts owe, and how a revision takes back what the one before issued."""

from datetime import date
from decimal import Decimal

import pytest

from schemas.contract import Contract
from schemas.results import ClosingItem
from sinks.closing.ledger import issue, overall_verdict, owed_remedies, reverse
from sinks.closing.periods import period_of


def period(month=date(2026, 2, 1), **fields):
    base = {"tenant_id": "acme", "version": 1, "effective_from": "2025-01-01"}
    return period_of("acme", [Contract.model_validate(base | fields)], month)


def item(verdict, section=2, remedy="double_service"):
    return ClosingItem.model_construct(verdict=verdict, section=section, remedy=remedy)


@pytest.mark.parametrize(
    ("verdicts", "overall"),
    [
        (("met", "breached", "no_data"), "breached"),
        (("met", "no_data", "not_judged"), "met"),
        (("no_data", "not_judged"), "no_data"),
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
