"""Facts of ``mail.billing``, made from `mailsla.schemas.events.billing` by ``make facts``."""

from typing import ClassVar, Literal

from mailsla.schemas.facts.fact import Fact, Micros, fact_type


@fact_type
class CustomerChargedFact(Fact):
    """``customer.charged``, which `CustomerCharged` describes."""

    topic: ClassVar[str] = "mail.billing"
    type: Literal["customer.charged"]
    charge_id: str
    amount: str
    currency: str
    billing_month: str


@fact_type
class BillingErrorConfirmedFact(Fact):
    """``billing.error_confirmed``, which `BillingErrorConfirmed` describes."""

    topic: ClassVar[str] = "mail.billing"
    type: Literal["billing.error_confirmed"]
    charge_id: str
    amount: str | None
    billing_month: str
    kind: str | None


@fact_type
class PaymentConfirmedFact(Fact):
    """``payment.confirmed``, which `PaymentConfirmed` describes."""

    topic: ClassVar[str] = "mail.billing"
    type: Literal["payment.confirmed"]
    order_id: str
    domain_kind: Literal["new", "own"]


@fact_type
class ServiceOpenedFact(Fact):
    """``service.opened``, which `ServiceOpened` describes."""

    topic: ClassVar[str] = "mail.billing"
    type: Literal["service.opened"]
    order_id: str
    notified_at: Micros
