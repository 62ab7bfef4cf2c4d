"""Closes a month: measures and judges it in ClickHouse, and books what has changed.

Order: lock → cutoff → plan → values → judgement → (items, contracts, credits) → one insert into
``closing_log``. That last insert is the commit: whatever breaks off before it leaves nothing that
anybody reads.
"""

import uuid
from collections.abc import Iterable, Sequence
from datetime import date, datetime

from schemas.contract import Contract
from schemas.results import Closing
from sinks.clickhouse import Client
from sinks.closing import books
from sinks.closing.cutoff import fix_cutoff
from sinks.closing.errors import MonthNotOverError
from sinks.closing.inputs import read_inputs
from sinks.closing.judgement import read_judgements
from sinks.closing.lock import month_lock
from sinks.closing.measure import measure
from sinks.closing.periods import governing_versions
from sinks.closing.planning import contracts_by_tenant, load_contracts, refresh_plan


def close_month(
    client: Client,
    month: date,
    *,
    contracts: Sequence[Contract] | None = None,
    tenants: Iterable[str] | None = None,
    dry_run: bool = False,
    force: bool = False,
    undrained: bool = False,
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
        undrained: records are still to land; the revisions are marked provisional.
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
        periods = plan.plan.periods
        wanted = sorted(periods if tenants is None else set(tenants) & set(periods))
        early = any(periods[tenant].end_us > cutoff for tenant in wanted)
        if early and not force:
            raise MonthNotOverError(
                f"{month:%Y-%m} is not over yet; close it afterwards, "
                "or use --force for provisional figures."
            )
        measure(client, plan, run, cutoff, lock.check)
        judged = read_judgements(client, plan, run)
        chosen = [judged[tenant] for tenant in wanted if tenant in judged]
        inputs = read_inputs(client, month, cutoff, wanted)
        early = early or undrained
        changes = books.compare(client, month, chosen, inputs, cutoff, provisional=early)
        if not dry_run:
            every = contracts_by_tenant(promised)
            versions = {t: governing_versions(t, every.get(t, ()), month) for t in wanted}
            lock.check()
            books.write(client, plan, run, changes, versions)
    return [books.closing_of(one, changes, month) for one in chosen]
