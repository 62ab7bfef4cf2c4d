"""The last lines of a demonstration, which say what a newcomer wants to know."""

from mailsla.schemas.results import Closing, ClosingItem
from mailsla.streams.cli.output.demo_report import in_short


def closing(tenant, verdict, *breached, remedies=()):
    items = tuple(
        ClosingItem.model_construct(indicator=name, verdict="breached") for name in breached
    )
    return Closing.model_construct(
        tenant_id=tenant, verdict=verdict, items=items, remedies=remedies
    )


def test_it_says_who_is_in_trouble_why_and_what_is_owed():
    down = ("connectivity.downtime", "connectivity.ratio")
    assert in_short(
        [
            closing("a", "breached", *down, remedies=("double_service",)),
            closing("b", "breached", down[0], remedies=("double_service", "fee_waiver")),
            closing("c", "met"),
            closing("d", "incomplete"),
        ]
    ) == [
        "in trouble  2 of 4 tenants broke a promise (the others: 1 met, 1 incomplete)",
        "because of  connectivity.downtime (2 tenants), connectivity.ratio (1 tenant)",
        "owed        double service for the month to 2 tenants, month's fee waived to 1 tenant",
    ]


def test_a_month_without_a_breach_owes_nothing():
    assert in_short([closing("a", "met")]) == [
        "in trouble  0 of 1 tenants broke a promise (the others: 1 met)"
    ]
