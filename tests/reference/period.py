"""Which tenants a month has, under which contract, and which part of it is theirs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from schemas.contract import Contract, default_contract
from tests.reference.instants import days_between, local_day, midnight, next_month
from tests.reference.log import PLATFORM, TOPIC_OF, Event

Span = tuple[Contract, date, date]


@dataclass(frozen=True)
class Period:
    """The active part ``[first, last)`` of a tenant's local month, and all its active days."""

    contract: Contract
    month: date
    first: date
    last: date
    active_spans: tuple[tuple[date, date], ...]

    @property
    def tenant_id(self) -> str:
        return self.contract.tenant_id

    @property
    def zone(self) -> ZoneInfo:
        return self.contract.zone

    @property
    def start(self) -> int:
        return midnight(self.first, self.zone)

    @property
    def end(self) -> int:
        return midnight(self.last, self.zone)

    @property
    def length(self) -> int:
        return self.end - self.start

    def holds(self, instant: int) -> bool:
        """Whether an instant falls into the active part."""
        return self.start <= instant < self.end

    def days(self) -> list[date]:
        """The days of the active part."""
        return days_between(self.first, self.last)

    def active(self, day: date) -> bool:
        """Whether the tenant is served on a day, in this month or another."""
        return any(first <= day < last for first, last in self.active_spans)


def spans_in_force(contracts: Iterable[Contract], tenant_id: str) -> list[Span]:
    """Each version with the days ``[from, to)`` it is in force; a later one ends the earlier."""
    versions = {c.version: c for c in contracts if c.tenant_id == tenant_id}
    ordered = sorted(versions.values(), key=lambda c: (c.effective_from, c.version))
    spans = []
    for position, contract in enumerate(ordered):
        until = contract.effective_to or date.max
        if position + 1 < len(ordered):
            until = min(until, ordered[position + 1].effective_from)
        if contract.effective_from < until:
            spans.append((contract, contract.effective_from, until))
    return spans


def period_of(tenant_id: str, contracts: Iterable[Contract], month: date) -> Period:
    """The tenant's period of a month; the default contract where none covers any of it."""
    after = next_month(month)
    every = spans_in_force(contracts, tenant_id)
    spans = [span for span in every if span[1] < after and span[2] > month]
    if not spans:
        contract = default_contract(tenant_id)
        return Period(contract, month, month, after, ((date.min, date.max),))
    governing = spans[-1][0]
    first = max(month, spans[0][1])
    last = min(after, spans[-1][2])
    active = ((first, last), *((begin, until) for _, begin, until in every))
    return Period(governing, month, first, last, active)


def tenants_of(events: Iterable[Event], contracts: Sequence[Contract], month: date) -> list[str]:
    """Every tenant with an event in the month, or a contract covering part of it."""
    after = next_month(month)
    found = set()
    for contract in contracts:
        spans = spans_in_force(contracts, contract.tenant_id)
        if any(begin < after and until > month for _, begin, until in spans):
            found.add(contract.tenant_id)
    default_zone = default_contract("x").zone
    for event in events:
        moment = event["time"]
        if TOPIC_OF[event["type"]] == "mail.mta":
            moment = event.get("accepted_at", moment)
        # A tenant with a contract covering the month is found already, whatever its zone.
        if month <= local_day(moment, default_zone) < after:
            found.add(event["tenant_id"])
    return sorted(found - {PLATFORM})
