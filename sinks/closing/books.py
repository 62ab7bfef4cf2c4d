"""The books of closed months: which revision holds, and how a new one is written."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

import orjson

from schemas.results import Credit
from sinks.clickhouse import Client
from sinks.closing.judgement import Judgement
from sinks.closing.ledger import issue, overall_verdict, owed_remedies, reverse
from sinks.closing.planning import StoredPlan

_HOLDING: Final = """
SELECT toString(tenant_id), max(revision), argMax(toString(fingerprint), revision),
  argMax(provisional, revision)
FROM closing_log
WHERE month = {month:Date}
GROUP BY tenant_id
"""
_ISSUED: Final = """
SELECT toString(tenant_id), revision, toString(remedy), days, amount, currency
FROM credits
WHERE month = {month:Date} AND kind = 'issue'
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


@dataclass(frozen=True)
class Changes:
    """Which judgements differ from the books, and the revision that holds for every tenant."""

    changed: Sequence[Judgement]
    revision: Mapping[str, int]


def compare(
    client: Client, month: date, judgements: Iterable[Judgement], *, provisional: bool
) -> Changes:
    """Hold judgements against the newest revisions; what differs gets the next number."""
    rows = client.query(_HOLDING, parameters={"month": month}).result_rows
    holding = {tenant: (revision, (digest, early)) for tenant, revision, digest, early in rows}
    changed, revisions = [], {}
    for judgement in judgements:
        revision, content = holding.get(judgement.tenant_id, (0, None))
        if content != (judgement.fingerprint, provisional):
            changed.append(judgement)
            revision += 1
        revisions[judgement.tenant_id] = revision
    return Changes(changed, revisions)


def write(
    client: Client,
    plan: StoredPlan,
    run: str,
    cutoff_us: int,
    changes: Changes,
    *,
    provisional: bool,
) -> list[Credit]:
    """Book the changed judgements; returns the credits issued and reversed.

    The insert into ``closing_log`` comes last and commits everything else of the run.
    """
    if not changes.changed:
        return []
    month = plan.plan.month
    now = datetime.now(UTC)
    common = {"month": month.isoformat(), "run": run}
    numbers = [(one, changes.revision[one.tenant_id]) for one in changes.changed]
    revisions = [{"run": run, "tenant_id": one.tenant_id, "revision": n} for one, n in numbers]
    _insert(client, "closing_revisions", revisions)
    client.command(_ITEMS, parameters={"month": month, "plan": plan.number, "run": run})
    credits = _credits(client, plan, numbers)
    _insert(client, "credit_log", [_credit_row(credit, now) | common for credit in credits])
    entry = common | {
        "closed_at": now.isoformat(),
        "cutoff": _instant(cutoff_us),
        "provisional": provisional,
    }
    _insert(client, "closing_log", [_log_row(one, n, plan) | entry for one, n in numbers])
    return credits


def _credits(
    client: Client, plan: StoredPlan, numbers: Sequence[tuple[Judgement, int]]
) -> list[Credit]:
    month = plan.plan.month
    former: dict[tuple[str, int], list[Credit]] = {}
    if any(number > 1 for _, number in numbers):
        for tenant, revision, remedy, days, amount, currency in client.query(
            _ISSUED, parameters={"month": month}
        ).result_rows:
            credit = Credit.model_construct(
                tenant_id=tenant,
                month=f"{month:%Y-%m}",
                revision=revision,
                remedy=remedy,
                days=days,
                amount=amount,
                currency=currency,
                kind="issue",
            )
            former.setdefault((tenant, revision), []).append(credit)
    credits = []
    for one, number in numbers:
        period = plan.plan.periods[one.tenant_id]
        credits += reverse(former.get((one.tenant_id, number - 1), ()), number)
        credits += issue(one.tenant_id, number, owed_remedies(one.items, period), period)
    return credits


def _credit_row(credit: Credit, now: datetime) -> dict[str, Any]:
    return credit.model_dump(exclude={"month"}) | {"issued_at": now.isoformat()}


def _log_row(judgement: Judgement, revision: int, plan: StoredPlan) -> dict[str, Any]:
    period = plan.plan.periods[judgement.tenant_id]
    return {
        "tenant_id": judgement.tenant_id,
        "revision": revision,
        "verdict": overall_verdict(judgement.items),
        "remedies": owed_remedies(judgement.items, period),
        "contract_version": judgement.contract_version,
        "profile": judgement.profile,
        "fingerprint": judgement.fingerprint,
    }


def _instant(us: int) -> str:
    return f"{us // 1_000_000}.{us % 1_000_000:06d}"


def _insert(client: Client, table: str, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        body = b"\n".join(orjson.dumps(row, default=str) for row in rows)
        settings = {**_ONE_BLOCK, "date_time_input_format": "best_effort"}
        client.raw_insert(table, insert_block=body, fmt="JSONEachRow", settings=settings)
