"""A month closed four times: each revision can be worked out again, and every change is explained.

    cutoff 1         cutoff 2             cutoff 3         cutoff 4
───────┼────────────────┼────────────────────┼────────────────┼──────
 m1, m2 over      m3 over, lists     exclusion of m1, m2   contract 2, exclusion revoked
"""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from mailsla.schemas.indicators import INDICATORS
from mailsla.sinks.closing.credits.balances import read_ledger, totals
from mailsla.sinks.closing.errors import ClosingError
from mailsla.sinks.closing.revisions.diff import CAUSES_SHOWN, diff_month
from mailsla.sinks.closing.revisions.reader import mark_told, revisions_of, untold, whole
from mailsla.sinks.closing.run.close_month import close_month
from mailsla.sinks.closing.run.verify import NO_CONTRACTS, verify_month
from tests.integration.test_closing.conftest import forget
from tests.integration.test_closing.ledger import land
from tests.reference.scenario import CUTOFF, TENANT, at, contract, event, excluded, sent

pytestmark = pytest.mark.embedded

OCTOBER = date(2025, 10, 1)
NOON = at(10, 12)
HOUR = timedelta(hours=1)
CUTOFFS = [CUTOFF + number * 2 * HOUR for number in range(4)]
FEE = {"monthly_fee": {"amount": "1200.50", "currency": "CNY"}}
FIRST = contract(**FEE)
SECOND = contract(
    version=2,
    monthly_fee={"amount": "1300", "currency": "CNY"},
    profile={"name": "strict", "stacking": "per_section"},
    overrides={"latency.send.mean": {"target": 5000}},
)
EXCUSE = excluded(NOON, 60, exclusion_id="cable", id="excuse")
REVOCATION = event("exclusion.revoked", at(11), exclusion_id="cable", id="revocation")
LATE = [
    sent(NOON + 5 * HOUR, 9000, "m3", id="late-m3"),
    event("listing.detected", at(14), listing_id="l", id="listing"),
    *(sent(at(12), 1, f"quick-{n}") for n in range(CAUSES_SHOWN)),
]


@pytest.fixture(scope="module")
def books(schema):
    forget(schema)
    landings = [
        [sent(NOON, 3700, "m1"), sent(NOON, 3700, "m2")],
        LATE,
        [EXCUSE],
        [REVOCATION],
    ]
    offset = 0
    for number, (events, cutoff) in enumerate(zip(landings, CUTOFFS, strict=True), start=1):
        land(schema, events, cutoff - HOUR, offset)
        offset += len(events)
        contracts = [FIRST, SECOND] if number == 4 else [FIRST]
        (closing,) = close_month(schema, OCTOBER, contracts=contracts, now=cutoff)
        assert closing.revision == number
    return schema


def test_every_old_revision_comes_out_byte_for_byte_again(books):
    checks = verify_month(books, OCTOBER)
    assert [(check.stored.revision, check.differences) for check in checks] == [
        (1, ()), (2, ()), (3, ()), (4, ()),
    ]  # fmt: skip
    assert all(check.recomputed == check.stored.items for check in checks)
    assert {len(check.recomputed) for check in checks} == {len(INDICATORS)}
    versions = [check.recomputed[0].contract_version for check in checks]
    assert versions == [1, 1, 1, 2]
    assert checks[3].recomputed[0].profile == "strict/1"


def test_working_out_again_leaves_the_newest_plan_and_the_books_alone(books):
    def state():
        tables = ("plans", "plan_tenants", "closing_log", "closing_item_log", "credit_log")
        return [books.query(f"SELECT count() FROM {name}").result_rows for name in tables]

    before = state()
    assert len(verify_month(books, OCTOBER, revision=2)) == 1
    assert state() == before


def test_each_closing_bears_the_credits_of_its_revision(books):
    closings = whole(books, revisions_of(books, OCTOBER))
    booked = [[(c.kind, c.remedy, c.days, c.amount) for c in each.credits] for each in closings]
    service, fee = ("double_service", 31, None), ("fee_waiver", None, Decimal("1200.50"))
    assert booked == [
        [("issue", *service)],
        [("reversal", *service), ("issue", *service), ("issue", *fee)],
        [("reversal", *service), ("reversal", *fee), ("issue", *service), ("issue", *fee)],
        [
            ("reversal", *service), ("reversal", *fee), ("issue", *service),
            ("issue", "fee_waiver", None, Decimal("1300.00")),
        ],
    ]  # fmt: skip
    assert closings[0].cutoff == CUTOFFS[0]
    assert [each.input_events for each in closings] == [
        2,
        2 + len(LATE),
        3 + len(LATE),
        4 + len(LATE),
    ]
    assert len({each.input_digest for each in closings}) == len(closings)
    assert not any(closing.provisional for closing in closings)


def test_the_total_owed_is_what_the_last_revision_issued(books):
    ledger = read_ledger(books, OCTOBER, [TENANT])
    assert len(ledger) == 12
    service, *fees = totals(ledger)
    assert (service.remedy, service.times, service.days) == ("double_service", 1, 31)
    assert [(fee.times, fee.amount, fee.currency) for fee in fees] == [
        (1, Decimal("1300.00"), "CNY")
    ]
    assert totals(read_ledger(books, None, ["nobody"])) == []


def test_the_last_two_revisions_differ_by_a_contract_and_a_revocation(books):
    (difference,) = diff_month(books, OCTOBER)
    assert (difference.old.revision, difference.new.revision) == (3, 4)
    exceedances = next(c for c in difference.changes if c.indicator == "latency.exceedances")
    assert (exceedances.old.observed, exceedances.old.excluded) == (1, 2)
    assert (exceedances.new.observed, exceedances.new.excluded) == (3, 0)
    assert (exceedances.old.verdict, exceedances.new.verdict) == ("met", "breached")
    assert difference.causes.contract_versions == (2,)
    assert [(c.type, c.id, c.about) for c in difference.causes.events] == [
        ("exclusion.revoked", "revocation", "cable")
    ]
    assert [c.amount for c in difference.reversed] == [None, Decimal("1200.50")]
    assert [c.amount for c in difference.issued] == [None, Decimal("1300.00")]


def test_late_events_are_named_bounded_with_their_total(books):
    (difference,) = diff_month(books, OCTOBER, first=1, last=2)
    causes = difference.causes
    assert causes.total == len(LATE) == CAUSES_SHOWN + 2
    assert len(causes.events) == CAUSES_SHOWN
    (late,) = (cause for cause in causes.events if cause.id == "late-m3")
    assert (late.type, late.source, late.about) == ("message.dispatched", "s", "m3")
    assert late.event_time == NOON + 5 * HOUR + timedelta(seconds=9000)
    assert late.landed_at == CUTOFFS[1] - HOUR
    assert causes.contract_versions == ()
    listing = next(c for c in difference.changes if c.indicator == "antispam.listing_report")
    assert (listing.old.verdict, listing.new.verdict) == ("no_data", "breached")


def test_revisions_apart_are_compared_and_missing_ones_refused(books):
    (difference,) = diff_month(books, OCTOBER, first=1, last=3)
    assert {cause.type for cause in difference.causes.events} >= {"message.dispatched"}
    assert len(difference.reversed) == 3
    with pytest.raises(ClosingError, match="No tenant has the revisions 7 and 9"):
        diff_month(books, OCTOBER, first=7, last=9)
    assert diff_month(books, date(2025, 9, 1)) == []


def test_revisions_are_told_once_in_the_order_they_were_made(books):
    waiting = untold(books, 3)
    assert [each.number for each in waiting] == [1, 2, 3]
    mark_told(books, waiting)
    assert [each.number for each in untold(books, 3)] == [4]
    mark_told(books, untold(books, 3))
    assert untold(books, 3) == []


def test_facts_changed_afterwards_are_found_out(books):
    """The last test of the module: it forges the books."""
    land(books, [sent(NOON + HOUR, 5000, "forged")], CUTOFFS[1] - HOUR, 900)
    checks = {each.stored.revision: each for each in verify_month(books, OCTOBER, revision=2)}
    assert set(checks[2].differences) == {
        "latency.send.mean", "latency.send.max", "latency.exceedances", "input",
    }  # fmt: skip
    books.command("TRUNCATE TABLE closing_contracts")
    (lost,) = verify_month(books, OCTOBER, revision=1)
    assert lost.differences == (NO_CONTRACTS,)
