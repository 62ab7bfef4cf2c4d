"""The books of closed months: which revision holds, and how a new one is written."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Any, Final

import orjson

from mailsla.schemas.contract import Contract
from mailsla.schemas.results import Closing, Credit
from mailsla.sinks.clickhouse import Client
from mailsla.sinks.closing.credits.rules import money, overall_verdict, reverse
from mailsla.sinks.closing.measure.input_digest import Input
from mailsla.sinks.closing.measure.verdicts import Judgement
from mailsla.sinks.closing.plan.calendars import Days, day_rows
from mailsla.sinks.closing.plan.contract_segments import instant, micros
from mailsla.sinks.closing.plan.plan_store import StoredPlan

_HOLDING: Final = """
SELECT toString(tenant_id), max(revision), argMax(closed_at, revision), argMax(cutoff, revision),
  argMax(provisional, revision), argMax(toString(fingerprint), revision),
  argMax(input_digest, revision), argMax(input_events, revision), argMax(undecided, revision)
FROM closing_log
WHERE month = {month:Date}
GROUP BY tenant_id
"""
_CREDITS: Final = """
SELECT toString(tenant_id), revision, toString(remedy), days, amount, currency, toString(kind)
FROM credits
WHERE month = {month:Date}
ORDER BY tenant_id, revision, kind DESC, remedy
"""
_ITEMS: Final = """
INSERT INTO closing_item_log
  (tenant_id, month, section, indicator, observed, raw, excluded, unit, comparator, target,
   verdict, remedy, evidence_count, contract_version, profile, parts, revision, run)
SELECT
  j.tenant_id, j.month, j.section, j.indicator, j.observed, j.raw, j.excluded, j.unit,
  j.comparator, j.target, j.verdict, j.remedy, j.evidence_count, j.contract_version, j.profile,
  j.parts, r.revision, r.run
FROM closing_judged(month = {month:Date}, plan = {plan:UInt64}, run = {run:UUID}) AS j
INNER JOIN (
  SELECT toString(tenant_id) AS tenant_id, revision, run
  FROM closing_revisions
  WHERE run = {run:UUID}
) AS r ON j.tenant_id = r.tenant_id
"""
_ONE_BLOCK: Final = {"input_format_parallel_parsing": 0, "max_insert_block_size": 1_000_000}
"""Rows of one insert become one part: all of them are there, or none."""

Key = tuple[str, int]
"""tenant_id, revision"""


@dataclass(frozen=True)
class Entry:
    """One revision's place in the books."""

    revision: int
    closed_at: datetime
    cutoff: datetime
    provisional: bool
    fingerprint: str
    input_digest: str
    input_events: int
    undecided: Sequence[str] = ()

    def holds(self, fingerprint: str, provisional: bool) -> bool:
        """Whether a judgement adds nothing to this entry."""
        return self.fingerprint == fingerprint and (provisional or not self.provisional)


@dataclass(frozen=True)
class RevisionChanges:
    """Which judgements differ from the books; the entry and the credits that hold for each."""

    changed: Sequence[Judgement]
    entries: Mapping[str, Entry]
    credits: Mapping[str, Sequence[Credit]]


def compare(
    client: Client,
    month: date,
    judgements: Iterable[Judgement],
    inputs: Mapping[str, Input],
    cutoff_us: int,
    early: Container[str] = (),
    undecided: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> RevisionChanges:
    """Hold judgements against the newest revisions; what differs gets the next number.

    A provisional judgement of what holds already as final changes nothing.

    Args:
        client: may read.
        month: first day of the month.
        judgements: as the run judged.
        inputs: tenant_id → what it read.
        cutoff_us: up to when facts had landed.
        early: tenants closed before everything was there; provisional.
        undecided: tenant_id → indicators that a later notice may change; provisional too.

    """
    rows = client.query(_HOLDING, parameters={"month": month}).result_rows
    holding = {tenant: Entry(*entry) for tenant, *entry in rows}
    booked = ledger_of(client, month) if holding else {}
    now, cutoff = datetime.now(UTC), instant(cutoff_us)
    changed: list[Judgement] = []
    entries: dict[str, Entry] = {}
    credits: dict[str, Sequence[Credit]] = {}
    for one in judgements:
        tenant, former = one.tenant_id, holding.get(one.tenant_id)
        open_ = tuple(undecided.get(tenant, ()))
        provisional = tenant in early or bool(open_)
        if former is not None and former.holds(one.fingerprint, provisional):
            entries[tenant] = former
            credits[tenant] = booked.get((tenant, former.revision), ())
            continue
        number = 1 if former is None else former.revision + 1
        changed.append(one)
        read = inputs[tenant]
        entries[tenant] = Entry(
            number, now, cutoff, provisional, one.fingerprint, read.digest, read.events, open_
        )
        issued = [c for c in booked.get((tenant, number - 1), ()) if c.kind == "issue"]
        renewed = [credit.model_copy(update={"revision": number}) for credit in one.owed]
        credits[tenant] = (*reverse(issued, number), *renewed)
    return RevisionChanges(changed, entries, credits)


def ledger_of(client: Client, month: date) -> dict[Key, list[Credit]]:
    """(tenant_id, revision) → the credits it issued and reversed, reversals first."""
    found: dict[Key, list[Credit]] = {}
    rows = client.query(_CREDITS, parameters={"month": month}).result_rows
    for tenant, revision, remedy, days, amount, currency, kind in rows:
        credit = Credit.model_construct(
            tenant_id=tenant,
            month=f"{month:%Y-%m}",
            revision=revision,
            remedy=remedy,
            days=days,
            amount=None if amount is None else money(amount),
            currency=currency,
            kind=kind,
        )
        found.setdefault((tenant, revision), []).append(credit)
    return found


def write(
    client: Client,
    plan: StoredPlan,
    run: str,
    changes: RevisionChanges,
    versions: Mapping[str, Sequence[Contract]],
    days: Days,
) -> None:
    """Book the changed judgements with the contract versions and days they were judged by.

    The insert into ``closing_log`` comes last and commits everything else of the run.
    """
    if not changes.changed:
        return
    month = plan.plan.month
    common = {"month": month.isoformat(), "run": run}
    numbers = [(one, changes.entries[one.tenant_id]) for one in changes.changed]
    _insert(
        client,
        "closing_revisions",
        [{"run": run, "tenant_id": one.tenant_id, "revision": e.revision} for one, e in numbers],
    )
    client.command(_ITEMS, parameters={"month": month, "plan": plan.number, "run": run})
    documents = [
        {
            "run": run,
            "tenant_id": one.tenant_id,
            "documents": [contract.model_dump_json() for contract in versions[one.tenant_id]],
        }
        for one, _ in numbers
    ]
    _insert(client, "closing_contracts", documents)
    _insert(client, "closing_calendars", day_rows(run, days))
    credits = [
        _credit_row(credit, entry) | common
        for one, entry in numbers
        for credit in changes.credits[one.tenant_id]
    ]
    _insert(client, "credit_log", credits)
    _insert(client, "closing_log", [_log_row(one, entry) | common for one, entry in numbers])


def closing_of(judgement: Judgement, changes: RevisionChanges, month: date) -> Closing:
    """A judgement with its entry in the books."""
    entry = changes.entries[judgement.tenant_id]
    return Closing.model_construct(
        tenant_id=judgement.tenant_id,
        month=f"{month:%Y-%m}",
        revision=entry.revision,
        verdict=overall_verdict(judgement.items),
        remedies=tuple(credit.remedy for credit in judgement.owed),
        items=judgement.items,
        credits=tuple(changes.credits[judgement.tenant_id]),
        provisional=entry.provisional,
        closed_at=entry.closed_at,
        cutoff=entry.cutoff,
        fingerprint=entry.fingerprint,
        input_digest=entry.input_digest,
        input_events=entry.input_events,
        undecided=tuple(entry.undecided),
    )


def _credit_row(credit: Credit, entry: Entry) -> dict[str, Any]:
    return credit.model_dump(exclude={"month"}) | {"issued_at": entry.closed_at.isoformat()}


def _log_row(judgement: Judgement, entry: Entry) -> dict[str, Any]:
    return {
        "tenant_id": judgement.tenant_id,
        "revision": entry.revision,
        "closed_at": entry.closed_at.isoformat(),
        "cutoff": _exact(entry.cutoff),
        "provisional": entry.provisional,
        "verdict": overall_verdict(judgement.items),
        "remedies": [credit.remedy for credit in judgement.owed],
        "contract_version": judgement.contract_version,
        "profile": judgement.profile,
        "fingerprint": entry.fingerprint,
        "input_digest": entry.input_digest,
        "input_events": entry.input_events,
        "undecided": entry.undecided,
    }


def _exact(moment: datetime) -> str:
    seconds, us = divmod(micros(moment), 1_000_000)
    return f"{seconds}.{us:06d}"


def _insert(client: Client, table: str, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        body = b"\n".join(orjson.dumps(row, default=str) for row in rows)
        settings = {**_ONE_BLOCK, "date_time_input_format": "best_effort"}
        client.raw_insert(table, insert_block=body, fmt="JSONEachRow", settings=settings)
