"""``mail.security``: intrusions (contract section 6, blank in the agreement)."""

from typing import Literal

from mailsla.schemas.codec.identifiers import Name, Text
from mailsla.schemas.envelope import Event


class SecurityIncident(Event):
    """A security incident; counted, judged only where a contract sets a target."""

    type: Literal["security.incident"]
    incident_id: Name
    """Identifies the incident within the tenant."""
    kind: Name
    """What happened."""
    severity: Literal["low", "medium", "high", "critical"]
    """How severe it is."""
    note: Text | None = None
    """What is known of it, in words."""
