"""Finds the tenants of a month and keeps its plan in ClickHouse."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from itertools import islice
from typing import Final

import orjson

from mailsla.schemas.calendars import Calendars
from mailsla.schemas.codec.identifiers import PLATFORM
from mailsla.schemas.codec.records import Rejection, decode_contract
from mailsla.schemas.contract import DEFAULT_TIMEZONE, Contract, default_contract
from mailsla.sinks.clickhouse import Client
from mailsla.sinks.closing.conflicts import note_conflicts_now_and_then
from mailsla.sinks.closing.errors import TenantFailure, log_failure
from mailsla.sinks.closing.plan.calendars import load_calendars
from mailsla.sinks.closing.plan.contract_segments import covers, midnight_us, next_month
from mailsla.sinks.closing.plan.plan import Plan, Row, make_plan
from mailsla.sinks.closing.views import ensure_open_month
from mailsla.sinks.ddl import FACT_TABLES
from mailsla.sinks.retention import require_facts

MOST_UNKNOWN: Final = 20_000
"""Tenants without a contract for whom a month has room.

Anybody who may publish events can invent tenants, and one that is judged costs a closing some
30 kB. So there is room for those that came first; a contract brings in any other.
"""
_AT_ONCE: Final = 5_000
"""Rows of one insert."""
_KEEP_PLANS_S: Final = 3600
"""An older plan is removed after this time: by then nobody reads it any more."""


@dataclass(frozen=True)
class StoredPlan:
    """A plan with its number in ClickHouse."""

    number: int
    plan: Plan


def contracts_by_tenant(contracts: Sequence[Contract]) -> dict[str, list[Contract]]:
    """tenant_id → its contract versions."""
    versions: dict[str, list[Contract]] = {}
    for contract in contracts:
        versions.setdefault(contract.tenant_id, []).append(contract)
    return versions


@dataclass(frozen=True)
class Promised:
    """The contract versions that are known, and the tenants of whom one cannot be read."""

    contracts: Sequence[Contract]
    failures: Sequence[TenantFailure] = ()


def load_contracts(client: Client) -> Promised:
    """Every contract version that has landed in the table ``contracts``.

    A document that an earlier release took and this one does not keeps its tenant out, not the
    others: to leave out the version alone would judge the tenant by another promise.
    """
    rows = client.query("SELECT tenant_id, version, document FROM contracts FINAL").result_rows
    contracts, failures = [], []
    for tenant, version, document in rows:
        read = decode_contract(document.encode())
        if isinstance(read, Rejection):
            field, reason = read.field or "document", f"version {version}: {read.reason}"
            failures.append(TenantFailure(tenant, field, reason))
        else:
            contracts.append(read)
    return Promised(contracts, failures)


def tenants_with_events(
    client: Client, month: date, cutoff_us: int, promised: Set[str], most: int
) -> tuple[set[str], bool]:
    """Tenants with an event in the month of the default time zone, landed by the cutoff.

    Args:
        client: may read.
        month: first day of the month.
        cutoff_us: µs since 1970.
        promised: those whose contract covers part of the month; they take no room.
        most: how many others there is room for: who came first.

    Returns:
        The others for whom there is room, and whether there are more.

    """
    zone = default_contract("default").zone
    # Tables and expressions are constants of this module.
    landed = " UNION ALL ".join(
        f"SELECT toString(tenant_id) AS tenant, min(landed_at) AS first "  # noqa: S608
        f"FROM landed_{table}(cutoff = {{cutoff:Int64}}) "
        f"WHERE {_moment(table)} >= fromUnixTimestamp64Micro({{start:Int64}}, 'UTC') "
        f"AND {_moment(table)} < fromUnixTimestamp64Micro({{end:Int64}}, 'UTC') "
        "AND tenant_id != '*' GROUP BY tenant"
        for table in FACT_TABLES.values()
    )
    parameters = {
        "start": midnight_us(month, zone),
        "end": midnight_us(next_month(month), zone),
        "cutoff": cutoff_us,
        "enough": most + len(promised) + 1,
    }
    rows = client.query(
        f"SELECT tenant FROM ({landed}) GROUP BY tenant "  # noqa: S608
        "ORDER BY min(first), tenant LIMIT {enough:UInt64}",
        parameters=parameters,
    ).result_rows
    others = [tenant for (tenant,) in rows if tenant not in promised]
    return set(others[:most]), len(others) > most


def refresh_plan(
    client: Client,
    month: date,
    promised: Promised,
    cutoff_us: int,
    calendars: Calendars,
    most_unknown: int = MOST_UNKNOWN,
) -> StoredPlan:
    """Bring the stored plan of a month up to date; writes nothing when it has not changed.

    The tenants are those whose contract covers part of the month, and of the others with an event
    in it as many as there is room for. Whoever cannot be judged is left out (`make_plan`).
    """
    versions = contracts_by_tenant(promised.contracts)
    tenants = {tenant for tenant, every in versions.items() if covers(every, month)}
    others, more = tenants_with_events(client, month, cutoff_us, tenants, most_unknown)
    failures = [*promised.failures, *_no_room(more, most_unknown)]
    return store_plan(client, make_plan(month, tenants | others, versions, calendars, failures))


def _no_room(more: bool, most: int) -> Iterator[TenantFailure]:
    """The one word on all tenants for whom there is no room."""
    if more:
        reason = (
            f"more than {most} tenants without a contract have events in the month; those that "
            "came first are judged, publish contracts for the others that are real"
        )
        yield TenantFailure(PLATFORM, "contract", reason)


def months_touched(client: Client, since_us: int) -> list[date]:
    """First days of the months (default time zone) to which facts have landed since an instant."""
    found: set[date] = set()
    for table in FACT_TABLES.values():
        query = (
            f"SELECT DISTINCT toStartOfMonth(toTimeZone({_moment(table)}, {{zone:String}})) "  # noqa: S608
            f"FROM {table} WHERE landed_at > fromUnixTimestamp64Micro({{since:Int64}}, 'UTC')"
        )
        parameters = {"zone": DEFAULT_TIMEZONE, "since": since_us}
        found.update(month for (month,) in client.query(query, parameters=parameters).result_rows)
    return sorted(found)


def refresh_plans(client: Client, since_us: int) -> int:
    """Keep the views current: plan every month to which facts have landed since ``since_us``.

    Returns the server's time, µs: the next call's ``since_us`` (0 at the first). A tenant that
    cannot be judged is in no view until it can be; the view ``left_out`` says who and why.
    """
    (now_us,) = client.query("SELECT toUnixTimestamp64Micro(now64(6))").result_rows[0]
    note_conflicts_now_and_then(client, now_us)
    promised, calendars = load_contracts(client), load_calendars(client)
    for month in months_touched(client, since_us):
        refresh_plan(client, month, promised, now_us, calendars)
    return int(now_us)


def _moment(table: str) -> str:
    """The instant that decides a fact's month."""
    return "coalesce(accepted_at, time)" if table == "mta_events" else "time"


def store_plan(client: Client, plan: Plan) -> StoredPlan:
    """Write a plan unless the newest one of its month has the same content."""
    ensure_open_month(client, plan.month)
    newest = client.query(
        "SELECT plan, toString(content) FROM plans WHERE month = {month:Date} "
        "ORDER BY plan DESC LIMIT 1",
        parameters={"month": plan.month},
    ).result_rows
    if newest and newest[0][1] == plan.content:
        return StoredPlan(newest[0][0], plan)
    for failure in plan.failures:
        log_failure(failure)
    (number,) = client.query("SELECT toUnixTimestamp64Micro(now64(6))").result_rows[0]
    identity = {"month": plan.month.isoformat(), "plan": number}
    for table, rows in _tables(plan).items():
        _insert(client, table, ({**identity, **row} for row in rows))
    left_out = [{**identity, **asdict(failure)} for failure in plan.failures]
    _insert(client, "plan_failures", left_out)
    header = {**identity, "content": plan.content, "tenants": len(plan.periods)}
    _insert(client, "plans", [header])
    _forget_old_plans(client, plan.month, number)
    return StoredPlan(number, plan)


@contextmanager
def scratch_plan(client: Client, plan: Plan) -> Iterator[StoredPlan]:
    """A plan for one computation: without its row in ``plans`` no view takes it for the newest.

    Raises:
        ForgottenError: facts of the month may be gone.

    """
    require_facts(client, plan.month)
    (number,) = client.query("SELECT toUnixTimestamp64Micro(now64(6))").result_rows[0]
    identity = {"month": plan.month.isoformat(), "plan": number}
    try:
        for table, rows in _tables(plan).items():
            _insert(client, table, ({**identity, **row} for row in rows))
        yield StoredPlan(number, plan)
    finally:
        for table in _tables(plan):
            client.command(
                f"DELETE FROM {table} "  # noqa: S608 - the names below
                "WHERE month = {month:Date} AND plan = {plan:UInt64}",
                parameters={"month": plan.month, "plan": number},
            )


def _tables(plan: Plan) -> Mapping[str, Iterable[Row]]:
    return {"plan_tenants": plan.tenants, "plan_terms": plan.terms, "plan_days": plan.days}


def _insert(client: Client, table: str, rows: Iterable[Row]) -> None:
    waiting = iter(rows)
    while some := list(islice(waiting, _AT_ONCE)):
        body = b"\n".join(orjson.dumps(row) for row in some)
        client.raw_insert(table, insert_block=body, fmt="JSONEachRow")


def _forget_old_plans(client: Client, month: date, newest: int) -> None:
    parameters = {"month": month, "before": newest - _KEEP_PLANS_S * 1_000_000}
    for table in ("plans", "plan_tenants", "plan_terms", "plan_days", "plan_failures"):
        client.command(
            f"DELETE FROM {table} "  # noqa: S608 - the names above
            "WHERE month = {month:Date} AND plan < {before:UInt64}",
            parameters=parameters,
        )
