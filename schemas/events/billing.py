"""``mail.billing``: charges, errors, orders (contract sections 3 and 8)."""

from typing import Literal

from schemas.codec.identifiers import Currency, Instant, Money, Month, Name
from schemas.events.envelope import Event


class CustomerCharged(Event):
    """The customer was charged for ``billing_month``."""

    type: Literal["customer.charged"]
    charge_id: Name
    amount: Money
    currency: Currency
    billing_month: Month


class BillingErrorConfirmed(Event):
    """A charge of ``billing_month`` was confirmed to be wrong."""

    type: Literal["billing.error_confirmed"]
    charge_id: Name
    billing_month: Month
    kind: Name | None = None
    amount: Money | None = None


class PaymentConfirmed(Event):
    """The payment of an order was received; the provisioning clock starts at ``time``."""

    type: Literal["payment.confirmed"]
    order_id: Name
    domain_kind: Literal["own", "new"]


class ServiceOpened(Event):
    """The ordered service was opened at ``time``; done at the later of it and the notice."""

    type: Literal["service.opened"]
    order_id: Name
    notified_at: Instant
