"""``mail.ops``: incidents, exclusions, outages, corrections, monitoring (contract, 1 to 3)."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from schemas.codec.identifiers import (
    EventId,
    ExclusionCode,
    Instant,
    Name,
    Seconds,
    Section,
    Source,
    Text,
)
from schemas.events.envelope import PlatformEvent

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
    kind: Literal["fault", "adjustment"]
    component: Name | None = None
    description: Text | None = None


class IncidentClosed(PlatformEvent):
    """The incident ends at ``time``."""

    type: Literal["incident.closed"]
    incident_id: Name


class ExclusionDeclared(PlatformEvent):
    """An interval for which the provider is not liable, with its cause."""

    in_order: ClassVar[tuple[tuple[str, str], ...]] = (("starts_at", "ends_at"),)

    type: Literal["exclusion.declared"]
    exclusion_id: Name
    code: ExclusionCode
    starts_at: Instant
    ends_at: Instant
    sections: Annotated[list[Section], Field(max_length=9, fail_fast=True)] | None = None
    consent_ref: Name | None = None
    note: Text | None = None
    actor: Name | None = None


class ExclusionRevoked(PlatformEvent):
    """Takes a declared exclusion back."""

    type: Literal["exclusion.revoked"]
    exclusion_id: Name


class MonitorHeartbeat(PlatformEvent):
    """A monitor was watching; covers at most twice ``interval_s``."""

    type: Literal["monitor.heartbeat"]
    monitor: Name
    interval_s: Seconds


class OutageDeclared(PlatformEvent):
    """Loss of connectivity that no probe saw: downtime like any other (contract section 1)."""

    in_order: ClassVar[tuple[tuple[str, str], ...]] = (("starts_at", "ends_at"),)

    type: Literal["outage.declared"]
    outage_id: Name
    starts_at: Instant
    ends_at: Instant
    reason: Text
    evidence: Text | None = None
    actor: Name


class OutageRevoked(PlatformEvent):
    """Takes a declared outage back."""

    type: Literal["outage.revoked"]
    outage_id: Name


class EventVoided(PlatformEvent):
    """Another event does not count from when this one landed; a voiding cannot be voided."""

    type: Literal["event.voided"]
    voids_topic: VoidableTopic
    voids_source: Source
    voids_id: EventId
    reason: Text
    actor: Name


class ApprovalGiven(PlatformEvent):
    """A second person agrees to an exclusion or a declared outage of the same tenant."""

    type: Literal["approval.given"]
    approves: Name
    actor: Name


class SourceProgress(PlatformEvent):
    """Everything that happened at the source ``of`` events up to ``time`` has been published."""

    type: Literal["source.progress"]
    of: Source
