"""``sla.windows`` → rows, column by column: the one result topic with many records."""

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pajson

from mailsla.schemas.codec.identifiers import TENANT_PATTERN
from mailsla.schemas.codec.instants import UTC_MICROS, parse_instants
from mailsla.sinks.ddl.model_columns import ModelColumn
from mailsla.sinks.ddl.results import WINDOW_COLUMNS

_WIRE: Final = pa.schema(
    [
        pa.field(column.name, pa.string() if column.arrow == UTC_MICROS else column.arrow)
        for column in WINDOW_COLUMNS
    ]
)
_TENANT: Final = re.compile(TENANT_PATTERN)
SCHEMA: Final = pa.schema([pa.field(column.name, column.arrow) for column in WINDOW_COLUMNS])


def read_windows(values: Sequence[bytes]) -> pa.Table | None:
    """One row per record, or None where some record needs a closer look."""
    joined = b"\n".join(values)
    # Framed by braces and without NUL, records cannot run into each other: JSON has neither a raw
    # newline in a string nor } before { in an object, so one that is not whole fails the reading,
    # and an equal count is one row each. NaN is no JSON, but would be read.
    framed = all(value[:1] == b"{" and value[-1:] == b"}" for value in values)
    if not framed or b"\0" in joined or b"NaN" in joined or b"Inf" in joined:
        return None
    try:
        joined.decode()
        table = pajson.read_json(
            pa.BufferReader(joined),
            read_options=pajson.ReadOptions(use_threads=False, block_size=len(joined) + 1),
            parse_options=pajson.ParseOptions(
                explicit_schema=_WIRE, unexpected_field_behavior="ignore"
            ),
        )
        if table.num_rows != len(values):
            return None
        arrays = [
            _checked(column, _completed(column, table.column(column.name), joined))
            for column in WINDOW_COLUMNS
        ]
    except (pa.ArrowException, UnicodeDecodeError, _DoubtError):
        return None
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


class _DoubtError(Exception):
    """A column holds something its model may refuse."""


def _allowed(column: ModelColumn, text: str) -> bool:
    if column.choices is not None:
        return text in column.choices
    return _TENANT.fullmatch(text) is not None


def _completed(column: ModelColumn, values: pa.ChunkedArray, joined: bytes) -> pa.ChunkedArray:
    """The column with its default in records that do not name it.

    A null that is written out is no missing field, and a name may be written with escapes: both
    are left to the model. As often named as present, it is nowhere null.
    """
    if column.default is None or not values.null_count:
        return values
    if joined.count(b'"%s"' % column.name.encode()) != len(values) - values.null_count:
        return values
    return values if b"\\" in joined else values.fill_null(column.default)


def _checked(column: ModelColumn, values: pa.ChunkedArray) -> pa.ChunkedArray:
    if column.required and values.null_count:
        raise _DoubtError(column.name)
    if column.least is not None and pc.any(pc.less(values, column.least)).as_py():
        raise _DoubtError(column.name)
    if column.choices is not None or column.name == "tenant_id":
        distinct = values.unique().drop_null().to_pylist()
        if not all(_allowed(column, text) for text in distinct):
            raise _DoubtError(column.name)
    if column.arrow != UTC_MICROS:
        return values
    texts = values.combine_chunks()
    present = np.asarray(texts.is_valid())
    instants, good = parse_instants(texts, present)
    if not np.array_equal(good, present):
        raise _DoubtError(column.name)
    return pa.chunked_array([instants])
