"""Facts of ``mail.billing``: orders of one tenant, and who was charged of the whole platform."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import ClassVar

from mailsla.schemas.facts.billing import (
    BillingErrorConfirmedFact,
    CustomerChargedFact,
    PaymentConfirmedFact,
    ServiceOpenedFact,
)
from mailsla.schemas.facts.fact import Fact
from mailsla.streams.clauses.facts.base import Facts
from mailsla.streams.time.calendar import DAY


@dataclass(frozen=True, order=True, slots=True)
class Payment:
    """The payment that starts an order's clock; the earliest of an order counts."""

    time_us: int
    id: str
    source: str
    domain_kind: str = field(compare=False)


@dataclass(slots=True)
class Order:
    """What was said of one order, whatever the order of the events."""

    payment: Payment | None = None
    done_us: int | None = None
    """Opened and notified: the least of ``max(time, notified_at)``."""


class BillingFacts(Facts):
    """Orders of one tenant (section 8)."""

    topic: ClassVar[str] = "mail.billing"
    reach_us: ClassVar[int] = 367 * DAY  # a contract may allow up to a year to open an order

    def __init__(self) -> None:
        super().__init__()
        self.orders: dict[str, Order] = {}

    def _take(self, fact: Fact) -> None:
        match fact:
            case PaymentConfirmedFact():
                order = self.orders.setdefault(fact.order_id, Order())
                payment = Payment(fact.time, fact.id, fact.source, fact.domain_kind)
                if order.payment is None or payment < order.payment:
                    order.payment = payment
            case ServiceOpenedFact():
                order = self.orders.setdefault(fact.order_id, Order())
                done_us = max(fact.time, fact.notified_at)
                order.done_us = done_us if order.done_us is None else min(done_us, order.done_us)

    def _drop(self, horizon_us: int) -> None:
        self.orders = {
            name: order
            for name, order in self.orders.items()
            if max(order.payment.time_us if order.payment else 0, order.done_us or 0) >= horizon_us
        }


class BillingRegister:
    """Which customers were charged for a month and which of them wrongly: the whole platform.

    It is fed with the billing events of every tenant (contract section 3, billing errors).
    """

    def __init__(self) -> None:
        self._charged: defaultdict[str, set[str]] = defaultdict(set)
        self._wronged: defaultdict[str, dict[str, tuple[int, str]]] = defaultdict(dict)

    def observe(self, fact: Fact) -> None:
        """Take a fact of ``mail.billing``; those of other types change nothing."""
        match fact:
            case CustomerChargedFact():
                self._charged[fact.billing_month].add(fact.tenant_id)
            case BillingErrorConfirmedFact():
                wronged, mark = self._wronged[fact.billing_month], (fact.time, fact.reference)
                wronged[fact.tenant_id] = min(mark, wronged.get(fact.tenant_id, mark))

    def charged(self, month: str) -> int:
        """How many distinct customers were charged for the month ``YYYY-MM``."""
        return len(self._charged.get(month, ()))

    def wronged(self, month: str) -> list[str]:
        """The confirmed errors, one for each charged customer that had any, earliest first."""
        charged = self._charged.get(month, set())
        wronged = self._wronged.get(month, {})
        return [label for _, label in sorted(wronged[each] for each in charged & wronged.keys())]

    def forget(self, before_month: str) -> None:
        """Drop the months before ``before_month`` (``YYYY-MM``)."""
        for known in (self._charged, self._wronged):
            for month in [each for each in known if each < before_month]:
                del known[month]
