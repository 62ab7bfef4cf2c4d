"""What happened to a tenant in a month: the time-line, the faults of the year, what is still due.

Read by the queries of closing and statement from the newest plan of the month, so that the page,
the views and the statement say the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from mailsla.schemas.codec.records import Rejection, decode_contract
from mailsla.schemas.contract import Contract
from mailsla.sinks.clickhouse import Client
from mailsla.sinks.closing.explain.formulas import evidence_of
from mailsla.sinks.closing.plan.contract_segments import (
    SegmentPeriod,
    governing_versions,
    instant,
    micros,
    period_of,
)
from mailsla.sinks.statement.facts import spans
from mailsla.sinks.statement.facts.queries import query_text
from mailsla.streams.web.readings.connection import rows

EVIDENCE_ROWS: Final = 500

_NEWEST: Final = """
SELECT max(plan), toUnixTimestamp64Micro(now64(6)) FROM plans WHERE month = {month:Date}
"""
_CONTRACTS: Final = """
SELECT document FROM contracts FINAL WHERE tenant_id = {tenant:String} ORDER BY version
"""
_CASES: Final = """
SELECT indicator, case_id, received_at, deadline, late
FROM cases_month(month = {month:Date})
WHERE tenant_id = {tenant:String} AND answered_at IS NULL
ORDER BY deadline, indicator, case_id
LIMIT {rows:UInt32}
"""
_EVIDENCE: Final = """
SELECT item, since, until, amount, excused, counts, note, timed, count() OVER () AS total
FROM {name}(tenant = {{tenant:String}}, month = {{month:Date}})
WHERE indicator = {{indicator:String}}
ORDER BY counts DESC, amount DESC, since, item
LIMIT {{rows:UInt32}}
"""


@dataclass(frozen=True)
class OpenCase:
    """A case or an order that waits for its answer."""

    indicator: str
    case_id: str
    received_at: datetime
    deadline: datetime
    late: bool


@dataclass(frozen=True)
class EvidenceRow:
    """One row a figure is made of; amounts in seconds where ``timed``, else numbers."""

    item: str
    since: datetime | None
    until: datetime | None
    amount: float
    excused: float
    counts: bool
    note: str
    timed: bool
    total: int
    """Of how many rows it is one."""


@dataclass(frozen=True)
class MonthFacts:
    """A tenant's month up to ``until_us``; spans in µs, disjoint and ascending."""

    period: SegmentPeriod
    until_us: int
    down: Sequence[spans.Span]
    excused: Sequence[spans.Span]
    """Excluded for section 1, whether something failed then or not."""
    unobserved: Sequence[spans.Span]
    faulty_days: Sequence[date]
    """Of the year up to now, exclusions taken off."""
    cases: Sequence[OpenCase]

    @property
    def excluded_us(self) -> int:
        """Downtime that is excluded."""
        return spans.length(self.down) - self.net_down_us

    @property
    def net_down_us(self) -> int:
        """Downtime that counts."""
        return spans.length(spans.subtract(self.down, self.excused))

    def was_served(self, day: date) -> bool:
        """Whether the tenant was served on a day that is over."""
        over = day < spans.instant(self.until_us, self.period.contract.zone).date()
        return over and any(first <= day < last for first, last in self.period.served)


def contracts_of(client: Client, tenant: str) -> list[Contract]:
    """Every version of a tenant's contract that can be read."""
    documents = client.query(_CONTRACTS, parameters={"tenant": tenant}).result_rows
    read = [decode_contract(document.encode()) for (document,) in documents]
    return [each for each in read if not isinstance(each, Rejection)]


def period_in(client: Client, tenant: str, month: date) -> SegmentPeriod:
    """The tenant's part of a month, with the versions in force."""
    versions = governing_versions(tenant, contracts_of(client, tenant), month)
    return period_of(tenant, versions, month)


def month_facts(client: Client, tenant: str, month: date) -> MonthFacts:
    """What is known of a tenant's month now."""
    ((plan, now_us),) = client.query(_NEWEST, parameters={"month": month}).result_rows
    period = period_in(client, tenant, month)
    until = max(period.start_us, min(period.end_us, now_us))
    year_us = micros(datetime(month.year, 1, 1, tzinfo=period.contract.zone))
    parameters = {
        "month": month, "plan": plan, "cutoff": now_us, "tenants": [tenant], "year_us": year_us,
    }  # fmt: skip
    stretches = [
        stretch for row in _asked(client, "stretches", parameters) for stretch in row["stretches"]
    ]
    excused = {row["section"]: row["spans"] for row in _asked(client, "excused", parameters)}
    known = spans.union((start, end) for start, end, _, is_known in stretches if is_known)
    faults = spans.union(
        span
        for one in _asked(client, "incidents", parameters)
        if one["kind"] == "fault"
        for span in spans.clip([(one["opened_us"], one["closed_us"] or until)], year_us, until)
    )
    days = spans.days_touched(spans.subtract(faults, excused.get(3, ())), period.contract.zone)
    return MonthFacts(
        period=period,
        until_us=until,
        down=spans.union((start, end) for start, end, is_down, _ in stretches if is_down),
        excused=[(start, end) for start, end in excused.get(1, ())],
        unobserved=spans.subtract([(period.start_us, until)], known),
        faulty_days=sorted({day for day in days if _served(period, day)}),
        cases=rows(client, OpenCase, _CASES, tenant=tenant, month=month, rows=EVIDENCE_ROWS),
    )


def evidence_rows(client: Client, tenant: str, indicator: str, month: date) -> list[EvidenceRow]:
    """The rows that make a figure, the largest first, at most `EVIDENCE_ROWS`."""
    # The names of the views are constants.
    query = _EVIDENCE.format(name=evidence_of(indicator))
    named = {"tenant": tenant, "month": month, "indicator": indicator, "rows": EVIDENCE_ROWS}
    return rows(client, EvidenceRow, query, **named)


def local(us: int, zone: ZoneInfo) -> datetime:
    """An instant on the local clock."""
    return instant(us).astimezone(zone)


def _served(period: SegmentPeriod, day: date) -> bool:
    return any(first <= day < last for first, last in period.served)


def _asked(client: Client, name: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(client.query(query_text(name), parameters=dict(parameters)).named_results())
