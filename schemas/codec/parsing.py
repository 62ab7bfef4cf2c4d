"""Records to Arrow columns: one row per record that can be read for certain.

Each record is read by itself, straight into the fields of its topic, so that none can have a part
in what becomes of another. The plain records of topics without fractions, such as the mail's, are
read by what is compiled (`mailsla.schemas.compiled`), all others by a typed reader. That is strict
about JSON and types, but passes over what no field asks for without a look at its text; what it
might take and the reference not takes no part.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from msgspec.structs import astuple

from mailsla.schemas.codec.columns import columns
from mailsla.schemas.compiled import texts

Positions = npt.NDArray[np.int64]

_MOST_BYTES: Final = 4_096
"""Longer records are decided alone: the reference also bounds the digits of a number (4,300)."""
_FLAT_BYTES: Final = 400
"""A record of fewer has no room for the depth that the reference refuses (200)."""
_MOST_BRACKETS: Final = 100
"""The same of one that has no more opening brackets."""

_AT_ONCE: Final = 500
_WIRE_TYPES: Final[Mapping[str, pa.DataType]] = {
    "integer": pa.int64(),
    "real": pa.float64(),
    "flag": pa.bool_(),
    "sections": pa.list_(pa.int64()),
}
_INT64: Final = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_FIELDS: Final[Mapping[str, Any]] = {
    "integer": _INT64 | None,
    "real": float | None,
    "flag": bool | None,
    "sections": None,  # rare, hence always decided alone
}

_COMPILED_KINDS: Final = frozenset({"text", "choice", "instant", "money", "integer"})

_Read = Callable[[bytes], msgspec.Struct]


def parse(topic: str, values: Sequence[bytes | None]) -> tuple[pa.Table, Positions]:
    """Parse the records that can be read for certain.

    Returns:
        The fields of the topic as they stand in the records (times and amounts still text),
        one row per record that took part, and the position of each row's record in ``values``.

    """
    compiled = _compiled(topic)
    if compiled is None:
        return _typed(topic, values)
    arrays, places = compiled.read(list(values), _MOST_BYTES)
    table = pa.Table.from_arrays(arrays, schema=_wire_schema(topic))
    positions = np.frombuffer(places, dtype=np.int64)
    if len(positions) == len(values):
        return table, positions
    # What has an escape, say, is no less good.
    left = np.setdiff1d(np.arange(len(values)), positions, assume_unique=True)
    others, of_left = _typed(topic, [values[place] for place in left.tolist()])
    positions = np.concatenate([positions, left[of_left]])
    order = np.argsort(positions)
    return pa.concat_tables([table, others]).take(pa.array(order)), positions[order]


def _typed(topic: str, values: Sequence[bytes | None]) -> tuple[pa.Table, Positions]:
    read = _reader(topic)
    try:
        if _are_plain(values):
            rows = map(read, values)  # type: ignore[arg-type]  # none is None
            return _columns(topic, rows), np.arange(len(values))
    except (msgspec.MsgspecError, RecursionError):
        pass  # which one it is shows one by one
    found = list(_one_by_one(read, values))
    positions = np.array([position for position, _ in found], dtype=np.int64)
    return _columns(topic, (row for _, row in found)), positions


def _are_plain(values: Sequence[bytes | None]) -> bool:
    """Whether nothing about any of the records wants a closer look."""
    return (
        None not in values
        and max(map(len, values), default=0) < _FLAT_BYTES  # type: ignore[arg-type]  # see above
        and all(map(bytes.isascii, values))  # type: ignore[arg-type]  # the same
    )


def _one_by_one(
    read: _Read, values: Sequence[bytes | None]
) -> Iterator[tuple[int, msgspec.Struct]]:
    for position, value in enumerate(values):
        if value is not None and _is_sure(value):
            try:
                yield position, read(value)
            except (msgspec.MsgspecError, RecursionError):
                continue


def _is_sure(value: bytes) -> bool:
    """Whether the reader cannot take what the reference refuses, in parts that nobody asks for."""
    if len(value) >= _FLAT_BYTES and (
        len(value) > _MOST_BYTES or value.count(b"[") + value.count(b"{") > _MOST_BRACKETS
    ):
        return False
    if value.isascii():
        return True
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _columns(topic: str, rows: Iterator[msgspec.Struct]) -> pa.Table:
    schema = _wire_schema(topic)
    found: list[list[Any]] = [[] for _ in schema]
    # Turned around a few at a time: all at once they would not stay in the processor's cache.
    while some := list(islice(rows, _AT_ONCE)):
        for column, values in zip(found, zip(*map(astuple, some), strict=True), strict=True):
            column.extend(values)
    arrays = map(pa.array, found, schema.types)
    return pa.Table.from_arrays(list(arrays), schema=schema)


@cache
def _wire_schema(topic: str) -> pa.Schema:
    return pa.schema(
        [
            pa.field(column.name, _WIRE_TYPES.get(column.kind, pa.string()))
            for column in columns(topic)
        ]
    )


@cache
def _compiled(topic: str) -> "texts.Reader | None":
    """Reads plain records of a topic, if that is compiled and knows the kinds of its fields."""
    fields = columns(topic)
    if texts is None or any(column.kind not in _COMPILED_KINDS for column in fields):
        return None
    names = [column.name.encode() for column in fields]
    return texts.Reader(names, [column.kind == "integer" for column in fields])


@cache
def _reader(topic: str) -> _Read:
    """Reads a record into an object with the fields of its topic; raises where one is not of it."""
    fields = [
        (column.name, _FIELDS.get(column.kind, str | None), None) for column in columns(topic)
    ]
    read: _Read = msgspec.json.Decoder(msgspec.defstruct("Record", fields, gc=False)).decode
    return read
