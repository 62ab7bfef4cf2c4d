"""``mail.ops``: incidents, exclusions and monitoring (contract sections 1 to 3)."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from schemas.envelope import PlatformEvent
from schemas.identifiers import ExclusionCode, Instant, Name, Seconds, Section, Source, Text


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


class ExclusionRevoked(PlatformEvent):
    """Takes a declared exclusion back."""

    type: Literal["exclusion.revoked"]
    exclusion_id: Name


class MonitorHeartbeat(PlatformEvent):
    """A monitor was watching; covers at most twice ``interval_s``."""

    type: Literal["monitor.heartbeat"]
    monitor: Name
    interval_s: Seconds


class SourceProgress(PlatformEvent):
    """Everything that happened at the source ``of`` events up to ``time`` has been published."""

    type: Literal["source.progress"]
    of: Source
