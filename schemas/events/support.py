"""``mail.support``: customer-service channels and tickets (contract section 9)."""

from typing import Literal

from mailsla.schemas.codec.identifiers import Name
from mailsla.schemas.envelope import Event, PlatformEvent

SupportChannel = Literal["phone", "mail", "web"]


class ChannelUp(PlatformEvent):
    """A service channel can be reached from ``time`` on."""

    type: Literal["channel.up"]
    channel: SupportChannel
    """Channel of the customer service."""


class ChannelDown(PlatformEvent):
    """A service channel cannot be reached from ``time`` on."""

    type: Literal["channel.down"]
    channel: SupportChannel
    """Channel of the customer service."""


class TicketOpened(Event):
    """A customer asked; tracked, not judged."""

    type: Literal["ticket.opened"]
    ticket_id: Name
    """Identifies the ticket within the tenant."""
    channel: SupportChannel
    """Channel it came through."""


class TicketAnswered(Event):
    """The ticket was answered; tracked, not judged."""

    type: Literal["ticket.answered"]
    ticket_id: Name
    """The ticket that was answered."""
    channel: SupportChannel
    """Channel it was answered through."""
