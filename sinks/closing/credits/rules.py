"""What a verdict owes, and how a revision takes back what the one before issued. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from mailsla.schemas.indicators import MonthVerdict
from mailsla.schemas.remedies import Remedy
from mailsla.schemas.results import ClosingItem, Credit
from mailsla.sinks.closing.plan.contract_segments import SegmentPeriod, next_month

_ORDER: Final[tuple[Remedy, ...]] = ("double_service", "fee_waiver")


def overall_verdict(items: Iterable[ClosingItem]) -> MonthVerdict:
    """Breached if any judged indicator is, else incomplete if any has no data, else met.

    Nobody certifies what nobody measured: `met` needs a measurement of every judged promise.
    """
    verdicts = {item.verdict for item in items}
    if "breached" in verdicts:
        return "breached"
    return "incomplete" if "no_data" in verdicts else "met"


def owed_remedies(items: Iterable[ClosingItem], period: SegmentPeriod) -> tuple[Remedy, ...]:
    """The remedies of the breached sections: each once, or once per section where they stack.

    Contract, Remedies. The order is ``double_service`` before ``fee_waiver``.
    """
    breached = {(item.section, item.remedy) for item in items if item.verdict == "breached"}
    times = Counter(remedy for _, remedy in breached)
    stacked = period.contract.profile.stacking == "per_section"
    return tuple(
        remedy
        for remedy in _ORDER
        for _ in range(times[remedy] if stacked else min(times[remedy], 1))
    )


def issue(
    tenant_id: str, revision: int, remedies: Sequence[Remedy], period: SegmentPeriod
) -> list[Credit]:
    """The credits of one revision.

    ``double_service``: the days of the month. ``fee_waiver``: the monthly fee; amount and
    currency are empty where the contract names no fee.
    """
    days = (next_month(period.month) - period.month).days
    fee = period.contract.monthly_fee
    credits = []
    for remedy in remedies:
        service = remedy == "double_service"
        credits.append(
            Credit(
                tenant_id=tenant_id,
                month=f"{period.month:%Y-%m}",
                revision=revision,
                remedy=remedy,
                days=days if service else None,
                amount=None if service or fee is None else money(fee.amount),
                currency=None if service or fee is None else fee.currency,
                kind="issue",
            )
        )
    return credits


def money(amount: Decimal) -> Decimal:
    """The same amount with two decimals, or as many more as it has."""
    decimals = -int(amount.normalize().as_tuple().exponent)
    return amount.quantize(Decimal(1).scaleb(-max(2, decimals)))


def reverse(issued: Iterable[Credit], revision: int) -> list[Credit]:
    """The reversals, booked by ``revision``, of what an earlier revision issued."""
    return [
        credit.model_copy(update={"revision": revision, "kind": "reversal"}) for credit in issued
    ]
