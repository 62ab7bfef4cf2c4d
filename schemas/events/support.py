"""``mail.support``: customer-service channels and tickets (contract section 9)."""

from typing import Literal

from schemas.codec.identifiers import Name
from schemas.events.envelope import Event, PlatformEvent

SupportChannel = Literal["phone", "mail", "web"]


class ChannelUp(PlatformEvent):
    """A service channel can be reached from ``time`` on."""

    type: Literal["channel.up"]
    channel: SupportChannel


class ChannelDown(PlatformEvent):
    """A service channel cannot be reached from ``time`` on."""

    type: Literal["channel.down"]
    channel: SupportChannel


class TicketOpened(Event):
    """A customer asked; tracked, not judged."""

    type: Literal["ticket.opened"]
    ticket_id: Name
    channel: SupportChannel


class TicketAnswered(Event):
    """The ticket was answered; tracked, not judged."""

    type: Literal["ticket.answered"]
    ticket_id: Name
    channel: SupportChannel
