"""Facts of ``mail.ops``, made from `mailsla.schemas.events.ops` by ``make facts``."""

from typing import ClassVar, Literal

from mailsla.schemas.facts.fact import Fact, Micros, fact_type


@fact_type
class IncidentOpenedFact(Fact):
    """``incident.opened``, which `IncidentOpened` describes."""

    topic: ClassVar[str] = "mail.ops"
    type: Literal["incident.opened"]
    incident_id: str
    kind: Literal["adjustment", "fault"]
    component: str | None
    description: str | None


@fact_type
class IncidentClosedFact(Fact):
    """``incident.closed``, which `IncidentClosed` describes."""

    topic: ClassVar[str] = "mail.ops"
    type: Literal["incident.closed"]
    incident_id: str


@fact_type
class ExclusionDeclaredFact(Fact):
    """``exclusion.declared``, which `ExclusionDeclared` describes."""

    topic: ClassVar[str] = "mail.ops"
    type: Literal["exclusion.declared"]
    exclusion_id: str
    code: Literal[
        "agreed_maintenance",
        "carrier",
        "customer_equipment",
        "customer_misuse",
        "customer_negligence",
        "force_majeure",
        "foreign_system",
    ]
    starts_at: Micros
    ends_at: Micros
    sections: list[int] | None
    consent_ref: str | None
    note: str | None
    actor: str | None


@fact_type
class ExclusionRevokedFact(Fact):
    """``exclusion.revoked``, which `ExclusionRevoked` describes."""

    topic: ClassVar[str] = "mail.ops"
    type: Literal["exclusion.revoked"]
    exclusion_id: str


@fact_type
class MonitorHeartbeatFact(Fact):
    """``monitor.heartbeat``, which `MonitorHeartbeat` describes."""

    topic: ClassVar[str] = "mail.ops"
    type: Literal["monitor.heartbeat"]
    monitor: str
    interval_s: float


@fact_type
class OutageDeclaredFact(Fact):
    """``outage.declared``, which `OutageDeclared` describes."""

    topic: ClassVar[str] = "mail.ops"
    type: Literal["outage.declared"]
    starts_at: Micros
    ends_at: Micros
    actor: str
    outage_id: str
    reason: str
    evidence: str | None


@fact_type
class OutageRevokedFact(Fact):
    """``outage.revoked``, which `OutageRevoked` describes."""

    topic: ClassVar[str] = "mail.ops"
    type: Literal["outage.revoked"]
    outage_id: str


@fact_type
class EventVoidedFact(Fact):
    """``event.voided``, which `EventVoided` describes."""

    topic: ClassVar[str] = "mail.ops"
    type: Literal["event.voided"]
    actor: str
    reason: str
    voids_topic: Literal[
        "mail.abuse",
        "mail.antivirus",
        "mail.backup",
        "mail.billing",
        "mail.mta",
        "mail.ops",
        "mail.probe",
        "mail.security",
        "mail.support",
    ]
    voids_source: str
    voids_id: str


@fact_type
class ApprovalGivenFact(Fact):
    """``approval.given``, which `ApprovalGiven` describes."""

    topic: ClassVar[str] = "mail.ops"
    type: Literal["approval.given"]
    actor: str
    approves: str


@fact_type
class SourceProgressFact(Fact):
    """``source.progress``, which `SourceProgress` describes."""

    topic: ClassVar[str] = "mail.ops"
    type: Literal["source.progress"]
    of: str
