"""``mail.ops``: incidents, exclusions, outages, corrections, monitoring (contract, 1 to 3)."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mailsla.schemas.codec.identifiers import (
    EventId,
    ExclusionCode,
    Instant,
    Name,
    Seconds,
    Section,
    Source,
    Text,
)
from mailsla.schemas.envelope import PlatformEvent

VoidableTopic = Literal[
    "mail.mta",
    "mail.probe",
    "mail.ops",
    "mail.antivirus",
    "mail.backup",
    "mail.billing",
    "mail.abuse",
    "mail.support",
    "mail.security",
]


class IncidentOpened(PlatformEvent):
    """A fault or a planned adjustment starts at ``time``."""

    type: Literal["incident.opened"]
    incident_id: Name
    """Identifies the incident within the tenant."""
    kind: Literal["fault", "adjustment"]
    """`fault`: time of it counts; `adjustment`: planned work, counted apart."""
    component: Name | None = None
    """What failed or is worked on."""
    description: Text | None = None
    """What is known of it, in words."""


class IncidentClosed(PlatformEvent):
    """The incident ends at ``time``."""

    type: Literal["incident.closed"]
    incident_id: Name
    """The incident that ends."""


class ExclusionDeclared(PlatformEvent):
    """An interval for which the provider is not liable, with its cause."""

    in_order: ClassVar[tuple[tuple[str, str], ...]] = (("starts_at", "ends_at"),)

    type: Literal["exclusion.declared"]
    exclusion_id: Name
    """Identifies the exclusion within the tenant."""
    code: ExclusionCode
    """The cause, one of those the agreement names."""
    starts_at: Instant
    """First instant that is excluded."""
    ends_at: Instant
    """First instant that is no longer excluded."""
    sections: Annotated[list[Section], Field(max_length=9, fail_fast=True)] | None = None
    """Sections of the agreement it holds for; absent: every one that takes exclusions."""
    consent_ref: Name | None = None
    """Where the customer's consent is kept."""
    note: Text | None = None
    """Why, in words."""
    actor: Name | None = None
    """Who declared it."""


class ExclusionRevoked(PlatformEvent):
    """Takes a declared exclusion back."""

    type: Literal["exclusion.revoked"]
    exclusion_id: Name
    """The exclusion that is taken back."""


class MonitorHeartbeat(PlatformEvent):
    """A monitor was watching; covers at most twice ``interval_s``."""

    type: Literal["monitor.heartbeat"]
    monitor: Name
    """Name of the monitor."""
    interval_s: Seconds
    """Seconds between two heartbeats."""


class OutageDeclared(PlatformEvent):
    """Loss of connectivity that no probe saw: downtime like any other (contract section 1)."""

    in_order: ClassVar[tuple[tuple[str, str], ...]] = (("starts_at", "ends_at"),)

    type: Literal["outage.declared"]
    outage_id: Name
    """Identifies the declared outage within the tenant."""
    starts_at: Instant
    """First instant without connectivity."""
    ends_at: Instant
    """First instant with connectivity again."""
    reason: Text
    """What was the matter."""
    evidence: Text | None = None
    """Where the evidence is kept."""
    actor: Name
    """Who declared it."""


class OutageRevoked(PlatformEvent):
    """Takes a declared outage back."""

    type: Literal["outage.revoked"]
    outage_id: Name
    """The declared outage that is taken back."""


class EventVoided(PlatformEvent):
    """Another event does not count from when this one landed; a voiding cannot be voided."""

    type: Literal["event.voided"]
    voids_topic: VoidableTopic
    """Topic of the event that shall not count."""
    voids_source: Source
    """Its `source`."""
    voids_id: EventId
    """Its `id`."""
    reason: Text
    """Why it does not count."""
    actor: Name
    """Who voided it."""


class ApprovalGiven(PlatformEvent):
    """A second person agrees to an exclusion or a declared outage of the same tenant."""

    type: Literal["approval.given"]
    approves: Name
    """Id of the exclusion or declared outage."""
    actor: Name
    """Who approved it; not who declared it."""


class SourceProgress(PlatformEvent):
    """Everything that happened at the source ``of`` events up to ``time`` has been published."""

    type: Literal["source.progress"]
    of: Source
    """The source whose events are complete up to `time`."""
