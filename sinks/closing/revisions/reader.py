"""Revisions read back from the books, and which of them the world has not been told of.

A revision is told after it is booked, and marked when the broker has its event. Whatever breaks
off in between, the next closing tells it again: the same event, byte for byte.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import orjson

from mailsla.schemas.contract import Contract
from mailsla.schemas.results import Closing
from mailsla.sinks.clickhouse import Client
from mailsla.sinks.closing.measure.verdicts import stored_items
from mailsla.sinks.closing.revisions.writer import ledger_of

_REVISION: Final = """
  run, toString(tenant_id) AS tenant_id, month, revision, toString(verdict) AS verdict, remedies,
  provisional, closed_at, cutoff, toString(fingerprint) AS fingerprint, input_digest, input_events,
  undecided
"""
_OF_MONTH: Final = f"""
SELECT {_REVISION}
FROM closing_log
WHERE month = {{month:Date}} AND ({{all:Bool}} OR tenant_id IN {{tenants:Array(String)}})
ORDER BY tenant_id, revision
"""  # noqa: S608 - the columns are constants
_UNTOLD: Final = f"""
SELECT {_REVISION}
FROM closing_log
WHERE (run, tenant_id) NOT IN (SELECT run, tenant_id FROM closing_published)
ORDER BY closed_at, month, tenant_id
LIMIT {{limit:UInt32}}
"""  # noqa: S608 - the columns are constants
_CONTRACTS: Final = """
SELECT toString(tenant_id), documents
FROM closing_contracts
WHERE run = {run:UUID} AND tenant_id IN {tenants:Array(String)}
"""


@dataclass(frozen=True)
class Revision:
    """One row of ``closing_log``; ``run`` is the closing that made it."""

    run: str
    month: date
    closing: Closing
    """Without items and credits."""

    @property
    def tenant_id(self) -> str:
        """Whose month it is."""
        return self.closing.tenant_id

    @property
    def number(self) -> int:
        """The revision's number, from 1."""
        return self.closing.revision


def revisions_of(
    client: Client, month: date, tenants: Iterable[str] | None = None
) -> list[Revision]:
    """Every revision of a month by tenant and number, of some tenants or of all."""
    wanted = {"all": tenants is None, "tenants": sorted(tenants or ())}
    rows = client.query(_OF_MONTH, parameters={"month": month, **wanted}).named_results()
    return [_revision(row) for row in rows]


def untold(client: Client, limit: int) -> list[Revision]:
    """At most so many revisions of any month whose event is not known to be published."""
    rows = client.query(_UNTOLD, parameters={"limit": limit}).named_results()
    return [_revision(row) for row in rows]


def mark_told(client: Client, revisions: Sequence[Revision]) -> None:
    """Note that the broker has the events of these revisions."""
    rows = [[each.run, each.tenant_id] for each in revisions]
    client.insert("closing_published", rows, column_names=["run", "tenant_id"])


def whole(client: Client, revisions: Sequence[Revision]) -> list[Closing]:
    """The revisions with their items and credits, in the order given."""
    by_run: dict[tuple[str, date], set[str]] = {}
    for each in revisions:
        by_run.setdefault((each.run, each.month), set()).add(each.tenant_id)
    items = {
        (run, tenant): own
        for (run, month), tenants in by_run.items()
        for tenant, own in stored_items(client, month, run, tenants).items()
    }
    credits = {month: ledger_of(client, month) for month in {each.month for each in revisions}}
    return [
        each.closing.model_copy(
            update={
                "items": items.get((each.run, each.tenant_id), ()),
                "credits": tuple(credits[each.month].get((each.tenant_id, each.number), ())),
            }
        )
        for each in revisions
    ]


def contracts_of(client: Client, run: str, tenants: Iterable[str]) -> dict[str, list[Contract]]:
    """tenant_id → the contract versions by which a run judged it."""
    parameters = {"run": run, "tenants": sorted(tenants)}
    rows = client.query(_CONTRACTS, parameters=parameters).result_rows
    return {
        tenant: [Contract.model_validate(orjson.loads(document)) for document in documents]
        for tenant, documents in rows
    }


def _revision(row: Mapping[str, Any]) -> Revision:
    month: date = row["month"]
    closing = Closing.model_construct(
        tenant_id=row["tenant_id"],
        month=f"{month:%Y-%m}",
        revision=row["revision"],
        verdict=row["verdict"],
        remedies=tuple(row["remedies"]),
        items=(),
        credits=(),
        provisional=row["provisional"],
        closed_at=row["closed_at"],
        cutoff=row["cutoff"],
        fingerprint=row["fingerprint"],
        input_digest=row["input_digest"],
        input_events=row["input_events"],
        undecided=tuple(row["undecided"]),
    )
    return Revision(str(row["run"]), month, closing)
