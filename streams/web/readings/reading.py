"""What the pages show, read from ClickHouse."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from mailsla.schemas.contract import DEFAULT_TIMEZONE, Contract
from mailsla.schemas.indicators import INDICATORS, Comparator
from mailsla.sinks.clickhouse import ClickHouseSettings, Client
from mailsla.sinks.closing.plan.contract_segments import (
    SegmentPeriod,
    governing_versions,
    period_of,
)
from mailsla.streams.web.readings.connection import ANSWER_S, CONNECT_S, Connection, rows
from mailsla.streams.web.readings.month import contracts_of
from mailsla.streams.web.readings.overview import BUDGETS, JUDGED, MONTHS, OVERVIEW

ROWS_S: Final = 30.0
"""For every row of the overview."""
_CLOSED: Final = """
SELECT month, revision, closed_at, toString(verdict) AS verdict, remedies, provisional
FROM closings
WHERE status = 'final' AND tenant_id = {tenant:String}
ORDER BY month DESC
LIMIT {rows:UInt32}
"""
_STATUS: Final = """
SELECT section, toString(indicator) AS indicator, toString(state) AS state, observed,
  toString(comparator) AS comparator, target, toString(unit) AS unit, event_time
FROM status FINAL
WHERE tenant_id = {tenant:String} AND period = {month:String}
"""
_ITEMS: Final = """
SELECT section, toString(indicator) AS indicator, toString(verdict) AS state, observed,
  toString(comparator) AS comparator, target, toString(unit) AS unit,
  toDateTime64(0, 6) AS event_time
FROM closing_items
WHERE tenant_id = {tenant:String} AND month = toDate(concat({month:String}, '-01'))
  AND revision = {revision:UInt32}
"""
_TENANT_MONTHS: Final = """
SELECT month FROM (
  SELECT toString(period) AS month FROM status WHERE tenant_id = {tenant:String}
  UNION DISTINCT
  SELECT formatDateTime(month, '%Y-%m') FROM closings WHERE tenant_id = {tenant:String}
)
ORDER BY month DESC
"""
_FEED: Final = """
SELECT toString(type) AS type, toString(indicator) AS indicator, toString(period) AS period,
  toString(state) AS state, observed, toString(comparator) AS comparator, target,
  toString(unit) AS unit, event_time
FROM breaches FINAL
WHERE tenant_id = {tenant:String}
ORDER BY event_time DESC, indicator, sequence DESC
LIMIT {rows:UInt32}
"""
_INCIDENTS: Final = """
SELECT toString(tenant_id) AS tenant_id, incident_id,
  argMinIf(toString(f.kind), time, type = 'incident.opened') AS kind,
  minIf(time, type = 'incident.opened') AS opened_at,
  concat(
    ifNull(argMinIf(f.component, time, type = 'incident.opened'), ''), ' ',
    ifNull(argMinIf(f.description, time, type = 'incident.opened'), '')
  ) AS particulars
FROM ops_events AS f FINAL
WHERE type IN ('incident.opened', 'incident.closed') AND tenant_id IN ({tenant:String}, '*')
GROUP BY tenant_id, incident_id
HAVING countIf(type = 'incident.opened') > 0
  AND maxIf(time, type = 'incident.closed') < opened_at
ORDER BY opened_at DESC
LIMIT {rows:UInt32}
"""
_EXCLUSIONS: Final = """
SELECT toString(tenant_id) AS tenant_id, exclusion_id, toString(code) AS code, starts_at, ends_at,
  toString(state) AS state
FROM exclusions
WHERE tenant_id IN ({tenant:String}, '*')
ORDER BY starts_at DESC
LIMIT {rows:UInt32}
"""
_DEAD_LETTERS: Final = """
SELECT topic, any(d.reason) AS reason, count() AS records, max(received_at) AS last
FROM dead_letters AS d FINAL
WHERE received_at > now() - INTERVAL 7 DAY
-- Places and lengths apart, it is the same reason.
GROUP BY topic, replaceRegexpAll(d.reason, '[0-9]+', '')
ORDER BY records DESC, topic, reason
LIMIT {rows:UInt32}
"""
_PROBES: Final = """
SELECT toString(tenant_id) AS tenant_id, probe, max(time) AS last
FROM probe_events
WHERE type = 'probe.result' AND time > now() - INTERVAL 7 DAY
GROUP BY tenant_id, probe
ORDER BY last, tenant_id, probe
LIMIT {rows:UInt32}
"""
_VERSION: Final = """
SELECT (SELECT max(landed_at) FROM status), (SELECT count() FROM closing_log)
"""
_TABLES: Final = ("closings", "status", "breaches", "contracts")

ROWS: Final = 100
"""Of a list beside the main thing of a page; the newest."""


@dataclass(frozen=True)
class ClosedMonth:
    """The final revision of a tenant-month; ``month`` is its first day."""

    month: date
    revision: int
    closed_at: datetime
    verdict: str
    remedies: Sequence[str]
    provisional: bool


@dataclass(frozen=True)
class IndicatorState:
    """One indicator in a month: its live state, or its verdict where the month is closed.

    Observed and target in ``unit``; the time is that of the last change, 1970 for a verdict.
    """

    section: int
    indicator: str
    state: str
    observed: Decimal | None
    comparator: Comparator | None
    target: Decimal | None
    unit: str
    event_time: datetime


@dataclass(frozen=True)
class ShownBreach:
    """One event of the breach feed; observed and target in ``unit``."""

    type: str
    indicator: str
    period: str
    state: str
    observed: Decimal | None
    comparator: Comparator | None
    target: Decimal | None
    unit: str
    event_time: datetime


@dataclass(frozen=True)
class OpenIncident:
    """A fault or an adjustment that goes on."""

    tenant_id: str
    incident_id: str
    kind: str
    opened_at: datetime
    particulars: str


@dataclass(frozen=True)
class DeclaredExclusion:
    """An exclusion, declared or revoked."""

    tenant_id: str
    exclusion_id: str
    code: str
    starts_at: datetime
    ends_at: datetime
    state: str


@dataclass(frozen=True)
class Tenant:
    """One tenant in one month, and what goes on."""

    tenant_id: str
    month: str
    """``2026-10``; empty where nothing was measured."""
    months: Sequence[str]
    """Those there are, the newest first."""
    states: Sequence[IndicatorState]
    closed: Sequence[ClosedMonth]
    feed: Sequence[ShownBreach]
    contracts: Sequence[Contract]
    """Every version, the newest first."""
    incidents: Sequence[OpenIncident]
    exclusions: Sequence[DeclaredExclusion]

    @property
    def period(self) -> SegmentPeriod | None:
        """The tenant's part of the month; None without a month."""
        if not self.month:
            return None
        first = date.fromisoformat(f"{self.month}-01")
        versions = governing_versions(self.tenant_id, self.contracts, first)
        return period_of(self.tenant_id, versions, first)

    @property
    def timezone(self) -> str:
        """In which its times are shown: that of its newest contract version."""
        return self.contracts[0].timezone if self.contracts else DEFAULT_TIMEZONE


@dataclass(frozen=True)
class RefusedRecords:
    """Dead letters of one topic for one reason."""

    topic: str
    reason: str
    records: int
    last: datetime


@dataclass(frozen=True)
class HeardProbe:
    """When a probe last reported."""

    tenant_id: str
    probe: str
    last: datetime


@dataclass(frozen=True)
class ShownPlatform:
    """What concerns everybody."""

    refused: Sequence[RefusedRecords]
    probes: Sequence[HeardProbe]
    incidents: Sequence[OpenIncident]


T = TypeVar("T")


class Reader:
    """Reads pages' contents; each call has a connection of its own and blocks for a few seconds.

    Every method raises `Unavailable`.
    """

    def __init__(self, settings: ClickHouseSettings) -> None:
        hurried = {"connect_timeout_s": CONNECT_S, "timeout_s": ANSWER_S}
        self._settings = settings.model_copy(update=hurried)

    def overview(self, month: str) -> bytes:
        """Every tenant's row as JSON columns, as ClickHouse writes it; ``""``: the open months."""
        parameters = {
            "month": month,
            "day": month or "1970-01",
            "judged": JUDGED,
            "budgets": BUDGETS,
            "promised": len(JUDGED),
            "this_month": f"{datetime.now(ZoneInfo(DEFAULT_TIMEZONE)):%Y-%m}",
        }
        patient = self._settings.model_copy(update={"timeout_s": ROWS_S})
        with Connection(patient) as client:
            found: bytes = client.raw_query(OVERVIEW, parameters=parameters, fmt="JSONColumns")
            return found

    def months(self) -> list[str]:
        """The months of which anything is known, the newest first."""
        with Connection(self._settings) as client:
            return [row[0] for row in client.query(MONTHS).result_rows]

    def version(self) -> str:
        """Changes whenever a state or a closing has landed."""
        with Connection(self._settings) as client:
            return "/".join(str(value) for value in client.query(_VERSION).result_rows[0])

    def tenant(self, tenant_id: str, month: str) -> Tenant | None:
        """What is known of a tenant, in a month (``""``: the newest); None when nothing is."""
        with Connection(self._settings) as client:
            named = {"tenant": tenant_id}
            months = [row[0] for row in client.query(_TENANT_MONTHS, parameters=named).result_rows]
            contracts = contracts_of(client, tenant_id)[::-1]
            if not months and not contracts:
                return None
            chosen = month or (months[0] if months else "")
            closed = rows(client, ClosedMonth, _CLOSED, rows=ROWS, **named)
            return Tenant(
                tenant_id,
                chosen,
                months,
                _states(client, tenant_id, chosen, closed),
                closed,
                rows(client, ShownBreach, _FEED, rows=ROWS, **named),
                contracts,
                rows(client, OpenIncident, _INCIDENTS, rows=ROWS, **named),
                rows(client, DeclaredExclusion, _EXCLUSIONS, rows=ROWS, **named),
            )

    def platform(self) -> ShownPlatform:
        """What concerns everybody."""
        with Connection(self._settings) as client:
            return ShownPlatform(
                rows(client, RefusedRecords, _DEAD_LETTERS, rows=ROWS),
                rows(client, HeardProbe, _PROBES, rows=ROWS),
                rows(client, OpenIncident, _INCIDENTS, rows=ROWS, tenant="*"),
            )

    def asked(self, ask: Callable[[Client], T], within_s: float) -> T:
        """What somebody asks a client of its own, with so much time for each answer."""
        patient = self._settings.model_copy(update={"timeout_s": within_s})
        with Connection(patient) as client:
            return ask(client)

    def check(self) -> None:
        """Return when ClickHouse answers and every table the pages need is there."""
        with Connection(self._settings) as client:
            for table in _TABLES:
                client.query(f"SELECT 1 FROM {table} LIMIT 0")  # noqa: S608 - constants


def _states(
    client: Client, tenant_id: str, month: str, closed: Sequence[ClosedMonth]
) -> list[IndicatorState]:
    """Verdicts of a month that is closed for good, else live states; by section and indicator."""
    parameters = {"tenant": tenant_id, "month": month}
    for one in closed:
        if f"{one.month:%Y-%m}" == month and not one.provisional:
            found = rows(client, IndicatorState, _ITEMS, revision=one.revision, **parameters)
            break
    else:
        found = rows(client, IndicatorState, _STATUS, **parameters)
    order = {name: index for index, name in enumerate(INDICATORS)}
    return sorted(found, key=lambda one: (one.section, order.get(one.indicator, len(order))))
