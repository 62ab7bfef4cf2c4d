"""Facts of ``mail.abuse``, made from `mailsla.schemas.events.abuse` by ``make facts``."""

from typing import ClassVar, Literal

from mailsla.schemas.facts.fact import Fact, fact_type


@fact_type
class ComplaintReceivedFact(Fact):
    """``complaint.received``, which `ComplaintReceived` describes."""

    topic: ClassVar[str] = "mail.abuse"
    type: Literal["complaint.received"]
    case_id: str
    origin: Literal["foreign", "own_domain"]
    reporter: str | None


@fact_type
class ComplaintRespondedFact(Fact):
    """``complaint.responded``, which `ComplaintResponded` describes."""

    topic: ClassVar[str] = "mail.abuse"
    type: Literal["complaint.responded"]
    case_id: str


@fact_type
class ComplaintResultNotifiedFact(Fact):
    """``complaint.result_notified``, which `ComplaintResultNotified` describes."""

    topic: ClassVar[str] = "mail.abuse"
    type: Literal["complaint.result_notified"]
    case_id: str


@fact_type
class SourceConfirmedFact(Fact):
    """``source.confirmed``, which `SourceConfirmed` describes."""

    topic: ClassVar[str] = "mail.abuse"
    type: Literal["source.confirmed"]
    case_id: str
    address: str | None
    reported_to: Literal["association", "nsp", "provider"] | None


@fact_type
class SourceBlockedFact(Fact):
    """``source.blocked``, which `SourceBlocked` describes."""

    topic: ClassVar[str] = "mail.abuse"
    type: Literal["source.blocked"]
    case_id: str
    address: str | None
    reported_to: Literal["association", "nsp", "provider"] | None


@fact_type
class SourceUnblockedFact(Fact):
    """``source.unblocked``, which `SourceUnblocked` describes."""

    topic: ClassVar[str] = "mail.abuse"
    type: Literal["source.unblocked"]
    case_id: str
    address: str | None
    reported_to: Literal["association", "nsp", "provider"] | None


@fact_type
class SourceReportedFact(Fact):
    """``source.reported``, which `SourceReported` describes."""

    topic: ClassVar[str] = "mail.abuse"
    type: Literal["source.reported"]
    case_id: str
    address: str | None
    reported_to: Literal["association", "nsp", "provider"] | None


@fact_type
class BlocklistPublishedFact(Fact):
    """``blocklist.published``, which `BlocklistPublished` describes."""

    topic: ClassVar[str] = "mail.abuse"
    type: Literal["blocklist.published"]
    list_id: str


@fact_type
class BlocklistProcessedFact(Fact):
    """``blocklist.processed``, which `BlocklistProcessed` describes."""

    topic: ClassVar[str] = "mail.abuse"
    type: Literal["blocklist.processed"]
    list_id: str


@fact_type
class ListingDetectedFact(Fact):
    """``listing.detected``, which `ListingDetected` describes."""

    topic: ClassVar[str] = "mail.abuse"
    type: Literal["listing.detected"]
    address: str | None
    listing_id: str
    list_name: str | None


@fact_type
class ListingReportedFact(Fact):
    """``listing.reported``, which `ListingReported` describes."""

    topic: ClassVar[str] = "mail.abuse"
    type: Literal["listing.reported"]
    address: str | None
    listing_id: str
    list_name: str | None
