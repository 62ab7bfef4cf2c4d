"""Which tenants a month has, under which contract, and which part of it is theirs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from mailsla.schemas.contract import Contract, default_contract
from tests.reference.instants import days_between, local_day, midnight, next_month
from tests.reference.log import PLATFORM, TOPIC_OF, Event

Span = tuple[Contract, date, date]

JUDGED_WHOLE = (
    "latency.send.mean",
    "latency.receive.mean",
    "latency.send.max",
    "latency.receive.max",
    "operations.fault_free_days",
    "operations.billing_error_rate",
    "operations.page_load.narrowband",
    "operations.page_load.broadband",
    "antivirus.scan_delay",
)
"""A mean, a maximum, or what is counted over the year or the whole platform: not of one part."""


@dataclass(frozen=True)
class Period:
    """The active part ``[first, last)`` of a tenant's local month, and all its active days.

    Or a part of it that another version of the contract judges. ``versions`` are those of the
    month, each until the next begins.
    """

    contract: Contract
    month: date
    first: date
    last: date
    active_spans: tuple[tuple[date, date], ...]
    zone: ZoneInfo
    versions: tuple[Span, ...]

    @property
    def tenant_id(self) -> str:
        return self.contract.tenant_id

    @property
    def start(self) -> int:
        return midnight(self.first, self.zone)

    @property
    def end(self) -> int:
        return midnight(self.last, self.zone)

    @property
    def month_end(self) -> int:
        """The end of the active part of the month, also of a part of it."""
        return midnight(self.versions[-1][2], self.zone)

    @property
    def length(self) -> int:
        return self.end - self.start

    def holds(self, instant: int) -> bool:
        """Whether an instant falls into the active part."""
        return self.start <= instant < self.end

    def days(self) -> list[date]:
        """The days of the active part."""
        return days_between(self.first, self.last)

    def received_under(self, day: date) -> Contract:
        """The version that says how soon what was received on a day must be answered."""
        found = self.versions[0][0]
        for contract, begin, _ in self.versions:
            if begin <= day:
                found = contract
        return found

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
        whole = ((contract, month, after),)
        return Period(contract, month, month, after, ((date.min, date.max),), contract.zone, whole)
    governing = spans[-1][0]
    first = max(month, spans[0][1])
    last = min(after, spans[-1][2])
    active = ((first, last), *((begin, until) for _, begin, until in every))
    begins = [first, *(span[1] for span in spans[1:]), last]
    versions = tuple(
        (span[0], begins[place], begins[place + 1]) for place, span in enumerate(spans)
    )
    return Period(governing, month, first, last, active, governing.zone, versions)


def parts_of(period: Period, indicator: str) -> list[Period]:
    """The parts of the month in which an indicator is judged; the whole where nothing changes."""
    parts: list[Period] = []
    for contract, begin, until in period.versions if indicator not in JUDGED_WHOLE else ():
        if parts and promise(contract, indicator) == promise(parts[-1].contract, indicator):
            begin = parts.pop().first
        parts.append(replace(period, contract=contract, first=begin, last=until))
    return parts if len(parts) > 1 else [period]


def promise(contract: Contract, indicator: str) -> tuple[Any, ...]:
    """What a contract says of an indicator: the target, and how its section is read."""
    term, readings = contract.term(indicator), contract.profile
    excused = (set(readings.approval), readings.notice_days, readings.max_hours_per_year)
    read = {
        1: (readings.probe_hold_factor, excused),
        2: (readings.max_latency_s, excused),
        3: (set(readings.operations_exclusions), excused),
        4: (
            contract.calendar,
            readings.response_working_days,
            readings.result_notice_days,
            readings.blocklist_working_days,
            readings.listing_report_working_days,
        ),
        5: (readings.outbreak_updates,),
        7: (readings.full_backup_days, readings.account_retention_days),
        8: (readings.own_domain_hours, readings.new_domain_hours),
    }
    return term.target, term.comparator, term.judged, read.get(term.section)


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
