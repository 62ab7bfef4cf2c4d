"""What the pages show, read from ClickHouse."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.indicators import Comparator
from sinks.clickhouse import ClickHouseSettings, Client, connect_reader

CONNECT_S: Final = 2.0
ANSWER_S: Final = 3.0
_NO_SCHEMA: Final = frozenset({47, 60, 81})
"""Codes for an unknown column, table or database."""
_REFUSED_USER: Final = frozenset({164, 192, 193, 194, 497, 516})

_CLOSED: Final = """
SELECT toString(tenant_id) AS tenant_id, month, revision, closed_at, toString(verdict) AS verdict,
  remedies, provisional
FROM closings
WHERE status = 'final' AND ({tenant:String} = '' OR tenant_id = {tenant:String})
ORDER BY tenant_id, month DESC
LIMIT {months:UInt32} BY tenant_id
"""
_STATUS: Final = """
SELECT toString(tenant_id) AS tenant_id, section, toString(indicator) AS indicator,
  toString(period) AS period, toString(state) AS state, observed,
  toString(comparator) AS comparator, target, toString(unit) AS unit, event_time
FROM status FINAL
"""
_TROUBLE: Final = f"""
SELECT * EXCEPT newest
FROM (SELECT *, max(period) OVER (PARTITION BY tenant_id) AS newest FROM ({_STATUS}))
WHERE period = newest AND state != 'ok'
ORDER BY indexOf(['breached', 'failing', 'at_risk'], state), tenant_id, section, indicator
LIMIT {{rows:UInt32}}
"""  # noqa: S608 - put together from constants
_TENANT_STATUS: Final = f"""
{_STATUS}
WHERE tenant_id = {{tenant:String}}
ORDER BY section, indicator, period DESC
LIMIT 1 BY indicator
"""
_BREACHES: Final = """
SELECT toString(tenant_id) AS tenant_id, toString(type) AS type, toString(indicator) AS indicator,
  toString(period) AS period, observed, toString(comparator) AS comparator, target,
  toString(unit) AS unit, toString(state) AS state, event_time
FROM breaches FINAL
ORDER BY event_time DESC, tenant_id, indicator, sequence DESC
LIMIT {rows:UInt32}
"""
_IS_KNOWN: Final = "SELECT count() FROM contracts WHERE tenant_id = {tenant:String}"
_TABLES: Final = ("closings", "status", "breaches", "contracts")

TROUBLE_ROWS: Final = 200
BREACH_ROWS: Final = 20
TENANT_MONTHS: Final = 12


class Unavailable(Exception):  # noqa: N818 - a state of the server, which the page tells
    """ClickHouse cannot be read; the message is one sentence with the remedy."""


@dataclass(frozen=True)
class ClosedMonth:
    """The final revision of a tenant-month; ``month`` is its first day."""

    tenant_id: str
    month: date
    revision: int
    closed_at: datetime
    verdict: str
    remedies: Sequence[str]
    provisional: bool


@dataclass(frozen=True)
class IndicatorState:
    """The present state of one indicator; observed and target in ``unit``."""

    tenant_id: str
    section: int
    indicator: str
    period: str
    state: str
    observed: Decimal | None
    comparator: Comparator | None
    target: Decimal | None
    unit: str
    event_time: datetime


@dataclass(frozen=True)
class BreachEvent:
    """One event of the breach feed; observed and target in ``unit``."""

    tenant_id: str
    type: str
    indicator: str
    period: str
    observed: Decimal | None
    comparator: Comparator | None
    target: Decimal | None
    unit: str
    state: str
    event_time: datetime


@dataclass(frozen=True)
class Overview:
    """All tenants together: latest closings, present trouble, newest breach events."""

    closed: Sequence[ClosedMonth]
    trouble: Sequence[IndicatorState]
    breaches: Sequence[BreachEvent]


@dataclass(frozen=True)
class Tenant:
    """One tenant: every indicator's present state, the last closings, newest first."""

    tenant_id: str
    states: Sequence[IndicatorState]
    closed: Sequence[ClosedMonth]


class Reader:
    """Reads pages' contents; each call has a connection of its own and blocks for a few seconds.

    Every method raises `Unavailable`.
    """

    def __init__(self, settings: ClickHouseSettings) -> None:
        hurried = {"connect_timeout_s": CONNECT_S, "timeout_s": ANSWER_S}
        self._settings = settings.model_copy(update=hurried)

    def overview(self) -> Overview:
        """What concerns all tenants.

        In trouble is an indicator that is not `ok` in the newest period of its tenant: tenants'
        months end at different times.
        """
        with _Connection(self._settings) as client:
            return Overview(
                closed=_rows(client, ClosedMonth, _CLOSED, tenant="", months=1),
                trouble=_rows(client, IndicatorState, _TROUBLE, rows=TROUBLE_ROWS),
                breaches=_rows(client, BreachEvent, _BREACHES, rows=BREACH_ROWS),
            )

    def tenant(self, tenant_id: str) -> Tenant | None:
        """What is known of a tenant; None when nothing is."""
        with _Connection(self._settings) as client:
            found = Tenant(
                tenant_id,
                _rows(client, IndicatorState, _TENANT_STATUS, tenant=tenant_id),
                _rows(client, ClosedMonth, _CLOSED, tenant=tenant_id, months=TENANT_MONTHS),
            )
            if found.states or found.closed:
                return found
            has_contract = client.query(_IS_KNOWN, parameters={"tenant": tenant_id}).result_rows
            return found if has_contract[0][0] else None

    def check(self) -> None:
        """Return when ClickHouse answers and every table the pages need is there."""
        with _Connection(self._settings) as client:
            for table in _TABLES:
                client.query(f"SELECT 1 FROM {table} LIMIT 0")  # noqa: S608 - constants


class _Connection:
    """A client for one page; failures come out as `Unavailable`."""

    def __init__(self, settings: ClickHouseSettings) -> None:
        self._settings = settings
        self._client: Client = None

    def __enter__(self) -> Client:
        try:
            self._client = connect_reader(self._settings)
        except (ClickHouseError, OSError) as error:
            raise self._explained(error) from None
        return self._client

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._client.close()
        if isinstance(error, ClickHouseError | OSError):
            raise self._explained(error) from None

    def _explained(self, error: Exception) -> Unavailable:
        code = getattr(error, "code", None)
        if code in _NO_SCHEMA:
            return Unavailable("ClickHouse lacks tables of this release; run mailsla migrate.")
        if code in _REFUSED_USER:
            return Unavailable(
                "ClickHouse refuses the configured user; check MAILSLA_CLICKHOUSE_USER, "
                "its password and its right to SELECT."
            )
        if isinstance(code, int):
            return Unavailable(f"ClickHouse failed with code {code}; look into its log.")
        return Unavailable(
            f"ClickHouse does not answer at {self._settings.url}; "
            "see whether it runs, or set MAILSLA_CLICKHOUSE."
        )


Row = TypeVar("Row", ClosedMonth, IndicatorState, BreachEvent)


def _rows(client: Client, kind: type[Row], sql: str, **parameters: Any) -> list[Row]:
    return [kind(**row) for row in client.query(sql, parameters=parameters).named_results()]
