"""Joined records to Arrow columns: one row per record, or the record takes no part.

Joining is safe because every record that takes part begins with ``{``, ends with ``}`` and has
no NUL: such a record is either whole, or makes the whole parse fail at the newline (JSON has
neither a raw newline inside a string nor ``}`` followed by ``{`` inside an object). So every
record yields at least one row, and an equal count means one row each: rows cannot shift
against offsets.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.json as pajson

from mailsla.schemas.codec.columns import columns

Positions = npt.NDArray[np.int64]

MAX_JOINED_BYTES: Final = 4096
"""Longer records are decided alone: the reference also bounds the digits of a number (4,300)."""

_OPEN, _CLOSE = b"{}"
_OPEN_LIST: Final = ord("[")
_BRACKETS: Final = 100
"""Records with more brackets are decided alone: the reference bounds the depth (200)."""
_PIECE: Final = 256
"""Records parsed at once where the whole did not parse."""

# The parser takes these for numbers, JSON does not; inside a string they mostly follow a quote
# or a letter, so that a recipient Info@… does not look like one.
_NOT_A_NUMBER: Final = re.compile(rb"[\s:,\[-](?:NaN|Inf)")
_WORDS: Final = (b"NaN", b"Inf")

_WIRE_TYPES: Final[Mapping[str, pa.DataType]] = {
    "integer": pa.int64(),
    "real": pa.float64(),
    "flag": pa.bool_(),
    "sections": pa.list_(pa.int64()),
}
_PYTHON_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "integer": (int,),
    "real": (int, float),
    "flag": (bool,),
    "sections": (),  # rare, hence always decided alone
}


def parse(topic: str, values: Sequence[bytes | None]) -> tuple[pa.Table, Positions]:
    """Parse the records that can be parsed together.

    Returns:
        The fields of the topic as they stand in the records (times and amounts still text),
        one row per record that took part, and the position of each row's record in ``values``.

    """
    schema = _wire_schema(topic)
    positions, records = _joinable(values)
    joined = b"\n".join(records)
    if _odd(joined, len(records)):
        positions, records = _select(positions, records, [not _odd(v, 1) for v in records])
        joined = b"\n".join(records)
    table = _read(joined, len(records), schema)
    if table is not None:
        return table, positions
    plausible = [_plausible(topic, record) for record in records]
    positions, records = _select(positions, records, plausible)
    table = _read(b"\n".join(records), len(records), schema)
    if table is not None:
        return table, positions
    return _piecewise(positions, records, schema)


def _joinable(values: Sequence[bytes | None]) -> tuple[Positions, Sequence[bytes]]:
    chosen = [
        i
        for i, value in enumerate(values)
        if value and value[0] == _OPEN and value[-1] == _CLOSE and len(value) <= MAX_JOINED_BYTES
    ]
    records = values if len(chosen) == len(values) else [values[i] for i in chosen]
    positions = np.asarray(chosen, dtype=np.int64)
    return positions, records  # type: ignore[return-value]  # no None is chosen


def _select(
    positions: Positions, records: Sequence[bytes], wanted: Sequence[bool]
) -> tuple[Positions, Sequence[bytes]]:
    kept = [record for record, want in zip(records, wanted, strict=True) if want]
    return positions[np.asarray(wanted, dtype=np.bool_)], kept


def _odd(data: bytes, records: int) -> bool:
    """Whether the parser might read this text otherwise than the reference."""
    text = np.frombuffer(data, dtype=np.uint8)
    return bool(
        b"\0" in data
        # An opening bracket of either kind: they differ by one bit.
        or np.count_nonzero((text | (_OPEN ^ _OPEN_LIST)) == _OPEN) > records + _BRACKETS
        or (any(_holds(text, word) for word in _WORDS) and _NOT_A_NUMBER.search(data) is not None)
        or not _is_utf8(data)
    )


def _holds(text: npt.NDArray[np.uint8], word: bytes) -> bool:
    """Whether a word stands in a text; faster than Python's search for a short one."""
    places = np.flatnonzero(text[: max(0, len(text) - len(word) + 1)] == word[0])
    for further, letter in enumerate(word[1:], 1):
        places = places[text[places + further] == letter]
    return len(places) > 0


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _read(joined: bytes, count: int, schema: pa.Schema) -> pa.Table | None:
    """One row per record, or None where the joined text does not parse as exactly that."""
    if not count:
        return schema.empty_table()
    try:
        table = pajson.read_json(
            pa.BufferReader(joined),
            read_options=pajson.ReadOptions(use_threads=False, block_size=len(joined) + 1),
            parse_options=pajson.ParseOptions(
                explicit_schema=schema, unexpected_field_behavior="ignore"
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    return table.combine_chunks() if table.num_rows == count else None


def _piecewise(
    positions: Positions, records: Sequence[bytes], schema: pa.Schema
) -> tuple[pa.Table, Positions]:
    """Parse in pieces, so that one record nobody suspected costs its neighbours only."""
    tables, kept = [schema.empty_table()], [positions[:0]]
    for start in range(0, len(records), _PIECE):
        piece = records[start : start + _PIECE]
        table = _read(b"\n".join(piece), len(piece), schema)
        if table is not None:
            tables.append(table)
            kept.append(positions[start : start + _PIECE])
    return pa.concat_tables(tables).combine_chunks(), np.concatenate(kept)


def _plausible(topic: str, value: bytes) -> bool:
    """Whether the columnar parser can be expected to take this record."""
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError:
        return False
    expected = _expected_types(topic)
    for name, given in document.items():
        kinds = expected.get(name)
        if kinds is None or given is None:
            continue
        if type(given) not in kinds:
            return False
        if kinds == (int,) and not -(2**63) <= given < 2**63:
            return False
    return True


@cache
def _wire_schema(topic: str) -> pa.Schema:
    return pa.schema(
        [
            pa.field(column.name, _WIRE_TYPES.get(column.kind, pa.string()))
            for column in columns(topic)
        ]
    )


@cache
def _expected_types(topic: str) -> Mapping[str, tuple[type, ...]]:
    return {column.name: _PYTHON_TYPES.get(column.kind, (str,)) for column in columns(topic)}
