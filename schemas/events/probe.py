"""``mail.probe``: synthetic checks of the mailboxes and pages (contract sections 1 and 3)."""

from typing import Literal

from schemas.codec.identifiers import Millis, Name, Seconds, Text
from schemas.events.envelope import PlatformEvent

Channel = Literal["smtp", "submission", "imap", "pop3", "web", "activesync"]


class ProbeResult(PlatformEvent):
    """One run of one probe; holds for at most twice ``interval_s``."""

    type: Literal["probe.result"]
    probe: Name
    channel: Channel
    capability: Literal["send", "receive"]
    scope: Literal["internal", "external"]
    ok: bool
    interval_s: Seconds
    duration_ms: Millis | None = None
    error: Text | None = None
    vantage: Name | None = None


class PageLoaded(PlatformEvent):
    """One timed load of a web page."""

    type: Literal["page.loaded"]
    bandwidth: Literal["narrowband", "broadband"]
    load_ms: Millis
    url: Text | None = None
    vantage: Name | None = None
