"""What the ledger of credits holds: every issue and reversal, and what is left of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from mailsla.sinks.clickhouse import Client
from mailsla.sinks.closing.credits.rules import money

_LEDGER: Final = """
SELECT toString(tenant_id) AS tenant_id, month, revision, toString(kind) AS kind,
  toString(remedy) AS remedy, days, amount, toString(currency) AS currency, issued_at
FROM credits
WHERE ({every:Bool} OR month = {month:Date})
  AND (empty({tenants:Array(String)}) OR tenant_id IN {tenants:Array(String)})
ORDER BY tenant_id, month, revision, kind DESC, remedy
"""


@dataclass(frozen=True)
class Booking:
    """One row of the ledger; never changed, at most reversed by a later one."""

    tenant_id: str
    month: str
    revision: int
    kind: str
    remedy: str
    days: int | None
    amount: Decimal | None
    currency: str | None
    issued_at: datetime


@dataclass(frozen=True)
class Owed:
    """What is left of a tenant's bookings of one remedy, after all reversals.

    ``times``: how many credits. ``days`` and ``amount`` (in ``currency``) are their sums, None
    where the remedy has no such thing, or the contract names no fee.
    """

    tenant_id: str
    remedy: str
    currency: str | None
    times: int
    days: int | None
    amount: Decimal | None


def read_ledger(client: Client, month: date | None, tenants: Iterable[str] = ()) -> list[Booking]:
    """The bookings of one month or, without one, of all, by tenant, month and revision."""
    parameters = {
        "every": month is None,
        "month": month or date(1970, 1, 1),
        "tenants": sorted(tenants),
    }
    return [_booking(row) for row in client.query(_LEDGER, parameters=parameters).named_results()]


def totals(bookings: Iterable[Booking]) -> list[Owed]:
    """What is owed in sum by tenant, remedy and currency; nothing for what was taken back. Pure."""
    groups: dict[tuple[str, str, str | None], list[Booking]] = {}
    for each in bookings:
        groups.setdefault((each.tenant_id, each.remedy, each.currency), []).append(each)
    owed = [_owed(key, groups[key]) for key in sorted(groups, key=repr)]
    return [each for each in owed if each.times]


def _owed(key: tuple[str, str, str | None], bookings: Sequence[Booking]) -> Owed:
    signed = [(1 if each.kind == "issue" else -1, each) for each in bookings]
    days = [sign * each.days for sign, each in signed if each.days is not None]
    amounts = [sign * each.amount for sign, each in signed if each.amount is not None]
    tenant_id, remedy, currency = key
    return Owed(
        tenant_id,
        remedy,
        currency,
        sum(sign for sign, _ in signed),
        sum(days) if days else None,
        money(sum(amounts, Decimal(0))) if amounts else None,
    )


def _booking(row: Mapping[str, Any]) -> Booking:
    amount = None if row["amount"] is None else money(row["amount"])
    return Booking(**{**row, "month": f"{row['month']:%Y-%m}", "amount": amount})
