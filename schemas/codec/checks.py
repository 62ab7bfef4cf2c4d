"""Column-wise checks of a parsed batch: which rows are certainly good.

They may doubt a good row, which the reference then decides; they must never vouch for a row
that the reference refuses.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mailsla.schemas.codec.columns import Column, Rule, arrow_schema, columns
from mailsla.schemas.codec.identifiers import EARLIEST, PLATFORM
from mailsla.schemas.codec.instants import Mask, micros, micros_of, parse_instants
from mailsla.schemas.codec.records import EARLIEST_EVENT, LONGEST_AHEAD, SKEW_CAP
from mailsla.schemas.envelope import MAX_EVENT_BYTES
from mailsla.schemas.registry import EVENT_TYPES

_COLUMNAR_KINDS: Final = frozenset({"text", "choice", "instant", "integer", "real", "flag"})
_EARLIEST_EVENT_US: Final = micros(EARLIEST_EVENT)
_SKEW_CAP_US: Final = micros(EARLIEST + SKEW_CAP)
_LONGEST_AHEAD_US: Final = micros(EARLIEST + LONGEST_AHEAD)
_EARLIEST_MONTH: Final = f"{EARLIEST_EVENT:%Y-%m}"


def check(
    topic: str, parsed: pa.Table, broker_times_us: npt.NDArray[np.int64]
) -> tuple[pa.Table, Mask]:
    """Check parsed columns.

    Args:
        topic: name of an event topic.
        parsed: what `mailsla.schemas.codec.parsing` read.
        broker_times_us: when the broker received each row's record, µs since 1970.

    Returns:
        The table in the topic's schema and which of its rows are certainly good.

    """
    schema = arrow_schema(topic)
    if parsed.num_rows == 0:
        return schema.empty_table(), np.ones(0, dtype=np.bool_)
    checker = _Checker(topic, parsed)
    checked = [checker.column(column) for column in columns(topic)]
    checker.bounds(broker_times_us)
    checker.across()
    return pa.Table.from_arrays(checked, schema=schema), checker.clean


class _Checker:
    """The state of checking one batch; ``clean`` narrows with every rule."""

    def __init__(self, topic: str, parsed: pa.Table) -> None:
        self.parsed = parsed
        self.models = EVENT_TYPES[topic]
        self.names = list(self.models)
        self.codes = self._type_codes()
        self.clean: Mask = self.codes >= 0
        self.instants: dict[str, npt.NDArray[np.int64]] = {}
        self.months: dict[str, pa.Array] = {}
        self.present: dict[str, Mask] = {}

    def _type_codes(self) -> npt.NDArray[np.int64]:
        encoded = _combined(self.parsed, "type").dictionary_encode()
        lookup = {name: code for code, name in enumerate(self.names)}
        codes = [lookup.get(name, -1) for name in encoded.dictionary.to_pylist()]
        return _spread(encoded.indices, np.array([*codes, -1], dtype=np.int64))

    def of_types(self, names: Iterable[str]) -> Mask:
        """Rows of the given event types."""
        wanted = np.zeros(len(self.names) + 1, dtype=np.bool_)
        for name in names:
            wanted[self.names.index(name)] = True
        return np.asarray(wanted[self.codes], dtype=np.bool_)

    def column(self, column: Column) -> pa.Array:
        """The checked column: nulls where the type has no such field, defaults filled in."""
        values = _combined(self.parsed, column.name)
        if values.null_count == len(values) and not column.has_default:
            return self._absent(column)
        present = _valid(values)
        if len(column.rules) < len(self.names) and present.any():
            carried = self.of_types(column.rules)
            if (present & ~carried).any():
                present = present & carried
                values = pc.if_else(pa.array(present), values, pa.scalar(None, values.type))
        self.present[column.name] = present
        self._apply_rules(column, values, present)
        if column.kind == "instant":
            return self._instants(column.name, values, present)
        if column.is_month and present.any():
            self.months[column.name] = values
        if column.kind not in _COLUMNAR_KINDS:
            return pa.nulls(len(values), column.arrow)
        return self._defaults(column, values, present)

    def _absent(self, column: Column) -> pa.Array:
        """The checked column where no row has the field, as is so of most in a small batch."""
        for rule, types in column.by_rule:
            if rule.required:
                self.clean &= ~self.of_types(types)
        return pa.nulls(len(self.clean), column.arrow)

    def _apply_rules(self, column: Column, values: pa.Array, present: Mask) -> None:
        anything = bool(present.any())
        encoded = _once(values.dictionary_encode)  # one for all rules, where any asks for it
        for rule, types in column.by_rule:
            if not anything and not rule.required:
                continue
            good = _allowed(column.kind, rule, values, encoded) | ~present
            if rule.required:
                good &= present
            if len(types) < len(self.names):
                good |= ~self.of_types(types)
            self.clean &= good

    def _defaults(self, column: Column, values: pa.Array, present: Mask) -> pa.Array:
        for rule, types in column.by_rule:
            if rule.default is None or present.all():
                continue
            gap = ~present & self.of_types(types)
            if gap.any():
                values = pc.if_else(pa.array(gap), pa.scalar(rule.default, values.type), values)
        return values

    def _instants(self, name: str, values: pa.Array, present: Mask) -> pa.Array:
        stamps, good = parse_instants(values, present)
        self.clean &= good | ~present
        self.instants[name] = micros_of(stamps)
        return stamps

    def bounds(self, broker_times_us: npt.NDArray[np.int64]) -> None:
        """The bounds of the event time, and of every other instant and month."""
        for name, instant in self.instants.items():
            ahead_us = _SKEW_CAP_US if name == "time" else _LONGEST_AHEAD_US
            good = (instant >= _EARLIEST_EVENT_US) & (instant <= broker_times_us + ahead_us)
            self.clean &= good | ~self.present[name]
        for name, months in self.months.items():
            latest = (broker_times_us + _LONGEST_AHEAD_US).astype("M8[us]").astype("M8[M]")
            latest = pa.array(latest.astype(str), pa.string())
            good = _mask(pc.less_equal(months, latest))
            good &= _mask(pc.greater_equal(months, _EARLIEST_MONTH))
            self.clean &= good | ~self.present[name]

    def across(self) -> None:
        """Rules that span fields."""
        for code, model in enumerate(self.models.values()):
            for earlier, later in model.in_order:
                if earlier not in self.instants or later not in self.instants:
                    continue
                both = (self.codes == code) & self.present[earlier] & self.present[later]
                self.clean &= ~both | (self.instants[earlier] <= self.instants[later])
        own = [name for name, model in self.models.items() if not model.platform_allowed]
        platform = _mask(pc.equal(_combined(self.parsed, "tenant_id"), PLATFORM))
        if own and platform.any():
            self.clean &= ~(platform & self.of_types(own))


def _once(made: Callable[[], pa.DictionaryArray]) -> Callable[[], pa.DictionaryArray]:
    """What is made when it is first asked for; `functools.cache` costs more than most columns."""
    known: list[pa.DictionaryArray] = []

    def get() -> pa.DictionaryArray:
        if not known:
            known.append(made())
        return known[0]

    return get


def _allowed(
    kind: str, rule: Rule, values: pa.Array, encoded: Callable[[], pa.DictionaryArray]
) -> Mask:
    """Rows whose value, if there is one, certainly fits the rule."""
    if kind in {"text", "choice"}:
        return _text_ok(values, rule, encoded)
    if kind in {"integer", "real"}:
        return _number_ok(values, rule)
    # The other kinds are right by their type alone, or rare and left to the reference.
    return np.full(len(values), kind in _COLUMNAR_KINDS)


def _text_ok(values: pa.Array, rule: Rule, encoded: Callable[[], pa.DictionaryArray]) -> Mask:
    """Certainly allowed texts; bytes bound characters from above, so this errs to doubt."""
    if rule.choices is None and rule.pattern is None:
        size = _numbers(pc.binary_length(values), 0)
        good = size <= (rule.max_length or MAX_EVENT_BYTES)
        return np.asarray(good & (size >= rule.min_length) if rule.min_length else good)
    distinct = encoded().dictionary
    if rule.choices is not None:
        verdicts = [text in rule.choices for text in distinct.to_pylist()]
    else:
        verdicts = pc.match_substring_regex(distinct, str(rule.pattern)).to_pylist()
    return _spread(encoded().indices, np.array([*verdicts, False], dtype=np.bool_))


def _number_ok(values: pa.Array, rule: Rule) -> Mask:
    numbers = _numbers(values, 0)
    good = np.ones(len(numbers), dtype=np.bool_)
    if rule.at_least is not None:
        good &= numbers >= rule.at_least
    if rule.above is not None:
        good &= numbers > rule.above
    if rule.at_most is not None:
        good &= numbers <= rule.at_most
    return good


def _spread(indices: pa.Array, table: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The table's entry for each index; its last entry where there is none."""
    return np.asarray(table[_numbers(indices, len(table) - 1)])


def _combined(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _valid(values: pa.Array) -> Mask:
    if values.null_count == 0:
        return np.ones(len(values), dtype=np.bool_)
    if values.null_count == len(values):
        return np.zeros(len(values), dtype=np.bool_)
    return _mask(values.is_valid())


def _numbers(values: pa.Array, null: float) -> npt.NDArray[Any]:
    if values.null_count:
        values = values.fill_null(null)
    return np.asarray(values.to_numpy(zero_copy_only=False))


def _mask(values: pa.Array) -> Mask:
    return np.asarray(_numbers(values, False), dtype=np.bool_)
