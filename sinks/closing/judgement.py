"""What a run has judged, read back tenant by tenant with a fingerprint of its content."""

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from pydantic import TypeAdapter

from schemas.results import ClosingItem, ItemPart
from sinks.clickhouse import Client
from sinks.closing.planning import StoredPlan

_COLUMNS: Final = (
    "tenant_id", "section", "indicator", "observed", "raw", "excluded", "unit", "comparator",
    "target", "verdict", "remedy", "evidence_count", "contract_version", "profile", "parts",
)  # fmt: skip
_TARGET: Final = _COLUMNS.index("target")
_PARTS: Final = TypeAdapter(tuple[ItemPart, ...])
_WHOLE: Final = "[]"
"""The parts of a month in which the contract does not change."""

_JUDGED: Final = f"""
SELECT {", ".join(_COLUMNS)}
FROM closing_judged(month = {{month:Date}}, plan = {{plan:UInt64}}, run = {{run:UUID}})
ORDER BY tenant_id, section, indicator
"""  # noqa: S608 - the columns are constants


@dataclass(frozen=True)
class Judgement:
    """One tenant-month as a run judged it; equal fingerprints mean equal content."""

    tenant_id: str
    items: tuple[ClosingItem, ...]
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
    rows = client.query(_JUDGED, parameters=parameters).result_rows
    label = f"{month:%Y-%m}"
    return {
        tenant_id: _judgement(tenant_id, label, list(own))
        for tenant_id, own in groupby(rows, key=itemgetter(0))
    }


def _judgement(tenant_id: str, month: str, rows: list[tuple[Any, ...]]) -> Judgement:
    # Of a month without parts the digest is what it was before there were any.
    content = [row[1:-1] if row[-1] == _WHOLE else row[1:] for row in rows]
    digest = blake2b(repr(content).encode(), digest_size=16)
    return Judgement(tenant_id, tuple(_item(row, month) for row in rows), digest.hexdigest())


def _item(row: tuple[Any, ...], month: str) -> ClosingItem:
    # The columns come from our own query: checking 300,000 of them again would take seconds.
    fields = dict(zip(_COLUMNS, row, strict=True))
    fields["target"] = _without_zeros(row[_TARGET])
    fields["parts"] = () if row[-1] == _WHOLE else _PARTS.validate_json(row[-1])
    return ClosingItem.model_construct(month=month, **fields)


@lru_cache(maxsize=4096)
def _without_zeros(value: Decimal | None) -> Decimal | None:
    return None if value is None else Decimal(f"{value.normalize():f}")
