"""One figure of a month worked out step by step, from the rows that make it.

The value is worked out a second time here, by `formulas` from the evidence rows: where it is not
the closing's, one of the two is wrong.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from typing import Any, Final

from mailsla.schemas.calendars import Calendars
from mailsla.schemas.contract import Contract
from mailsla.schemas.indicators import INDICATORS
from mailsla.schemas.results import ClosingItem
from mailsla.sinks.clickhouse import Client
from mailsla.sinks.closing.cutoff import server_now_us
from mailsla.sinks.closing.errors import ClosingError
from mailsla.sinks.closing.explain.formulas import FORMULAS, Formula, Outcome, Sums, evidence_of
from mailsla.sinks.closing.measure.queries import SETTINGS, measure
from mailsla.sinks.closing.measure.verdicts import read_judgements
from mailsla.sinks.closing.plan.calendars import calendars_of, load_calendars
from mailsla.sinks.closing.plan.contract_segments import (
    SegmentPeriod,
    governing_versions,
    instant,
    micros,
)
from mailsla.sinks.closing.plan.plan import make_plan
from mailsla.sinks.closing.plan.plan_store import (
    StoredPlan,
    contracts_by_tenant,
    load_contracts,
    scratch_plan,
)
from mailsla.sinks.closing.revisions.reader import Revision, contracts_of, revisions_of, whole

ROWS_SHOWN: Final = 20
_DECIMALS: Final = Decimal("1e-9")

_ROWS: Final = """
SELECT item, from_us, to_us, amount, excused, counts, note
FROM closing_{name}(
  tenant = {{tenant:String}}, month = {{month:Date}}, plan = {{plan:UInt64}},
  cutoff = {{cutoff:Int64}}
)
WHERE indicator = {{indicator:String}} AND tenant_id = {{tenant:String}}
ORDER BY counts DESC, excused > 0 DESC, amount DESC, from_us, item
LIMIT {{limit:UInt32}}
"""
_SUMS: Final = """
SELECT count(), countIf(counts), sumIf(amount, counts), sumIf(excused, counts),
  maxIf(amount, counts), sumIf(amount, NOT counts)
FROM closing_{name}(
  tenant = {{tenant:String}}, month = {{month:Date}}, plan = {{plan:UInt64}},
  cutoff = {{cutoff:Int64}}
)
WHERE indicator = {{indicator:String}} AND tenant_id = {{tenant:String}}
"""
_EXCLUSIONS: Final = """
SELECT arrayJoin(arrayZip(starts, ends)) AS one
FROM closing_exclusions(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
WHERE tenant_id = {tenant:String} AND section = {section:UInt8}
  AND one.1 < {end:Int64} AND one.2 > {start:Int64}
ORDER BY one
"""


@dataclass(frozen=True)
class Row:
    """One row of the evidence; ``amount`` and ``excused`` in µs of a length of time, or numbers."""

    item: str
    since: datetime | None
    until: datetime | None
    amount: int
    excused: int
    counts: bool
    note: str


@dataclass(frozen=True)
class Explanation:
    """How a figure comes about; ``rows`` holds the first `ROWS_SHOWN` of ``sums.rows``."""

    item: ClosingItem
    revision: Revision | None
    """None: the month is not closed, and this is how it stands at the cutoff."""
    cutoff: datetime
    period: SegmentPeriod
    formula: Formula
    sums: Sums
    rows: tuple[Row, ...]
    exclusions: tuple[tuple[datetime, datetime], ...]
    """In force for the section in the month, without overlaps."""
    outcome: Outcome

    @property
    def value(self) -> Decimal | None:
        """What the rows add up to, cut to nine decimals as the closing does."""
        if self.item.observed is None or self.outcome.value is None:
            return None
        return truncated(self.outcome.value)

    @property
    def agrees(self) -> bool:
        """Whether that is the closing's figure."""
        return self.value == self.item.observed


@dataclass(frozen=True)
class _Subject:
    tenant_id: str
    indicator: str
    month: date
    revision: Revision | None
    versions: Sequence[Contract]
    cutoff_us: int


def truncated(value: Fraction) -> Decimal:
    """A fraction as a decimal, cut to nine places."""
    digits = Context(prec=60)
    exact = digits.divide(Decimal(value.numerator), Decimal(value.denominator))
    return exact.quantize(_DECIMALS, rounding=ROUND_FLOOR, context=digits)


def explain(
    client: Client, tenant_id: str, indicator: str, month: date, *, revision: int | None = None
) -> Explanation:
    """Work out one figure of a revision (default: the last one; or of the month as it stands).

    Args:
        client: may write (the computation keeps its steps); the books are not touched.
        tenant_id: whose month.
        indicator: one of `INDICATORS`.
        month: first day of the month.
        revision: its number.

    Raises:
        ClosingError: there is no such revision, it was closed without its contracts, or the
            contract cannot be judged in this month.

    """
    if indicator not in FORMULAS:
        raise ClosingError(
            f"Nobody has said yet how {indicator} adds up; see `sinks/closing/explain/formulas.py`."
        )
    subject = _subject(client, tenant_id, indicator, month, revision)
    versions = {tenant_id: subject.versions}
    made = make_plan(month, [tenant_id], versions, _calendars(client, subject.revision))
    for failure in made.failures:
        raise ClosingError(f"{failure}.")
    with scratch_plan(client, made) as plan:
        item = _item(client, subject, plan)
        period = plan.plan.periods[tenant_id]
        sums, rows = _evidence(client, subject, plan)
        formula = FORMULAS[indicator]
        return Explanation(
            item=item,
            revision=subject.revision,
            cutoff=instant(subject.cutoff_us),
            period=period,
            formula=formula,
            sums=sums,
            rows=rows,
            exclusions=_exclusions(client, subject, plan),
            outcome=formula.work_out(sums),
        )


def _subject(
    client: Client, tenant_id: str, indicator: str, month: date, number: int | None
) -> _Subject:
    booked = revisions_of(client, month, [tenant_id])
    if number is None and not booked:
        known = _known_versions(client, tenant_id)
        versions = governing_versions(tenant_id, known, month)
        return _Subject(tenant_id, indicator, month, None, versions, server_now_us(client))
    for each in reversed(booked):
        if number in {None, each.number}:
            kept = contracts_of(client, each.run, [tenant_id]).get(tenant_id)
            if kept and each.closing.cutoff is not None:
                cutoff = micros(each.closing.cutoff)
                return _Subject(tenant_id, indicator, month, each, kept, cutoff)
            break
    raise ClosingError(
        f"{tenant_id} has no revision {number or ''} of {month:%Y-%m} with its contracts; "
        "see the table closings for those there are."
    )


def _item(client: Client, subject: _Subject, plan: StoredPlan) -> ClosingItem:
    if subject.revision is not None:
        (closing,) = whole(client, [subject.revision])
        items = closing.items
    else:
        run, section = str(uuid.uuid4()), INDICATORS[subject.indicator].section
        measure(client, plan, run, subject.cutoff_us, lambda: None, section)
        items = read_judgements(client, plan, run)[subject.tenant_id].items
    return next(item for item in items if item.indicator == subject.indicator)


def _parameters(subject: _Subject, plan: StoredPlan) -> dict[str, Any]:
    return {
        "tenant": subject.tenant_id,
        "indicator": subject.indicator,
        "month": subject.month,
        "plan": plan.number,
        "cutoff": subject.cutoff_us,
    }


def _evidence(client: Client, subject: _Subject, plan: StoredPlan) -> tuple[Sums, tuple[Row, ...]]:
    name, parameters = evidence_of(subject.indicator), _parameters(subject, plan)
    period = plan.plan.periods[subject.tenant_id]
    # The names of the queries are constants.
    ((*sums,),) = client.query(
        _SUMS.format(name=name), parameters=parameters, settings=SETTINGS
    ).result_rows
    rows = client.query(
        _ROWS.format(name=name), parameters=parameters | {"limit": ROWS_SHOWN}, settings=SETTINGS
    ).result_rows
    tenant = next(plan.plan.tenants)
    length = period.end_us - period.start_us
    every, counting, amount, excused, largest, rest = map(int, sums)
    total = Sums(
        rows=every,
        counting=counting,
        amount=amount,
        excused=excused,
        largest=largest,
        rest=rest,
        length_us=length,
        year_days=tenant["year_days"],
    )
    return total, tuple(_row(row) for row in rows)


def _row(row: Sequence[Any]) -> Row:
    item, from_us, to_us, amount, excused, counts, note = row
    since, until = (instant(us) if us > 0 else None for us in (from_us, to_us))
    return Row(item, since, until, int(amount), int(excused), bool(counts), note)


def _exclusions(
    client: Client, subject: _Subject, plan: StoredPlan
) -> tuple[tuple[datetime, datetime], ...]:
    period = plan.plan.periods[subject.tenant_id]
    parameters = _parameters(subject, plan) | {
        "section": INDICATORS[subject.indicator].section,
        "start": period.start_us,
        "end": period.end_us,
    }
    rows = client.query(_EXCLUSIONS, parameters=parameters).result_rows
    return tuple((instant(starts), instant(ends)) for ((starts, ends),) in rows)


def _calendars(client: Client, revision: Revision | None) -> Calendars:
    """The working days of a revision, or those of today."""
    return load_calendars(client) if revision is None else calendars_of(client, revision.run)


def _known_versions(client: Client, tenant_id: str) -> list[Contract]:
    promised = load_contracts(client)
    for failure in promised.failures:
        if failure.tenant_id == tenant_id:
            raise ClosingError(f"{failure}.")
    return contracts_by_tenant(promised.contracts).get(tenant_id, [])
