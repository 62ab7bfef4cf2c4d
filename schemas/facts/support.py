"""Facts of ``mail.support``, made from `mailsla.schemas.events.support` by ``make facts``."""

from typing import ClassVar, Literal

from mailsla.schemas.facts.fact import Fact, fact_type


@fact_type
class ChannelUpFact(Fact):
    """``channel.up``, which `ChannelUp` describes."""

    topic: ClassVar[str] = "mail.support"
    type: Literal["channel.up"]
    channel: Literal["mail", "phone", "web"]


@fact_type
class ChannelDownFact(Fact):
    """``channel.down``, which `ChannelDown` describes."""

    topic: ClassVar[str] = "mail.support"
    type: Literal["channel.down"]
    channel: Literal["mail", "phone", "web"]


@fact_type
class TicketOpenedFact(Fact):
    """``ticket.opened``, which `TicketOpened` describes."""

    topic: ClassVar[str] = "mail.support"
    type: Literal["ticket.opened"]
    channel: Literal["mail", "phone", "web"]
    ticket_id: str


@fact_type
class TicketAnsweredFact(Fact):
    """``ticket.answered``, which `TicketAnswered` describes."""

    topic: ClassVar[str] = "mail.support"
    type: Literal["ticket.answered"]
    channel: Literal["mail", "phone", "web"]
    ticket_id: str
