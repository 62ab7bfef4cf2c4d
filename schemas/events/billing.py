"""``mail.billing``: charges, errors, orders (contract sections 3 and 8)."""

from typing import Literal

from mailsla.schemas.codec.identifiers import Currency, Instant, Money, Month, Name
from mailsla.schemas.envelope import Event


class CustomerCharged(Event):
    """The customer was charged for ``billing_month``."""

    type: Literal["customer.charged"]
    charge_id: Name
    """Identifies the charge within the tenant."""
    amount: Money
    """Amount charged."""
    currency: Currency
    """Currency, ISO 4217."""
    billing_month: Month
    """Month the charge is for."""


class BillingErrorConfirmed(Event):
    """A charge of ``billing_month`` was confirmed to be wrong."""

    type: Literal["billing.error_confirmed"]
    charge_id: Name
    """The charge that was wrong."""
    billing_month: Month
    """Month the charge is for."""
    kind: Name | None = None
    """What was wrong."""
    amount: Money | None = None
    """Amount by which it was wrong."""


class PaymentConfirmed(Event):
    """The payment of an order was received; the provisioning clock starts at ``time``."""

    type: Literal["payment.confirmed"]
    order_id: Name
    """Identifies the order within the tenant."""
    domain_kind: Literal["own", "new"]
    """Whether the customer brings a domain or gets a new one; they have different deadlines."""


class ServiceOpened(Event):
    """The ordered service was opened at ``time``; done at the later of it and the notice."""

    type: Literal["service.opened"]
    order_id: Name
    """The order that was fulfilled."""
    notified_at: Instant
    """When the customer was told."""
