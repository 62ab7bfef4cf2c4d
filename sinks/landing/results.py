"""Result topics → rows of their tables. What does not parse is left out and counted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
from pydantic import BaseModel, ValidationError

from mailsla.schemas import topics
from mailsla.schemas.calendars import WorkingCalendar
from mailsla.schemas.codec.instants import LATEST_US, UTC_MICROS
from mailsla.schemas.codec.sentences import sentence
from mailsla.schemas.contract import Contract
from mailsla.schemas.results import BreachData, BreachEvent, DeadLetter, Outage, Status, Window
from mailsla.sinks.ddl import results as ddl
from mailsla.sinks.ddl.model_columns import EXACT_ARROW, ModelColumn
from mailsla.sinks.ddl.table import Table
from mailsla.sinks.landing.batch import LandingBatch, Rows, with_coordinates
from mailsla.sinks.landing.windows import read_windows

_QUANTUM: Final = Decimal(1).scaleb(-EXACT_ARROW.scale)
_SPLIT_BELOW: Final = 64
"""Batches that do not parse as a whole are halved down to this many records."""

Row = dict[str, Any]


@dataclass(frozen=True)
class ResultKind:
    """How one result topic becomes rows: a reader per record, and one for many where it pays."""

    table: Table
    columns: tuple[ModelColumn, ...]
    read: Callable[[bytes], Row]
    read_many: Callable[[Sequence[bytes]], pa.Table | None] | None = None

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the rows."""
        return pa.schema([pa.field(column.name, column.arrow) for column in self.columns])


def _plain(model: type[BaseModel]) -> Callable[[bytes], Row]:
    """A reader of records that are the model, fields of a newer release left out."""

    def read(value: bytes) -> Row:
        return model.model_validate(_known(model, _document(value))).model_dump()

    return read


def _document(value: bytes) -> Row:
    document = orjson.loads(value)
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - refused like any bad record
    return document


def _known(model: type[BaseModel], document: Row) -> Row:
    return {name: value for name, value in document.items() if name in model.model_fields}


def _read_breach(value: bytes) -> Row:
    document = _known(BreachEvent, _document(value))
    if isinstance(document.get("data"), dict):
        document["data"] = _known(BreachData, document["data"])
    event = BreachEvent.model_validate(document)
    return {**event.model_dump(), **event.data.model_dump(), "document": value.decode()}


def _read_contract(value: bytes) -> Row:
    contract = Contract.model_validate_json(value)
    fee = contract.monthly_fee
    return {
        **contract.model_dump(exclude={"monthly_fee", "profile", "overrides"}),
        "monthly_fee": None if fee is None else fee.amount,
        "currency": None if fee is None else fee.currency,
        "profile": contract.profile.label,
        "document": contract.model_dump_json(),
    }


def _read_calendar(value: bytes) -> Row:
    calendar = WorkingCalendar.model_validate_json(value)
    return {
        "calendar": calendar.calendar,
        "version": calendar.version,
        "week": calendar.week,
        "document": calendar.model_dump_json(),
    }


RESULT_KINDS: Final[Mapping[str, ResultKind]] = {
    topics.WINDOWS.name: ResultKind(ddl.WINDOWS, ddl.WINDOW_COLUMNS, _plain(Window), read_windows),
    topics.OUTAGES.name: ResultKind(ddl.OUTAGES, ddl.OUTAGE_COLUMNS, _plain(Outage)),
    topics.BREACHES.name: ResultKind(ddl.BREACHES, ddl.BREACH_COLUMNS, _read_breach),
    topics.STATUS.name: ResultKind(ddl.STATUS, ddl.STATUS_COLUMNS, _plain(Status)),
    topics.CONTRACTS.name: ResultKind(ddl.CONTRACTS, ddl.CONTRACT_COLUMNS, _read_contract),
    topics.CALENDARS.name: ResultKind(ddl.CALENDARS, ddl.CALENDAR_COLUMNS, _read_calendar),
    topics.DEAD_LETTERS.name: ResultKind(
        ddl.DEAD_LETTERS, ddl.DEAD_LETTER_COLUMNS, _plain(DeadLetter)
    ),
}
"""result topic → how it lands."""


@dataclass
class _Sorter:
    """Collects the rows of a batch, in record order, and what was refused."""

    kind: ResultKind
    tables: list[pa.Table] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    rejected: dict[int, str] = field(default_factory=dict)

    def add(self, positions: list[int], values: list[bytes]) -> None:
        """Read the records; in halves where they do not read as a whole."""
        if not values:
            return
        table = self.kind.read_many(values) if self.kind.read_many else None
        if table is not None:
            self.tables.append(table)
            self.positions += positions
        elif self.kind.read_many and len(values) > _SPLIT_BELOW:
            middle = len(values) // 2
            self.add(positions[:middle], values[:middle])
            self.add(positions[middle:], values[middle:])
        else:
            self._one_by_one(positions, values)

    def _one_by_one(self, positions: list[int], values: list[bytes]) -> None:
        rows: list[Row] = []
        good: list[int] = []
        for position, value in zip(positions, values, strict=True):
            try:
                row = _storable(self.kind, self.kind.read(value))
            except (ValueError, ArithmeticError, pa.ArrowException) as error:
                self.rejected[position] = _reason(error)
            else:
                rows.append(row)
                good.append(position)
        self.tables.append(pa.Table.from_pylist(rows, schema=self.kind.schema))
        self.positions += good


def _storable(kind: ResultKind, row: Row) -> Row:
    """The row as the table can hold it; raises where a number does not fit its column."""
    for column in kind.columns:
        value = row[column.name]
        if isinstance(value, Decimal):
            row[column.name] = value.quantize(_QUANTUM, rounding=ROUND_HALF_EVEN)
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ValueError(f"{column.name} does not fit 64 bits")
    return row


def _reason(error: Exception) -> str:
    """Why a record was refused, without its content."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {sentence(first)}"
    if isinstance(error, InvalidOperation):
        return "a number has too many digits"
    return str(error).splitlines()[0]


def decode_results(batch: LandingBatch, recorded_us: npt.NDArray[np.int64] | None = None) -> Rows:
    """The records' rows of the topic's table.

    Args:
        batch: what was fetched.
        recorded_us: when each was recorded, µs since 1970; by default as Kafka tells.

    """
    kind = RESULT_KINDS[batch.topic]
    present = [i for i, value in enumerate(batch.values) if value is not None]
    sorter = _Sorter(kind)
    sorter.add(present, [value for value in batch.values if value is not None])
    taken = np.asarray(sorter.positions, dtype=np.int64)
    rows = pa.concat_tables(sorter.tables) if sorter.tables else kind.schema.empty_table()
    told = batch.timestamps_us if recorded_us is None else recorded_us
    stamps = np.maximum(told[taken], 0)
    rows = rows.append_column("recorded_at", pa.array(stamps).cast(UTC_MICROS))
    if "offset" not in rows.schema.names:
        rows = with_coordinates(rows, batch.topic, batch.partition, batch.offsets[taken])
    return Rows(
        table=kind.table.name,
        rows=rows,
        rejected=len(sorter.rejected),
        tombstones=len(batch.values) - len(present),
        complaint=_complaint(batch, sorter.rejected),
    )


def unreadable_rows(batch: LandingBatch) -> Rows:
    """Dead letters of the batches of the log that cannot be read.

    The workers that read the same topic publish them too: they collapse into one row. Of topics
    that only land here nobody else would tell.
    """
    kind = RESULT_KINDS[topics.DEAD_LETTERS.name]
    stamps = np.clip(batch.timestamps_us, 0, LATEST_US - 1)
    rows = [
        {
            "topic": batch.topic,
            "partition": batch.partition,
            "offset": int(offset),
            "reason": batch.unreadable[int(offset)],
            "field": None,
            "received_at": int(stamp),
            "value_b64": "",
        }
        for offset, stamp in zip(batch.offsets, stamps, strict=True)
        if int(offset) in batch.unreadable
    ]
    table = pa.Table.from_pylist(rows, schema=kind.schema)
    return Rows(kind.table.name, table.append_column("recorded_at", table.column("received_at")))


def _complaint(batch: LandingBatch, rejected: Mapping[int, str]) -> str | None:
    if not rejected:
        return None
    first = min(rejected)
    return (
        f"{len(rejected)} records of {batch.topic}/{batch.partition} could not be read and were "
        f"left out; the first is at offset {batch.offsets[first]}: {rejected[first]}"
    )
