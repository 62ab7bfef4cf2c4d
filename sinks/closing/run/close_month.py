"""Closes a month: measures and judges it in ClickHouse, and books what has changed.

Order: lock → cutoff → conflicts → plan → values → judgement → (items, contracts, credits) → one
insert into ``closing_log``. That last insert is the commit: whatever breaks off before it leaves
nothing that anybody reads.
"""

import uuid
from collections.abc import Container, Iterable, Sequence
from datetime import date, datetime

from mailsla.schemas.contract import Contract
from mailsla.schemas.results import Closing
from mailsla.sinks.clickhouse import Client
from mailsla.sinks.closing.conflicts import note_conflicts
from mailsla.sinks.closing.cutoff import fix_cutoff
from mailsla.sinks.closing.errors import Failed, MonthNotOverError, TenantFailure, log_failure
from mailsla.sinks.closing.measure.input_digest import read_inputs
from mailsla.sinks.closing.measure.queries import measure
from mailsla.sinks.closing.measure.verdicts import read_judgements, read_undecided
from mailsla.sinks.closing.plan.calendars import load_calendars
from mailsla.sinks.closing.plan.contract_segments import SegmentPeriod, governing_versions
from mailsla.sinks.closing.plan.plan import Plan
from mailsla.sinks.closing.plan.plan_store import (
    Promised,
    contracts_by_tenant,
    load_contracts,
    refresh_plan,
)
from mailsla.sinks.closing.revisions import writer
from mailsla.sinks.closing.run.lock import month_lock
from mailsla.sinks.retention import require_facts


def close_month(
    client: Client,
    month: date,
    *,
    contracts: Sequence[Contract] | None = None,
    tenants: Iterable[str] | None = None,
    leave: Container[str] = (),
    dry_run: bool = False,
    force: bool = False,
    undrained: bool = False,
    now: datetime | None = None,
    failed: Failed = log_failure,
) -> list[Closing]:
    """Judge every indicator of every tenant of a month, and book new revisions.

    Args:
        client: may write, and create and drop the lock table.
        month: first day of the month.
        contracts: every contract version; what has landed in ``contracts`` by default.
        tenants: only these (they must belong to the month); all by default.
        leave: not these.
        dry_run: judge only; the revisions returned are those that would hold.
        force: close a month that is not over; its revisions are marked provisional.
        undrained: records are still to land; the revisions are marked provisional.
        now: the cutoff and the clock; the server's own by default.
        failed: is told of every tenant that cannot be judged; the others are closed.

    Returns:
        One closing per tenant in order of tenant_id, with the revision that now holds.

    Raises:
        MonthNotOverError: the month is over for nobody, and ``force`` is not set.
        ClosingInProgressError: another closing of this month is at work.
        ClosingError: an INSERT does not end, or facts of the month may be gone.

    """
    month = month.replace(day=1)
    require_facts(client, month)
    run = str(uuid.uuid4())
    with month_lock(client, month, run) as lock:
        cutoff = fix_cutoff(client, now)
        note_conflicts(client, cutoff)
        promised = load_contracts(client) if contracts is None else Promised(contracts)
        calendars = load_calendars(client)
        plan = refresh_plan(client, month, promised, cutoff, calendars)
        wanted = _wanted(plan.plan, tenants, leave, cutoff, force, failed)
        if not wanted:
            return []
        measure(client, plan, run, cutoff, lock.check)
        judged = read_judgements(client, plan, run)
        chosen = [judged[tenant] for tenant in wanted if tenant in judged]
        inputs = read_inputs(client, month, cutoff, wanted)
        periods = plan.plan.periods
        early = {t for t in wanted if undrained or periods[t].end_us > cutoff}
        undecided = read_undecided(client, plan, cutoff)
        changes = writer.compare(client, month, chosen, inputs, cutoff, early, undecided)
        if not dry_run:
            every = contracts_by_tenant(promised.contracts)
            versions = {t: governing_versions(t, every.get(t, ()), month) for t in wanted}
            lock.check()
            writer.write(client, plan, run, changes, versions, calendars.noted)
    return [writer.closing_of(one, changes, month) for one in chosen]


def _wanted(
    plan: Plan,
    tenants: Iterable[str] | None,
    leave: Container[str],
    cutoff_us: int,
    force: bool,
    failed: Failed,
) -> list[str]:
    """Who is closed, in order; tells of those that cannot be."""
    asked = None if tenants is None else frozenset(tenants)
    failures = [each for each in plan.failures if asked is None or each.tenant_id in asked]
    possible = plan.periods if asked is None else asked & plan.periods.keys()
    wanted = sorted(tenant for tenant in possible if tenant not in leave)
    running = [tenant for tenant in wanted if plan.periods[tenant].end_us > cutoff_us]
    if running and not force:
        if len(running) == len(wanted):
            raise MonthNotOverError(
                f"{plan.month:%Y-%m} is not over yet; close it afterwards, "
                "or use --force for provisional figures."
            )
        failures += [_not_over(plan.periods[tenant], tenant) for tenant in running]
        wanted = [tenant for tenant in wanted if tenant not in running]
    for failure in failures:
        failed(failure)
    return wanted


def _not_over(period: SegmentPeriod, tenant: str) -> TenantFailure:
    reason = (
        f"the month is not over yet in {period.contract.timezone}; close it afterwards, "
        "or use --force for provisional figures"
    )
    return TenantFailure(tenant, "timezone", reason)
