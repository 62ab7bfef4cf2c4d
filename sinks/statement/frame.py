"""The plan a closed month was judged by, laid beside the present one while statements are made.

The parameterized views of the closing read a plan by its number. The newest plan of a month
follows the contracts of today; a statement needs the ones its revision was judged by. Its rows
are written under a number of their own without a row in ``plans``, so that no closing and no
analyst's view ever takes them for the newest, and are deleted afterwards.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date

import orjson

from schemas.contract import Contract
from sinks.clickhouse import Client
from sinks.closing.cutoff import server_now_us
from sinks.closing.periods import Period, Span, next_month, spans_in_force
from sinks.closing.plan import make_plan
from sinks.closing.planning import contracts_by_tenant, delete_plan_rows, write_plan_rows
from sinks.statement.content import Revision
from sinks.statement.queries import query_text


def contracts_of(client: Client, revisions: Sequence[Revision]) -> dict[str, list[Contract]]:
    """tenant_id → the contract versions its revision knew: none above the governing one."""
    parameters = {"tenants": [revision.tenant_id for revision in revisions]}
    rows = client.query(query_text("contracts"), parameters=parameters).result_rows
    every = contracts_by_tenant([Contract.model_validate(orjson.loads(row[0])) for row in rows])
    governing = {revision.tenant_id: revision.contract_version for revision in revisions}
    return {
        tenant: [one for one in every.get(tenant, ()) if one.version <= version]
        for tenant, version in governing.items()
    }


def spans_of_month(period: Period, versions: Sequence[Contract]) -> list[Span]:
    """The versions in force on a day of the month; the default one where there is none."""
    after = next_month(period.month)
    spans = [
        Span(span.contract, max(span.first, period.month), min(span.last, after))
        for span in spans_in_force(versions)
        if span.first < after and span.last > period.month
    ]
    return spans or [Span(period.contract, period.first, period.last)]


@contextmanager
def laid_plan(
    client: Client, month: date, versions: Mapping[str, Sequence[Contract]]
) -> Iterator[tuple[int, Mapping[str, Period]]]:
    """The number of a plan for these tenants, there until the block ends, and their periods.

    Raises:
        CalendarError, PlanError: a contract cannot be judged in this month.

    """
    plan = make_plan(month, versions, versions)
    number = server_now_us(client)
    write_plan_rows(client, plan, number)
    try:
        yield number, plan.periods
    finally:
        delete_plan_rows(client, month, number)
