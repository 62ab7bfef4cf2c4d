"""Closes a month: measures and judges it in ClickHouse, and books what has changed.

Order: lock → cutoff → plan → values → judgement → (items, credits) → one insert into
``closing_log``. That last insert is the commit: whatever breaks off before it leaves nothing that
anybody reads.
"""

import uuid
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Final

from schemas.contract import Contract
from schemas.results import Closing
from sinks.clickhouse import Client
from sinks.closing import books
from sinks.closing.cutoff import fix_cutoff
from sinks.closing.errors import MonthNotOverError
from sinks.closing.judgement import Judgement, read_judgements
from sinks.closing.ledger import overall_verdict, owed_remedies
from sinks.closing.lock import MonthLock, month_lock
from sinks.closing.planning import StoredPlan, load_contracts, refresh_plan
from sinks.closing.views import sections

SETTINGS: Final = {
    # What does not fit spills to disk instead of failing.
    "max_bytes_before_external_group_by": 700_000_000,
    "max_bytes_before_external_sort": 500_000_000,
    "max_execution_time": 0,
    "max_threads": 0,
}
"""Server settings of the measuring queries; sizes in bytes."""

_MEASURE: Final = """
INSERT INTO closing_values
  (run, tenant_id, indicator, num, den, raw_num, raw_den, excluded_num, excluded_den,
   evidence_count, has_data, settled)
SELECT
  {run:UUID}, tenant_id, indicator, num, den, raw_num, raw_den, excluded_num, excluded_den,
  evidence_count, has_data, settled
"""
_ARGUMENTS: Final = "(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})"


def close_month(
    client: Client,
    month: date,
    *,
    contracts: Sequence[Contract] | None = None,
    tenants: Iterable[str] | None = None,
    dry_run: bool = False,
    force: bool = False,
    now: datetime | None = None,
) -> list[Closing]:
    """Judge every indicator of every tenant of a month, and book new revisions.

    Args:
        client: may write, and create and drop the lock table; `install_views` has run.
        month: first day of the month.
        contracts: every contract version; what has landed in ``contracts`` by default.
        tenants: only these (they must belong to the month); all by default.
        dry_run: judge only; the revisions returned are those that would hold.
        force: close a month that is not over; its revisions are marked provisional.
        now: the cutoff and the clock; the server's own by default.

    Returns:
        One closing per tenant in order of tenant_id, with the revision that now holds: a new one,
        or the former where nothing has changed.

    Raises:
        MonthNotOverError: the month is not over for some tenant, and ``force`` is not set.
        ClosingInProgressError: another closing of this month is at work.
        ClosingError: an INSERT does not end.
        CalendarError, PlanError: a contract cannot be judged in this month.

    """
    month = month.replace(day=1)
    run = str(uuid.uuid4())
    with month_lock(client, month, run) as lock:
        cutoff = fix_cutoff(client, now)
        promised = load_contracts(client) if contracts is None else contracts
        plan = refresh_plan(client, month, promised, cutoff)
        wanted = sorted(
            plan.plan.periods if tenants is None else set(tenants) & set(plan.plan.periods)
        )
        provisional = any(plan.plan.periods[t].end_us > cutoff for t in wanted)
        if provisional and not force:
            raise MonthNotOverError(
                f"{month:%Y-%m} is not over yet; close it afterwards, "
                "or use --force for provisional figures."
            )
        _measure(client, plan, run, cutoff, lock)
        judged = read_judgements(client, plan, run)
        chosen = [judged[tenant] for tenant in wanted if tenant in judged]
        changes = books.compare(client, month, chosen, provisional=provisional)
        if not dry_run:
            lock.check()
            books.write(client, plan, run, cutoff, changes, provisional=provisional)
    return [_closing(one, plan, changes.revision[one.tenant_id]) for one in chosen]


def _measure(client: Client, plan: StoredPlan, run: str, cutoff: int, lock: MonthLock) -> None:
    parameters = {"run": run, "month": plan.plan.month, "plan": plan.number, "cutoff": cutoff}
    for section in sections():
        # The names of sections are constants.
        client.command(
            f"{_MEASURE} FROM {section}{_ARGUMENTS}", parameters=parameters, settings=SETTINGS
        )
        lock.renew()


def _closing(judgement: Judgement, plan: StoredPlan, revision: int) -> Closing:
    period = plan.plan.periods[judgement.tenant_id]
    return Closing.model_construct(
        tenant_id=judgement.tenant_id,
        month=f"{plan.plan.month:%Y-%m}",
        revision=revision,
        verdict=overall_verdict(judgement.items),
        remedies=owed_remedies(judgement.items, period),
        items=judgement.items,
    )
