"""Works old revisions out again: same cutoff, same contracts, the same bytes or a difference.

What has landed since, exclusions declared since and contract versions published since must make
none. A difference says that facts were changed or removed after the closing.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Final

import orjson

from mailsla.schemas.results import Closing, ClosingItem, Credit
from mailsla.sinks.clickhouse import Client
from mailsla.sinks.closing.measure.input_digest import Input, read_inputs
from mailsla.sinks.closing.measure.queries import measure
from mailsla.sinks.closing.measure.verdicts import Judgement, read_judgements
from mailsla.sinks.closing.plan.calendars import calendars_of
from mailsla.sinks.closing.plan.contract_segments import micros
from mailsla.sinks.closing.plan.plan import make_plan
from mailsla.sinks.closing.plan.plan_store import scratch_plan
from mailsla.sinks.closing.revisions.reader import Revision, contracts_of, revisions_of, whole

NO_CONTRACTS: Final = "contracts not stored"
"""Told of a revision that was closed by a release which did not keep them."""


@dataclass(frozen=True)
class Check:
    """One revision held against itself.

    ``differences`` names indicators, ``credits``, and ``input``: the events are not those of then.
    """

    stored: Closing
    recomputed: tuple[ClosingItem, ...]
    differences: tuple[str, ...]


def verify_month(
    client: Client,
    month: date,
    *,
    tenants: Iterable[str] | None = None,
    revision: int | None = None,
) -> list[Check]:
    """Recompute stored revisions of a month at their cutoffs and compare them byte by byte.

    Args:
        client: may write (the recomputation keeps its steps); the books are not touched.
        month: first day of the month.
        tenants: only these; all by default.
        revision: only this one of each tenant; all by default.

    Returns:
        One check per revision, by tenant and revision.

    """
    chosen = [
        each for each in revisions_of(client, month, tenants) if revision in {None, each.number}
    ]
    checks = []
    for run, own in groupby(sorted(chosen, key=_run), key=_run):
        checks += _verify_run(client, month, run, list(own))
    return sorted(checks, key=lambda check: (check.stored.tenant_id, check.stored.revision))


def recompute(client: Client, month: date, revisions: Sequence[Revision]) -> dict[str, Judgement]:
    """tenant_id → the judgement of revisions of one run: its cutoff, contracts, working days."""
    run, cutoff = revisions[0].run, revisions[0].closing.cutoff
    versions = contracts_of(client, run, (each.tenant_id for each in revisions))
    if not versions or cutoff is None:
        return {}
    again = str(uuid.uuid4())
    calendars = calendars_of(client, run)
    with scratch_plan(client, make_plan(month, versions, versions, calendars)) as plan:
        measure(client, plan, again, micros(cutoff), lambda: None)
        return read_judgements(client, plan, again)


def _run(revision: Revision) -> str:
    return revision.run


def _verify_run(client: Client, month: date, run: str, revisions: list[Revision]) -> list[Check]:
    judged = recompute(client, month, revisions)
    cutoff = revisions[0].closing.cutoff
    tenants = [each.tenant_id for each in revisions]
    inputs = {} if cutoff is None else read_inputs(client, month, micros(cutoff), tenants)
    return [
        _check(stored, judged.get(stored.tenant_id), inputs.get(stored.tenant_id))
        for stored in whole(client, revisions)
    ]


def _check(stored: Closing, judged: Judgement | None, read: Input | None) -> Check:
    if judged is None:
        return Check(stored, (), (NO_CONTRACTS,))
    before = {item.indicator: _bytes(item) for item in stored.items}
    after = {item.indicator: _bytes(item) for item in judged.items}
    differ = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    issued = [credit for credit in stored.credits if credit.kind == "issue"]
    if [_owed(credit) for credit in issued] != [_owed(credit) for credit in judged.owed]:
        differ.append("credits")
    if read is None or stored.input_digest != read.digest:
        differ.append("input")
    return Check(stored, judged.items, tuple(differ))


def _bytes(item: ClosingItem) -> bytes:
    return orjson.dumps(item.model_dump(mode="json"))


def _owed(credit: Credit) -> bytes:
    return orjson.dumps(credit.model_dump(mode="json", exclude={"revision"}))
