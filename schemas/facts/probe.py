"""Facts of ``mail.probe``, made from `mailsla.schemas.events.probe` by ``make facts``."""

from typing import ClassVar, Literal

from mailsla.schemas.facts.fact import Fact, fact_type


@fact_type
class ProbeResultFact(Fact):
    """``probe.result``, which `ProbeResult` describes."""

    topic: ClassVar[str] = "mail.probe"
    type: Literal["probe.result"]
    probe: str
    channel: Literal["activesync", "imap", "pop3", "smtp", "submission", "web"]
    capability: Literal["receive", "send"]
    scope: Literal["external", "internal"]
    ok: bool
    interval_s: float
    duration_ms: float | None
    error: str | None
    vantage: str | None


@fact_type
class PageLoadedFact(Fact):
    """``page.loaded``, which `PageLoaded` describes."""

    topic: ClassVar[str] = "mail.probe"
    type: Literal["page.loaded"]
    vantage: str | None
    bandwidth: Literal["broadband", "narrowband"]
    load_ms: float
    url: str | None
