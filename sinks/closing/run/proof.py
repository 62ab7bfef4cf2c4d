"""Packs a revision so that it can be checked without us: rows, documents, a file that recomputes.

What is in a pack stands in `mailsla.sinks.closing.run.proof_check`, which is also one of its files.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from datetime import date
from importlib.resources import files
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from mailsla.schemas.codec.identifiers import rfc3339
from mailsla.schemas.results import Closing
from mailsla.sinks.clickhouse import Client
from mailsla.sinks.closing.errors import ClosingError
from mailsla.sinks.closing.explain.formulas import evidence_of
from mailsla.sinks.closing.measure.queries import SETTINGS
from mailsla.sinks.closing.plan.calendars import calendars_of, stored_days
from mailsla.sinks.closing.plan.contract_segments import micros, period_of
from mailsla.sinks.closing.plan.plan import make_plan
from mailsla.sinks.closing.plan.plan_store import StoredPlan, scratch_plan
from mailsla.sinks.closing.revisions.reader import Revision, contracts_of, revisions_of, whole
from mailsla.sinks.closing.views import evidence

_ROWS: Final = """
SELECT indicator, item, from_us, to_us, amount, excused, counts, note
FROM closing_{name}(
  tenant = {{judged:String}}, month = {{month:Date}}, plan = {{plan:UInt64}},
  cutoff = {{cutoff:Int64}}
)
WHERE tenant_id = {{judged:String}}
ORDER BY ALL
"""
_EVIDENCE: Final = pa.schema(
    [
        ("part", pa.int32()),
        ("indicator", pa.string()),
        ("item", pa.string()),
        ("from_us", pa.int64()),
        ("to_us", pa.int64()),
        ("amount", pa.decimal128(38, 0)),
        ("excused", pa.decimal128(38, 0)),
        ("counts", pa.bool_()),
        ("note", pa.string()),
    ]
)
_PACKED_AT: Final = (1980, 1, 1, 0, 0, 0)
"""The time of every file in the zip: the same revision gives the same bytes."""


def prove(client: Client, tenant_id: str, month: date, *, revision: int | None = None) -> bytes:
    """The proof pack of a revision (default: the last one) as a zip.

    Args:
        client: may write (the computation keeps its steps); the books are not touched.
        tenant_id: whose month.
        month: first day of the month.
        revision: its number.

    Raises:
        ClosingError: there is no such revision, or it was closed without its contracts.

    """
    chosen = _revision(client, tenant_id, month, revision)
    kept = contracts_of(client, chosen.run, [tenant_id])
    if tenant_id not in kept or chosen.closing.cutoff is None:
        raise ClosingError(
            f"Revision {chosen.number} of {tenant_id} was closed without its contracts; "
            "close the month again."
        )
    plan = make_plan(month, kept, kept, calendars_of(client, chosen.run))
    for failure in plan.failures:
        raise ClosingError(f"{failure}.")
    with scratch_plan(client, plan) as stored:
        rows = _evidence(client, stored, tenant_id, micros(chosen.closing.cutoff))
    (closing,) = whole(client, [chosen])
    documents = {
        "items.json": [item.model_dump(mode="json") for item in closing.items],
        "period.json": [_period(row) for row in plan.tenants],
        "credits.json": [credit.model_dump(mode="json") for credit in closing.credits],
        "contracts.json": [each.model_dump(mode="json") for each in kept[tenant_id]],
        "calendar.json": {
            name: {day.isoformat(): works for day, works in sorted(days.items())}
            for name, days in sorted(stored_days(client, chosen.run).items())
        },
        "revision.json": _head(closing)
        | {"stacking": period_of(tenant_id, kept[tenant_id], month).contract.profile.stacking},
    }
    packed = {name: _text(document) for name, document in documents.items()}
    packed["evidence.parquet"] = _parquet(rows)
    packed["check.py"] = files("mailsla.sinks.closing.run").joinpath("proof_check.py").read_bytes()
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in packed.items()}
    return _zip({**packed, "files.json": _text(digests)})


def _revision(client: Client, tenant_id: str, month: date, number: int | None) -> Revision:
    for each in reversed(revisions_of(client, month, [tenant_id])):
        if number in {None, each.number}:
            return each
    raise ClosingError(
        f"{tenant_id} has no revision {number or ''} of {month:%Y-%m}; close the month first."
    )


def _evidence(
    client: Client, plan: StoredPlan, tenant_id: str, cutoff_us: int
) -> list[dict[str, Any]]:
    """The rows of every indicator, of the month and of each of its parts."""
    found = []
    for row in plan.plan.tenants:
        part = row.get("part", 0)
        parameters = {
            "judged": tenant_id if part == 0 else f"{tenant_id}/{part}",
            "month": plan.plan.month,
            "plan": plan.number,
            "cutoff": cutoff_us,
        }
        judged = row.get("judges", ())
        names = {evidence_of(one) for one in judged} if part else evidence()
        for name in sorted(names):
            result = client.query(_ROWS.format(name=name), parameters=parameters, settings=SETTINGS)
            found += [
                {**each, "part": part, "counts": bool(each["counts"])}
                for each in result.named_results()
            ]
    return found


def _period(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "part": row.get("part", 0),
        "judges": row.get("judges", []),
        "length_us": row["end_us"] - row["start_us"],
        "year_days": row["year_days"],
    }


def _head(closing: Closing) -> dict[str, Any]:
    left_out = {"items", "credits"}
    return closing.model_dump(mode="json", exclude=left_out) | {
        "cutoff": None if closing.cutoff is None else rfc3339(closing.cutoff)
    }


def _text(document: object) -> bytes:
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=_EVIDENCE), out, compression="zstd")
    return out.getvalue()


def _zip(packed: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as zipped:
        for entry, content in _entries(packed):
            zipped.writestr(entry, content)
    return out.getvalue()


def _entries(packed: Mapping[str, bytes]) -> Iterator[tuple[zipfile.ZipInfo, bytes]]:
    for name in sorted(packed):
        entry = zipfile.ZipInfo(name, _PACKED_AT)
        entry.compress_type = zipfile.ZIP_DEFLATED
        yield entry, packed[name]
