"""``mail.abuse``: complaints, spam sources, block lists (contract section 4)."""

from typing import Literal

from mailsla.schemas.codec.identifiers import Name, Text
from mailsla.schemas.envelope import Event, PlatformEvent


class ComplaintReceived(Event):
    """A complaint about spam came in; the deadlines run from its local day."""

    type: Literal["complaint.received"]
    case_id: Name
    """Identifies the complaint within the tenant."""
    origin: Literal["own_domain", "foreign"]
    """Whether the spam came from a domain of ours or from elsewhere."""
    reporter: Text | None = None
    """Who complained."""


class ComplaintResponded(Event):
    """The complaint was answered."""

    type: Literal["complaint.responded"]
    case_id: Name
    """The complaint that was answered."""


class ComplaintResultNotified(Event):
    """The result reached the complainant."""

    type: Literal["complaint.result_notified"]
    case_id: Name
    """The complaint whose result was told."""


class SourceEvent(PlatformEvent):
    """Common to what happens to a spam source."""

    case_id: Name
    """Identifies the case of the spam source."""
    address: Name | None = None
    """The address the spam comes from."""
    reported_to: Literal["association", "provider", "nsp"] | None = None
    """To whom the source was reported."""


class SourceConfirmed(SourceEvent):
    """A spam source was identified."""

    type: Literal["source.confirmed"]


class SourceBlocked(SourceEvent):
    """The source was blocked."""

    type: Literal["source.blocked"]


class SourceUnblocked(SourceEvent):
    """The block was lifted."""

    type: Literal["source.unblocked"]


class SourceReported(SourceEvent):
    """The source was reported to the association, its provider or its network."""

    type: Literal["source.reported"]


class BlocklistPublished(PlatformEvent):
    """The association published a list of spam servers."""

    type: Literal["blocklist.published"]
    list_id: Name
    """Identifies the published list."""


class BlocklistProcessed(PlatformEvent):
    """The published list was acted on."""

    type: Literal["blocklist.processed"]
    list_id: Name
    """The list that was acted on."""


class ListingEvent(PlatformEvent):
    """Common to an own domain or address on somebody's block list."""

    listing_id: Name
    """Identifies the listing."""
    list_name: Name | None = None
    """Name of the block list."""
    address: Name | None = None
    """The own domain or address that is listed."""


class ListingDetected(ListingEvent):
    """An own domain or address was found on a third party's list."""

    type: Literal["listing.detected"]


class ListingReported(ListingEvent):
    """The listing was reported to the association."""

    type: Literal["listing.reported"]
