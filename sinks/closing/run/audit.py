"""Holds what the live worker said of a month against the month recomputed from the raw facts.

The two share no arithmetic: one is Python over the log as it came, the other SQL over what has
landed. A lost, doubled or late fact, or a wrong sum, shows as a difference.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from mailsla.schemas.codec.identifiers import PLATFORM
from mailsla.schemas.codec.records import HELD_BACK, OVER_QUOTA
from mailsla.schemas.contract import DEFAULT_TIMEZONE
from mailsla.schemas.indicators import OPEN_MONTHS
from mailsla.schemas.results import Closing, ClosingItem
from mailsla.sinks.clickhouse import Client
from mailsla.sinks.closing.errors import Failed, TenantFailure, log_failure
from mailsla.sinks.closing.plan.contract_segments import micros, midnight_us, next_month
from mailsla.sinks.closing.run.close_month import close_month

_TOLERANCE: Final = Decimal("1e-9")
"""Live values are published as doubles; relative to values above 1."""
_VIOLATED: Final = frozenset({"breached", "failing"})
_JUDGED: Final = frozenset({"met", "breached", "no_data"})
_SAMPLED: Final = frozenset(
    {
        "latency.send.mean",
        "latency.send.max",
        "latency.receive.mean",
        "latency.receive.max",
        "antivirus.scan_delay",
    }
)
"""What no tenant has a value of without an event of its own in the month."""

_LIVE: Final = """
SELECT toString(tenant_id), toString(indicator), observed, toString(state)
FROM status FINAL
WHERE period = {period:String}
ORDER BY tenant_id, section, indicator
"""

_HELD_BACK: Final = """
SELECT DISTINCT JSONExtractString(tryBase64Decode(value_b64), 'tenant_id') FROM dead_letters
WHERE startsWith(reason, {stranger:String}) OR startsWith(reason, {quota:String})
"""

_EARLIEST: Final = timedelta(hours=14)
"""So long before UTC does a month end anywhere."""
_RUNNING: Final = """
SELECT toString(tenant_id) FROM status WHERE period >= {period:String}
GROUP BY tenant_id HAVING toUnixTimestamp64Micro(max(event_time)) < {end:Int64}
"""
_BEYOND: Final = """
SELECT DISTINCT toString(tenant_id), `partition` IN (
  SELECT `partition` FROM status
  GROUP BY `partition` HAVING toUnixTimestamp64Micro(max(event_time)) >= {since:Int64}
) FROM status
"""
"""Tenants, and whether the live task of each has come to an instant."""

Key = tuple[str, str]
"""tenant_id, indicator"""


@dataclass(frozen=True)
class Value:
    """What one side says: the value in the indicator's unit, and whether the promise is broken.

    ``breached`` is None where that is not judged.
    """

    observed: Decimal | None
    breached: bool | None


@dataclass(frozen=True)
class AuditDifference:
    """One indicator of which the two sides say different things; None: that side says nothing."""

    tenant_id: str
    indicator: str
    live: Value | None
    recomputed: Value | None


@dataclass(frozen=True)
class Audit:
    """How many indicators were compared, of how many tenants, and what differs."""

    tenants: int
    compared: int
    differences: tuple[AuditDifference, ...]
    held_back: tuple[str, ...] = ()
    """Tenants that differ because the live worker had no room for all of their events: closings
    count what it held back. Their differences are not told."""
    given_up: tuple[str, ...] = ()
    """Tenants that differ, of whom the live worker no longer follows the month (`OPEN_MONTHS`):
    what came later counts in closings alone. Their differences are not told."""
    running: tuple[str, ...] = ()
    """Tenants that differ because the log ends within the month: the live worker goes on from
    there, a closing looks back from the month's end. Only differences of what no time changes are
    told of them."""


def audit_month(
    client: Client,
    month: date,
    *,
    tenants: Iterable[str] | None = None,
    now: datetime | None = None,
    failed: Failed = log_failure,
) -> Audit:
    """Recompute a month from the facts and compare it with the live results in ``status``.

    Args:
        client: may write (the recomputation keeps its steps); nothing is closed.
        month: first day of the month.
        tenants: only these; all by default.
        now: the cutoff; the server's clock by default.
        failed: is told of every tenant that cannot be recomputed.

    Raises:
        ClosingError: the month cannot be recomputed, as `close_month`.

    """
    wanted = None if tenants is None else frozenset(tenants)
    without_room = False

    def note(failure: TenantFailure) -> None:
        nonlocal without_room
        without_room = without_room or failure.tenant_id == PLATFORM
        failed(failure)

    closings = close_month(client, month, tenants=wanted, dry_run=True, now=now, failed=note)
    if without_room:  # the live worker may have had room for others than the closing
        wanted = frozenset(one.tenant_id for one in closings)
    rows = client.query(_LIVE, parameters={"period": f"{month:%Y-%m}"}).result_rows
    live = {
        (tenant, indicator): Value(observed, state in _VIOLATED)
        for tenant, indicator, observed, state in rows
        if wanted is None or tenant in wanted
    }
    kinds = {"stranger": HELD_BACK, "quota": OVER_QUOTA}
    rows = client.query(_HELD_BACK, parameters=kinds).result_rows
    held_back = {tenant for (tenant,) in rows}
    found = compare(closings, live)
    given_up = _given_up(client, month, {one.tenant_id for one in found.differences})
    return without(found, held_back, given_up, _running(client, month))


def _given_up(client: Client, month: date, tenants: set[str]) -> set[str]:
    """Of some tenants those whose month the live worker no longer follows.

    Where nothing was ever told of one, any task may be its.
    """
    first = month
    for _ in range(OPEN_MONTHS + 1):
        first = next_month(first)
    parameters = {"since": midnight_us(first, ZoneInfo(DEFAULT_TIMEZONE))}
    beyond = dict(client.query(_BEYOND, parameters=parameters).result_rows)
    others = any(beyond.values())
    return {tenant for tenant in tenants if beyond.get(tenant, others)}


def _running(client: Client, month: date) -> set[str]:
    """Tenants of whom the live worker has told nothing that is as late as the month's end."""
    after = next_month(month)
    end = datetime(after.year, after.month, 1, tzinfo=UTC) - _EARLIEST
    parameters = {"period": f"{month:%Y-%m}", "end": micros(end)}
    return {tenant for (tenant,) in client.query(_RUNNING, parameters=parameters).result_rows}


def compare(closings: Iterable[Closing], live: dict[Key, Value]) -> Audit:
    """Every difference between recomputed months and live values, by tenant and section."""
    items = {(item.tenant_id, item.indicator): item for each in closings for item in each.items}
    found = [
        AuditDifference(*key, live.get(key), recomputed)
        for key, item in items.items()
        if differs(live.get(key), recomputed := _recomputed(item)) and not _silent(live, item)
    ]
    tenants = {tenant for tenant, _ in items}
    found += [
        AuditDifference(tenant, indicator, value, None)
        for (tenant, indicator), value in live.items()
        if tenant not in tenants and indicator in _SAMPLED and value.observed is not None
    ]
    return Audit(len(tenants), len(items), tuple(sorted(found, key=lambda one: one.tenant_id)))


def without(
    audit: Audit,
    held_back: Container[str] = (),
    given_up: Container[str] = (),
    running: Container[str] = (),
) -> Audit:
    """An audit without the differences that are explained; whose they are is named.

    Args:
        audit: with all differences.
        held_back: tenants of whom events were held back.
        given_up: tenants whose month the live worker no longer follows.
        running: tenants whose month is not over for the live worker.

    """
    told, apart = list[AuditDifference](), (set[str](), set[str](), set[str]())
    for each in audit.differences:
        if each.tenant_id in held_back:
            apart[0].add(each.tenant_id)
        elif each.tenant_id in given_up:
            apart[1].add(each.tenant_id)
        elif each.tenant_id in running and each.indicator not in _SAMPLED:
            apart[2].add(each.tenant_id)
        else:
            told.append(each)
    held, gone, still = (tuple(sorted(one)) for one in apart)
    return replace(audit, differences=tuple(told), held_back=held, given_up=gone, running=still)


def differs(live: Value | None, recomputed: Value) -> bool:
    """Whether the two say different things; that nothing was said of no data is no difference."""
    if live is None:
        return recomputed.observed is not None
    if (live.observed is None) != (recomputed.observed is None):
        return True
    if live.observed is not None and recomputed.observed is not None:
        allowed = _TOLERANCE * max(Decimal(1), abs(recomputed.observed))
        if abs(live.observed - recomputed.observed) > allowed:
            return True
    return recomputed.breached is not None and live.breached != recomputed.breached


def _silent(live: dict[Key, Value], item: ClosingItem) -> bool:
    """Whether both sides say that a month was not watched: the live worker by saying nothing.

    It tells nothing of a month before its first event; the share watched of that is still 0.
    """
    unsaid = (item.tenant_id, item.indicator) not in live
    return unsaid and item.indicator == "operations.monitoring" and item.observed == 0


def _recomputed(item: ClosingItem) -> Value:
    judged = item.verdict in _JUDGED
    return Value(item.observed, item.verdict == "breached" if judged else None)
