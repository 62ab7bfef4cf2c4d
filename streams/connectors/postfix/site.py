"""What the connector has to be told about the provider whose logs it reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, timedelta, tzinfo

from mailsla.streams.connectors.postfix.read.relays import OwnRelays
from mailsla.streams.connectors.postfix.tenants import TenantMap


@dataclass(frozen=True)
class Limits:
    """How much is remembered: bounds memory whatever the log holds.

    `open_messages`: incarnations held at once; the oldest gives way, counted as `evicted`.
    `age`: how long one is held that no line speaks of, unless it is on hold; above Postfix's
    `maximal_queue_lifetime` (5 days by default).
    `linger`: how long a removed one still takes lines that were written out of order.
    `filter_return`: how long a removed one waits for its content filter to hand it back.
    """

    open_messages: int = 200_000
    age: timedelta = timedelta(days=6)
    linger: timedelta = timedelta(minutes=2)
    filter_return: timedelta = timedelta(hours=1)


@dataclass(frozen=True)
class Site:
    """Domains, own relays and filters, the zone of RFC 3164 stamps, and the limits.

    `stores`: hosts reached by SMTP that are the mailbox of the tenants' recipients.
    """

    tenants: TenantMap
    own_relays: OwnRelays = field(default_factory=OwnRelays)
    zone: tzinfo = UTC
    limits: Limits = field(default_factory=Limits)
    stores: OwnRelays = field(default_factory=lambda: OwnRelays(()))
