"""``mail.antivirus``: definitions, outbreaks and scans (contract section 5)."""

from typing import Literal

from mailsla.schemas.codec.identifiers import Count, MessageId, Millis, Name, Recipient
from mailsla.schemas.envelope import Event, PlatformEvent


class DefinitionsUpdated(PlatformEvent):
    """The virus definitions of an engine were brought up to date."""

    type: Literal["definitions.updated"]
    engine: Name
    """Name of the engine."""
    version: Name
    """Version of its definitions."""
    signatures: Count | None = None
    """How many signatures they hold."""


class OutbreakDeclared(PlatformEvent):
    """A virus outbreak begins; its weeks ask for more updates."""

    type: Literal["outbreak.declared"]
    outbreak_id: Name
    """Identifies the outbreak."""
    name: Name | None = None
    """Name of the virus."""


class OutbreakEnded(PlatformEvent):
    """The outbreak is over."""

    type: Literal["outbreak.ended"]
    outbreak_id: Name
    """The outbreak that is over."""
    name: Name | None = None
    """Name of the virus."""


class MessageScanned(Event):
    """One message was scanned, or should have been."""

    type: Literal["message.scanned"]
    message_id: MessageId
    """The message at its source."""
    mailbox: Recipient
    """The mailbox it belongs to."""
    verdict: Literal["clean", "infected", "error", "skipped"]
    """What the scan found; `error` and `skipped` are scans that did not take place."""
    action: Literal["none", "cleaned", "quarantined", "deleted", "tagged"]
    """What was done with the message."""
    policy: Literal["clean", "detect", "off"]
    """What the mailbox asks for: cleaning, detection alone, or nothing."""
    kept_original: bool | None = None
    """Whether the infected original was kept."""
    keep_original_policy: bool | None = None
    """Whether the mailbox asks to keep it."""
    attachment_type: Name | None = None
    """Kind of the attachment that was infected."""
    scan_ms: Millis | None = None
    """Duration of the scan, milliseconds."""
