"""Facts of ``mail.antivirus``, made from `mailsla.schemas.events.antivirus` by ``make facts``."""

from typing import ClassVar, Literal

from mailsla.schemas.facts.fact import Fact, fact_type


@fact_type
class DefinitionsUpdatedFact(Fact):
    """``definitions.updated``, which `DefinitionsUpdated` describes."""

    topic: ClassVar[str] = "mail.antivirus"
    type: Literal["definitions.updated"]
    engine: str
    version: str
    signatures: int | None


@fact_type
class OutbreakDeclaredFact(Fact):
    """``outbreak.declared``, which `OutbreakDeclared` describes."""

    topic: ClassVar[str] = "mail.antivirus"
    type: Literal["outbreak.declared"]
    outbreak_id: str
    name: str | None


@fact_type
class OutbreakEndedFact(Fact):
    """``outbreak.ended``, which `OutbreakEnded` describes."""

    topic: ClassVar[str] = "mail.antivirus"
    type: Literal["outbreak.ended"]
    outbreak_id: str
    name: str | None


@fact_type
class MessageScannedFact(Fact):
    """``message.scanned``, which `MessageScanned` describes."""

    topic: ClassVar[str] = "mail.antivirus"
    type: Literal["message.scanned"]
    message_id: str
    mailbox: str
    verdict: Literal["clean", "error", "infected", "skipped"]
    action: Literal["cleaned", "deleted", "none", "quarantined", "tagged"]
    policy: Literal["clean", "detect", "off"]
    kept_original: bool | None
    keep_original_policy: bool | None
    attachment_type: str | None
    scan_ms: float | None
