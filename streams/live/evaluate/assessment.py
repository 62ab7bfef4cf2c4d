"""An indicator of a tenant-month, measured and judged as the month runs."""

from dataclasses import dataclass

from mailsla.schemas.contract import Term
from mailsla.schemas.results import State
from mailsla.streams.clauses.model.contracts import Governed
from mailsla.streams.clauses.model.measure import Measure
from mailsla.streams.clauses.model.segments import (
    Judged,
    is_firm_in,
    state_of,
    term_of,
    turns_of,
    verdict_of,
)
from mailsla.streams.time.calendar import Month


@dataclass(frozen=True, slots=True)
class Assessment:
    """An indicator of a tenant-month as it stands at an event time.

    Where the contract changes within the month, state and verdict are made of those of ``parts``;
    the measure is that of the whole month.
    """

    tenant_id: str
    month: Month
    governed: Governed
    measure: Measure
    term: Term
    state: State
    verdict: str
    firm: bool
    """Whether the budget itself is at risk, not only what may still be averted."""
    parts: tuple[Judged, ...] = ()

    @property
    def whole(self) -> Judged:
        """The month as if the contract that governs it had been in force in all of it."""
        term = self.governed.contract.term(self.measure.indicator)
        return Judged.of(self.governed, self.measure, term)

    def is_over(self, at_us: int) -> bool:
        """Whether the active part of its month is over at an event time, µs."""
        return at_us >= self.governed.period.end_us

    def at(self, measure: Measure) -> "Assessment":
        """The same indicator with another value."""
        return assess(self.tenant_id, self.month, Judged.of(self.governed, measure, self.term))


def assess(tenant: str, month: Month, whole: Judged, parts: tuple[Judged, ...] = ()) -> Assessment:
    """What an indicator comes to; a month that has ``parts`` is judged one by one."""
    measure, term = whole.measure, whole.term
    state, verdict, firm = whole.state, whole.verdict, whole.firm
    if parts:
        measure, term = turns_of(measure, parts), term_of(parts, term)
        state, verdict, firm = state_of(parts), verdict_of(parts), is_firm_in(parts)
    return Assessment(tenant, month, whole.governed, measure, term, state, verdict, firm, parts)
