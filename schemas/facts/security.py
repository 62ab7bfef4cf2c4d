"""Facts of ``mail.security``, made from `mailsla.schemas.events.security` by ``make facts``."""

from typing import ClassVar, Literal

from mailsla.schemas.facts.fact import Fact, fact_type


@fact_type
class SecurityIncidentFact(Fact):
    """``security.incident``, which `SecurityIncident` describes."""

    topic: ClassVar[str] = "mail.security"
    type: Literal["security.incident"]
    incident_id: str
    kind: str
    severity: Literal["critical", "high", "low", "medium"]
    note: str | None
