"""Section 6: security incidents; blank in the agreement, judged once a contract sets a target."""

from typing import ClassVar

from mailsla.schemas.facts.fact import Fact
from mailsla.schemas.facts.security import SecurityIncidentFact
from mailsla.streams.clauses.facts.base import Facts
from mailsla.streams.clauses.kinds.counted_violations import Identities
from mailsla.streams.clauses.model.measure import Measure, View, count_measure

INDICATORS = ("security.incidents",)


class SecurityFacts(Facts):
    """Security incidents of one tenant."""

    topic: ClassVar[str] = "mail.security"

    def __init__(self) -> None:
        super().__init__()
        self.incidents = Identities()

    def _take(self, fact: Fact) -> None:
        if isinstance(fact, SecurityIncidentFact):
            self.incidents.add((fact.incident_id,), fact.time, fact.reference)

    def _drop(self, horizon_us: int) -> None:
        self.incidents.forget(horizon_us)


def measure(own: SecurityFacts, view: View) -> list[Measure]:
    """Security incidents of the month."""
    incidents = own.incidents.within(view.start_us, view.end_us)
    return [
        count_measure("security.incidents", len(incidents), view.spoken(own), evidence=incidents)
    ]
