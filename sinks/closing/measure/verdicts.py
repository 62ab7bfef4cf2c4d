"""What a run has judged, read back tenant by tenant with a fingerprint of its content."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from pydantic import TypeAdapter

from mailsla.schemas.results import ClosingItem, Credit, ItemPart
from mailsla.sinks.clickhouse import Client
from mailsla.sinks.closing.credits.rules import issue, owed_remedies
from mailsla.sinks.closing.plan.contract_segments import SegmentPeriod
from mailsla.sinks.closing.plan.plan_store import StoredPlan

_COLUMNS: Final = (
    "tenant_id", "section", "indicator", "observed", "raw", "excluded", "unit", "comparator",
    "target", "verdict", "remedy", "evidence_count", "contract_version", "profile", "parts",
)  # fmt: skip
_ALL_FIELDS: Final = set(ClosingItem.model_fields)
"""One set for all items, of which there are many."""
_TARGET: Final = _COLUMNS.index("target")
_PARTS: Final = TypeAdapter(tuple[ItemPart, ...])
_WHOLE: Final = "[]"
"""The parts of a month in which the contract does not change."""

_JUDGED: Final = f"""
SELECT {", ".join(_COLUMNS)}
FROM closing_judged(month = {{month:Date}}, plan = {{plan:UInt64}}, run = {{run:UUID}})
ORDER BY tenant_id, section, indicator
"""  # noqa: S608 - the columns are constants
_STORED: Final = f"""
SELECT {", ".join(_COLUMNS)}
FROM closing_item_log
WHERE month = {{month:Date}} AND run = {{run:UUID}} AND tenant_id IN {{tenants:Array(String)}}
ORDER BY tenant_id, section, indicator
"""  # noqa: S608 - the columns are constants
_UNDECIDED: Final = """
SELECT tenant_id, arraySort(groupArray(indicator))
FROM closing_undecided(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
GROUP BY tenant_id
"""


@dataclass(frozen=True)
class Judgement:
    """One tenant-month as a run judged it, with what it owes (revision 0: not booked).

    Equal fingerprints mean equal figures and equal credits.
    """

    tenant_id: str
    items: tuple[ClosingItem, ...]
    owed: tuple[Credit, ...]
    fingerprint: str

    @property
    def contract_version(self) -> int:
        """The governing version."""
        return self.items[0].contract_version

    @property
    def profile(self) -> str:
        """The profile under which the month was judged."""
        return self.items[0].profile


def read_judgements(client: Client, plan: StoredPlan, run: str) -> dict[str, Judgement]:
    """tenant_id → the judgement of one run, items in order of section and indicator."""
    month = plan.plan.month
    parameters = {"month": month, "plan": plan.number, "run": run}
    label = f"{month:%Y-%m}"
    with client.query_rows_stream(_JUDGED, parameters=parameters) as rows:
        return {
            tenant_id: _judgement(tenant_id, label, list(own), plan.plan.periods[tenant_id])
            for tenant_id, own in groupby(rows, key=itemgetter(0))
        }


def read_undecided(client: Client, plan: StoredPlan, cutoff_us: int) -> dict[str, tuple[str, ...]]:
    """tenant_id → indicators that hang on working days which only a later notice decides."""
    if not plan.plan.undecided:
        return {}
    parameters = {"month": plan.plan.month, "plan": plan.number, "cutoff": cutoff_us}
    rows = client.query(_UNDECIDED, parameters=parameters).result_rows
    return {tenant: tuple(indicators) for tenant, indicators in rows}


def stored_items(
    client: Client, month: date, run: str, tenants: Iterable[str]
) -> dict[str, tuple[ClosingItem, ...]]:
    """tenant_id → the items that a run has frozen, in the order of `read_judgements`."""
    parameters = {"month": month, "run": run, "tenants": sorted(tenants)}
    rows = client.query(_STORED, parameters=parameters).result_rows
    label = f"{month:%Y-%m}"
    return {
        str(tenant_id): tuple(_item(row, label) for row in own)
        for tenant_id, own in groupby(rows, key=itemgetter(0))
    }


def _judgement(
    tenant_id: str, month: str, rows: Sequence[tuple[Any, ...]], period: SegmentPeriod
) -> Judgement:
    items = tuple(_item(row, month) for row in rows)
    owed = issue(tenant_id, 0, owed_remedies(items, period), period)
    # The fee can change without the contract's version: it is part of the content.
    content = [row[1:] for row in rows], [(c.remedy, c.days, c.amount, c.currency) for c in owed]
    digest = blake2b(repr(content).encode(), digest_size=16)
    return Judgement(tenant_id, items, tuple(owed), digest.hexdigest())


def _item(row: tuple[Any, ...], month: str) -> ClosingItem:
    # The columns come from our own query: checking 300,000 of them again would take seconds.
    fields = dict(zip(_COLUMNS, row, strict=True))
    fields["target"] = _without_zeros(row[_TARGET])
    fields["parts"] = () if row[-1] == _WHOLE else _PARTS.validate_json(row[-1])
    return ClosingItem.model_construct(_ALL_FIELDS, month=month, **fields)


@lru_cache(maxsize=4096)
def _without_zeros(value: Decimal | None) -> Decimal | None:
    return None if value is None else Decimal(f"{value.normalize():f}")
