"""``mail.mta``: what became of each message (contract section 2)."""

from typing import Annotated, ClassVar, Literal

from mailsla.schemas.codec.identifiers import (
    Count,
    ExclusionCode,
    Instant,
    MessageId,
    Name,
    Positive,
    Recipient,
    Text,
    or_default,
)
from mailsla.schemas.envelope import Event

Attempt = Annotated[Positive, or_default(1)]
Estimate = Annotated[Literal["exact", "upper_bound"], or_default("exact")]


class MessageEvent(Event):
    """Common to every message event; a message is (``source``, ``message_id``, ``recipient``)."""

    in_order: ClassVar[tuple[tuple[str, str], ...]] = (("accepted_at", "time"),)

    message_id: MessageId
    """The message at its source, such as a queue id."""
    direction: Literal["outbound", "inbound"]
    """`outbound`: from the tenant to others; `inbound`: to a mailbox of the tenant."""
    recipient: Recipient
    """The address it goes to; each recipient is a message of its own."""
    accepted_at: Instant | None = None
    """When the system had fully received the message; it decides the month."""
    size_bytes: Count | None = None
    """Size of the message, bytes."""
    peer: Text | None = None
    """The other server, as a name or an address."""
    mailbox: Recipient | None = None
    """The tenant's mailbox, where it is not the recipient."""
    liability: ExclusionCode | None = None
    """Cause for which the provider is not liable for the delay of this message."""
    estimate: Estimate = "exact"
    """Whether `time` is exact, or the latest it can have been."""


class MessageAccepted(MessageEvent):
    """The system has fully received the message; ``time`` is that moment."""

    type: Literal["message.accepted"]


class MessageDispatched(MessageEvent):
    """Transmission to the destination starts; only attempt 1 has a send latency."""

    type: Literal["message.dispatched"]
    direction: Literal["outbound"]
    accepted_at: Instant
    attempt: Attempt = 1
    """Counts the delivery attempts from 1; only the first has a send latency."""


class MessageDelivered(MessageEvent):
    """The message is in the mailbox; ``time`` is that moment."""

    type: Literal["message.delivered"]
    direction: Literal["inbound"]
    accepted_at: Instant


class MessageSettled(MessageEvent):
    """Common to the outcomes that carry a reason."""

    reason: Text | None = None
    """What the other server or the policy said."""
    dsn: Name | None = None
    """Enhanced status code, such as `4.7.1` (RFC 3463)."""


class MessageDeferred(MessageSettled):
    """A delivery attempt failed for now; the message stays in flight."""

    type: Literal["message.deferred"]


class MessageBounced(MessageSettled):
    """Returned to the sender; finished."""

    type: Literal["message.bounced"]


class MessageExpired(MessageSettled):
    """Given up after the retry time; finished."""

    type: Literal["message.expired"]


class MessageDiscarded(MessageSettled):
    """Dropped by policy; finished."""

    type: Literal["message.discarded"]


class MessageRejected(MessageSettled):
    """Refused before it was accepted; never in flight."""

    type: Literal["message.rejected"]
