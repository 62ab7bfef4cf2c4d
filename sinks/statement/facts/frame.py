"""The contracts a closed month was judged by.

The newest plan of a month follows the contracts of today; a statement needs those its revision
was judged by, and lays a plan of them beside while it is made.
"""

from collections.abc import Sequence

import orjson

from mailsla.schemas.contract import Contract
from mailsla.sinks.clickhouse import Client
from mailsla.sinks.closing.plan.contract_segments import (
    SegmentPeriod,
    SegmentSpan,
    next_month,
    spans_in_force,
)
from mailsla.sinks.closing.plan.plan_store import contracts_by_tenant
from mailsla.sinks.closing.revisions import reader
from mailsla.sinks.statement.facts.content import StatementRevision
from mailsla.sinks.statement.facts.queries import query_text


def contracts_of(
    client: Client, revisions: Sequence[StatementRevision]
) -> dict[str, list[Contract]]:
    """tenant_id → the contract versions its revision was judged by.

    Of a revision from before these were kept: what is known today, no version above the governing
    one.
    """
    runs: dict[str, list[str]] = {}
    for revision in revisions:
        runs.setdefault(revision.run, []).append(revision.tenant_id)
    known: dict[str, list[Contract]] = {}
    for run, tenants in runs.items():
        known |= reader.contracts_of(client, run, tenants)
    unkept = [revision for revision in revisions if revision.tenant_id not in known]
    return known | (_known_today(client, unkept) if unkept else {})


def _known_today(
    client: Client, revisions: Sequence[StatementRevision]
) -> dict[str, list[Contract]]:
    parameters = {"tenants": [revision.tenant_id for revision in revisions]}
    rows = client.query(query_text("contracts"), parameters=parameters).result_rows
    every = contracts_by_tenant([Contract.model_validate(orjson.loads(row[0])) for row in rows])
    governing = {revision.tenant_id: revision.contract_version for revision in revisions}
    return {
        tenant: [one for one in every.get(tenant, ()) if one.version <= version]
        for tenant, version in governing.items()
    }


def spans_of_month(period: SegmentPeriod, versions: Sequence[Contract]) -> list[SegmentSpan]:
    """The versions in force on a day of the month; the default one where there is none."""
    after = next_month(period.month)
    spans = [
        SegmentSpan(span.contract, max(span.first, period.month), min(span.last, after))
        for span in spans_in_force(versions)
        if span.first < after and span.last > period.month
    ]
    return spans or [SegmentSpan(period.contract, period.first, period.last)]
