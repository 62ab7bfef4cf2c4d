"""``mail.probe``: synthetic checks of the mailboxes and pages (contract sections 1 and 3)."""

from typing import Literal

from mailsla.schemas.codec.identifiers import Millis, Name, Seconds, Text
from mailsla.schemas.envelope import PlatformEvent

Channel = Literal["smtp", "submission", "imap", "pop3", "web", "activesync"]


class ProbeResult(PlatformEvent):
    """One run of one probe; holds for at most twice ``interval_s``."""

    type: Literal["probe.result"]
    probe: Name
    """Name of the probe."""
    channel: Channel
    """Protocol that was tried."""
    capability: Literal["send", "receive"]
    """What it shows to work: sending or receiving."""
    scope: Literal["internal", "external"]
    """Whether the mail stays within the domain."""
    ok: bool
    """Whether it worked."""
    interval_s: Seconds
    """Seconds between two runs of the probe."""
    duration_ms: Millis | None = None
    """Duration of the run, milliseconds."""
    error: Text | None = None
    """What failed."""
    vantage: Name | None = None
    """Where the probe stands."""


class PageLoaded(PlatformEvent):
    """One timed load of a web page."""

    type: Literal["page.loaded"]
    bandwidth: Literal["narrowband", "broadband"]
    """Kind of connection; each has a promise of its own."""
    load_ms: Millis
    """Duration of the load, milliseconds."""
    url: Text | None = None
    """Page that was loaded."""
    vantage: Name | None = None
    """Where it was loaded."""
