"""``mail.antivirus``: definitions, outbreaks and scans (contract section 5)."""

from typing import Literal

from schemas.codec.identifiers import Count, MessageId, Millis, Name, Recipient
from schemas.events.envelope import Event, PlatformEvent


class DefinitionsUpdated(PlatformEvent):
    """The virus definitions of an engine were brought up to date."""

    type: Literal["definitions.updated"]
    engine: Name
    version: Name
    signatures: Count | None = None


class OutbreakDeclared(PlatformEvent):
    """A virus outbreak begins; its weeks ask for more updates."""

    type: Literal["outbreak.declared"]
    outbreak_id: Name
    name: Name | None = None


class OutbreakEnded(PlatformEvent):
    """The outbreak is over."""

    type: Literal["outbreak.ended"]
    outbreak_id: Name
    name: Name | None = None


class MessageScanned(Event):
    """One message was scanned, or should have been."""

    type: Literal["message.scanned"]
    message_id: MessageId
    mailbox: Recipient
    verdict: Literal["clean", "infected", "error", "skipped"]
    action: Literal["none", "cleaned", "quarantined", "deleted", "tagged"]
    policy: Literal["clean", "detect", "off"]
    kept_original: bool | None = None
    keep_original_policy: bool | None = None
    attachment_type: Name | None = None
    scan_ms: Millis | None = None
