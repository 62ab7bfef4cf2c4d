"""Whole batches at a time: records to an Arrow table, with no Python object per good event.

A batch is parsed as one newline-joined document and checked column by column. A row the checks
cannot vouch for is decided by `schemas.codec`, alone: the columnar path may send too much
there, and must never accept what it refuses.

Joining is safe because every record that takes part begins with ``{`` and ends with ``}``: such
a record is either whole, or makes the whole parse fail at the newline (JSON has neither a raw
newline inside a string nor ``}`` followed by ``{`` inside an object). So every record yields at
least one row, and an equal count means one row each: rows cannot shift against offsets.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pajson

from schemas.codec import EARLIEST_EVENT, SKEW_CAP, Rejection, decode_event
from schemas.columns import UTC_MICROS, Column, Rule, arrow_schema, columns
from schemas.envelope import MAX_EVENT_BYTES
from schemas.identifiers import EARLIEST, LATEST, PLATFORM, RFC3339, parse_instant
from schemas.registry import EVENT_TYPES

Mask = npt.NDArray[np.bool_]

_WIRE_TYPES: Final[Mapping[str, pa.DataType]] = {
    "integer": pa.int64(),
    "real": pa.float64(),
    "flag": pa.bool_(),
    "sections": pa.list_(pa.int64()),
}
_COLUMNAR_KINDS: Final = frozenset({"text", "choice", "instant", "integer", "real", "flag"})
_PYTHON_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "integer": (int,),
    "real": (int, float),
    "flag": (bool,),
}
_SECOND_COLON: Final = 16
_SHORTEST_INSTANT: Final = 20


def micros(moment: datetime) -> int:
    """Microseconds since 1970 of an aware time, exactly."""
    delta = moment - EARLIEST
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


_EARLIEST_EVENT_US: Final = micros(EARLIEST_EVENT)
_LATEST_US: Final = micros(LATEST)
_SKEW_CAP_US: Final = micros(EARLIEST + SKEW_CAP)


@dataclass(frozen=True)
class Decoded:
    """A decoded batch.

    ``table`` holds the accepted events in record order, ``rows[i]`` is the position in the batch
    of table row i. ``rejections`` maps the position of each refused record to the reason;
    ``tombstones`` counts records without a value, which are ignored.
    """

    table: pa.Table
    rows: npt.NDArray[np.int64]
    rejections: Mapping[int, Rejection] = field(default_factory=dict)
    tombstones: int = 0


def decode_batch(
    topic: str, values: Sequence[bytes | None], broker_times_us: npt.NDArray[np.int64]
) -> Decoded:
    """Decode the records of one event topic.

    Args:
        topic: name of an event topic.
        values: record values in offset order; ``None`` is a tombstone.
        broker_times_us: when the broker received each record, µs since 1970, same length.

    """
    joinable = [i for i, value in enumerate(values) if value and _joinable(value)]
    whole = len(joinable) == len(values)
    candidates = values if whole else [values[i] for i in joinable]
    parsed, kept = _parse(topic, candidates)  # type: ignore[arg-type]
    positions = np.arange(len(values)) if whole else np.asarray(joinable, dtype=np.int64)
    if kept is not None:
        positions = positions[kept]
    table, clean = _check(topic, parsed, broker_times_us[positions])
    fast_rows = positions[clean]
    if not clean.all():
        table = table.filter(pa.array(clean))
    if len(fast_rows) == len(values):
        return Decoded(table, fast_rows)
    doubtful = np.setdiff1d(np.arange(len(values)), fast_rows, assume_unique=True)
    return _settle(topic, values, broker_times_us, (table, fast_rows), doubtful)


def _joinable(value: bytes) -> bool:
    return value[0] == 0x7B and value[-1] == 0x7D and len(value) <= MAX_EVENT_BYTES


def _wire_schema(topic: str) -> pa.Schema:
    return pa.schema(
        [
            pa.field(column.name, _WIRE_TYPES.get(column.kind, pa.string()))
            for column in columns(topic)
        ]
    )


def _parse(topic: str, values: Sequence[bytes]) -> tuple[pa.Table, npt.NDArray[np.int64] | None]:
    """Parse joined records; on failure parse again without the records that look odd alone."""
    schema = _wire_schema(topic)
    table = _read(values, schema)
    if table is not None:
        return table, None
    plausible = np.flatnonzero(
        np.fromiter((_plausible(topic, value) for value in values), np.bool_, len(values))
    )
    table = _read([values[i] for i in plausible.tolist()], schema)
    if table is not None:
        return table, plausible
    return schema.empty_table(), plausible[:0]


def _read(values: Sequence[bytes], schema: pa.Schema) -> pa.Table | None:
    """One row per record, or None where the joined text does not parse as exactly that."""
    if not values:
        return schema.empty_table()
    joined = b"\n".join(values)
    # The parser takes NaN and Infinity for numbers; JSON knows neither.
    if b"NaN" in joined or b"Inf" in joined or not _is_utf8(joined):
        return None
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
    return table.combine_chunks() if table.num_rows == len(values) else None


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _plausible(topic: str, value: bytes) -> bool:
    """Whether the columnar parser can be expected to take this record."""
    if b"NaN" in value or b"Inf" in value:
        return False
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


def _expected_types(topic: str) -> Mapping[str, tuple[type, ...]]:
    cached = _EXPECTED.get(topic)
    if cached is None:
        cached = {
            column.name: _PYTHON_TYPES.get(
                column.kind, (list,) if column.kind == "sections" else (str,)
            )
            for column in columns(topic)
        }
        _EXPECTED[topic] = cached
    return cached


_EXPECTED: Final[dict[str, Mapping[str, tuple[type, ...]]]] = {}


class _Checker:
    """Column-wise checks of one parsed batch; collects which rows are certainly good."""

    def __init__(
        self, topic: str, parsed: pa.Table, broker_times_us: npt.NDArray[np.int64]
    ) -> None:
        self.parsed = parsed
        self.clean: Mask = np.ones(parsed.num_rows, dtype=np.bool_)
        self.names = list(EVENT_TYPES[topic])
        self.codes = self._type_codes()
        self.clean &= self.codes >= 0
        self.latest_us = broker_times_us + _SKEW_CAP_US
        self.instants: dict[str, npt.NDArray[np.int64]] = {}
        self.present: dict[str, Mask] = {}

    def _type_codes(self) -> npt.NDArray[np.int64]:
        encoded = _combined(self.parsed, "type").dictionary_encode()
        lookup = {name: code for code, name in enumerate(self.names)}
        table = np.array(
            [lookup.get(name, -1) for name in encoded.dictionary.to_pylist()] + [-1], dtype=np.int64
        )
        return table[_numpy(encoded.indices, len(table) - 1)]

    def of_types(self, names: Iterable[str]) -> Mask:
        """Rows of the given event types."""
        wanted = np.zeros(len(self.names) + 1, dtype=np.bool_)
        for name in names:
            wanted[self.names.index(name)] = True
        return wanted[self.codes]

    def column(self, column: Column) -> pa.Array:
        """The checked column: nulls where the type has no such field, defaults filled in."""
        values = _combined(self.parsed, column.name)
        present = _valid(values)
        if len(column.rules) < len(self.names):
            carried = self.of_types(column.rules)
            if (present & ~carried).any():
                present = present & carried
                values = pc.if_else(pa.array(present), values, pa.scalar(None, values.type))
        for rule, types in _by_rule(column).items():
            scope = self.of_types(types) if len(types) < len(self.names) else None
            self._apply(column, rule, values, present, scope)
        if column.kind == "instant":
            values = self._instants(column.name, values, present)
        else:
            values = self._defaults(column, values, present)
        self.present[column.name] = present
        return values

    def _apply(
        self, column: Column, rule: Rule, values: pa.Array, present: Mask, scope: Mask | None
    ) -> None:
        good = np.ones(len(present), dtype=np.bool_)
        if column.kind in {"text", "choice"}:
            good &= _text_ok(values, rule)
        elif column.kind in {"integer", "real"}:
            good &= _number_ok(values, rule)
        elif column.kind not in _COLUMNAR_KINDS:
            good &= False  # rare kinds are left to the reference
        good |= ~present
        if rule.required:
            good &= present
        self.clean &= good if scope is None else (good | ~scope)

    def _defaults(self, column: Column, values: pa.Array, present: Mask) -> pa.Array:
        for rule, types in _by_rule(column).items():
            if rule.default is not None and not present.all():
                gap = ~present & self.of_types(types)
                if gap.any():
                    filler = pa.scalar(rule.default, values.type)
                    values = pc.if_else(pa.array(gap), filler, values)
        return values

    def _instants(self, name: str, values: pa.Array, present: Mask) -> pa.Array:
        stamps, good = _parse_instants(values, present)
        self.clean &= good | ~present
        self.instants[name] = _numpy(stamps.cast(pa.int64()), 0)
        return stamps

    def across(self, topic: str) -> None:
        """Rules that span fields, and the bounds of the event time."""
        time = self.instants["time"]
        self.clean &= (time >= _EARLIEST_EVENT_US) & (time <= self.latest_us)
        for code, (_, model) in enumerate(EVENT_TYPES[topic].items()):
            for earlier, later in model.in_order:
                both = (self.codes == code) & self.present[earlier] & self.present[later]
                self.clean &= ~both | (self.instants[earlier] <= self.instants[later])
        own = [name for name, model in EVENT_TYPES[topic].items() if not model.platform_allowed]
        if own:
            platform = _numpy_bool(pc.equal(_combined(self.parsed, "tenant_id"), PLATFORM))
            self.clean &= ~(platform & self.of_types(own))


def _check(
    topic: str, parsed: pa.Table, broker_times_us: npt.NDArray[np.int64]
) -> tuple[pa.Table, Mask]:
    """Check parsed columns; the table in the topic's schema and which rows are certainly good."""
    schema = arrow_schema(topic)
    if parsed.num_rows == 0:
        return schema.empty_table(), np.ones(0, dtype=np.bool_)
    checker = _Checker(topic, parsed, broker_times_us)
    checked = []
    for column in columns(topic):
        values = checker.column(column)
        if column.kind not in _COLUMNAR_KINDS:
            values = pa.nulls(parsed.num_rows, column.arrow)
        checked.append(values)
    checker.across(topic)
    return pa.Table.from_arrays(checked, schema=schema), checker.clean


def _by_rule(column: Column) -> dict[Rule, list[str]]:
    grouped: dict[Rule, list[str]] = {}
    for name, rule in column.rules.items():
        grouped.setdefault(rule, []).append(name)
    return grouped


def _text_ok(values: pa.Array, rule: Rule) -> Mask:
    """Certainly allowed texts; bytes bound characters from above, so this errs to doubt."""
    if rule.choices is None and rule.pattern is None:
        size = _numpy(pc.binary_length(values), 0)
        return (size >= (rule.min_length or 0)) & (size <= (rule.max_length or MAX_EVENT_BYTES))
    encoded = values.dictionary_encode()
    distinct = encoded.dictionary
    if rule.choices is not None:
        verdicts = [text in rule.choices for text in distinct.to_pylist()]
    else:
        matched = pc.match_substring_regex(distinct, str(rule.pattern))
        # In the regular expression `$` would also stand before a final newline elsewhere.
        verdicts = [
            bool(ok) and not text.endswith("\n")
            for ok, text in zip(matched.to_pylist(), distinct.to_pylist(), strict=True)
        ]
    return np.array([*verdicts, False], dtype=np.bool_)[_numpy(encoded.indices, len(verdicts))]


def _number_ok(values: pa.Array, rule: Rule) -> Mask:
    numbers = _numpy(values, 0)
    good = np.ones(len(numbers), dtype=np.bool_)
    if rule.at_least is not None:
        good &= numbers >= rule.at_least
    if rule.above is not None:
        good &= numbers > rule.above
    if rule.at_most is not None:
        good &= numbers <= rule.at_most
    return good


def _parse_instants(values: pa.Array, present: Mask) -> tuple[pa.Array, Mask]:
    """RFC 3339 texts to UTC times; unreadable ones become null and are not good."""
    good = present & _instant_shape(values)
    readable = values if good.all() else pc.if_else(pa.array(good), values, None)
    try:
        stamps = readable.cast(UTC_MICROS)
    except pa.ArrowInvalid:
        stamps = pa.array([_instant_or_none(text) for text in values.to_pylist()], UTC_MICROS)
        good = present & _valid(stamps)
    number = _numpy(stamps.cast(pa.int64()), 0)
    return stamps, good & (number >= 0) & (number < _LATEST_US)


def _instant_shape(values: pa.Array) -> Mask:
    """Rows with seconds, an offset with a colon or Z, by looking at single bytes.

    The cast reads shorter forms too (no seconds, ``+0800``), which the wire contract refuses.
    """
    _, offsets_buffer, data_buffer = values.buffers()
    if data_buffer is None or data_buffer.size == 0:
        return np.zeros(len(values), dtype=np.bool_)
    offsets = np.frombuffer(offsets_buffer, np.int32, len(values) + 1, values.offset * 4)
    data = np.frombuffer(data_buffer, np.uint8)
    start, size = offsets[:-1].astype(np.int64), np.diff(offsets)
    long_enough = size >= _SHORTEST_INSTANT
    start = np.where(long_enough, start, 0)
    last = np.where(long_enough, offsets[1:].astype(np.int64) - 1, 0)
    tail = np.maximum(last - 2, 0)
    return (
        long_enough
        & (data[np.minimum(start + _SECOND_COLON, len(data) - 1)] == ord(":"))
        & ((data[last] == ord("Z")) | (data[tail] == ord(":")))
    )


def _instant_or_none(text: str | None) -> datetime | None:
    if text is None or not RFC3339.match(text):
        return None
    try:
        return parse_instant(text)
    except ValueError:
        return None


def _settle(
    topic: str,
    values: Sequence[bytes | None],
    broker_times_us: npt.NDArray[np.int64],
    fast: tuple[pa.Table, npt.NDArray[np.int64]],
    doubtful: npt.NDArray[np.int64],
) -> Decoded:
    """Let the reference decide the doubtful records and put everything in record order."""
    accepted: list[dict[str, Any]] = []
    rows: list[int] = []
    rejections: dict[int, Rejection] = {}
    tombstones = 0
    for i in doubtful.tolist():
        value = values[i]
        if value is None:
            tombstones += 1
            continue
        moment = datetime.fromtimestamp(int(broker_times_us[i]) / 1e6, UTC)
        outcome = decode_event(topic, value, moment)
        if isinstance(outcome, Rejection):
            rejections[i] = outcome
        else:
            rows.append(i)
            accepted.append(outcome.model_dump())
    table, fast_rows = fast
    if not accepted:
        return Decoded(table, fast_rows, rejections, tombstones)
    settled = pa.Table.from_pylist(accepted, schema=arrow_schema(topic))
    order = np.concatenate([fast_rows, np.asarray(rows, dtype=np.int64)])
    by_record = np.argsort(order, kind="stable")
    merged = pa.concat_tables([table, settled]).take(pa.array(by_record)).combine_chunks()
    return Decoded(merged, order[by_record], rejections, tombstones)


def _combined(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _valid(values: pa.Array) -> Mask:
    if values.null_count == 0:
        return np.ones(len(values), dtype=np.bool_)
    return _numpy_bool(values.is_valid())


def _numpy(values: pa.Array, null: int) -> npt.NDArray[Any]:
    if values.null_count:
        values = values.fill_null(null)
    return np.asarray(values.to_numpy(zero_copy_only=False))


def _numpy_bool(values: pa.Array) -> Mask:
    if values.null_count:
        values = values.fill_null(False)
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.bool_)
