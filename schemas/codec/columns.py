"""The columns of a topic, derived from its models: Arrow types, ClickHouse types, constraints."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache, cached_property
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import annotated_types as at
import pyarrow as pa
from pydantic import StringConstraints
from pydantic.fields import FieldInfo

from mailsla.schemas.codec.identifiers import MONTH_PATTERN
from mailsla.schemas.codec.instants import UTC_MICROS
from mailsla.schemas.envelope import Event
from mailsla.schemas.registry import EVENT_TYPES

Kind = Literal["text", "choice", "instant", "integer", "real", "flag", "money", "sections"]

_ARROW: Final[Mapping[Kind, pa.DataType]] = {
    "text": pa.string(),
    "choice": pa.string(),
    "instant": UTC_MICROS,
    "integer": pa.int64(),
    "real": pa.float64(),
    "flag": pa.bool_(),
    "money": pa.decimal128(38, 6),
    "sections": pa.list_(pa.int64()),
}

_CLICKHOUSE: Final[Mapping[Kind, str]] = {
    "text": "String",
    "choice": "LowCardinality(String)",
    "instant": "DateTime64(6, 'UTC')",
    "integer": "Int64",
    "real": "Float64",
    "flag": "Bool",
    "money": "Decimal(38, 6)",
    "sections": "Array(Int64)",
}

_LOW_CARDINALITY: Final = frozenset({"tenant_id", "source", "type"})


@dataclass(frozen=True)
class Rule:
    """What one event type asks of one field."""

    required: bool
    default: object = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    choices: frozenset[str] | None = None
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None


@dataclass(frozen=True)
class Column:
    """One field of a topic; ``rules`` has an entry for each event type that carries it."""

    name: str
    kind: Kind
    rules: Mapping[str, Rule]
    everywhere: bool
    """Whether every type of the topic requires it, so that it is never null."""

    by_rule: tuple[tuple[Rule, tuple[str, ...]], ...]
    """The same rules, each with the event types that share it."""

    @cached_property
    def is_month(self) -> bool:
        """Whether it holds a month, ``YYYY-MM``."""
        return any(rule.pattern == MONTH_PATTERN for rule in self.rules.values())

    @cached_property
    def has_default(self) -> bool:
        """Whether any type has a value for it where an event has none."""
        return any(rule.default is not None for rule in self.rules.values())

    @property
    def arrow(self) -> pa.DataType:
        """Arrow type of the decoded column."""
        return _ARROW[self.kind]

    @property
    def clickhouse(self) -> str:
        """ClickHouse type; nullable unless every type of the topic requires the field."""
        base = _CLICKHOUSE[self.kind]
        if self.name in _LOW_CARDINALITY:
            return "LowCardinality(String)"
        if self.everywhere or self.kind == "sections":
            return base
        if base.startswith("LowCardinality("):
            return "LowCardinality(Nullable(String))"
        return f"Nullable({base})"


def _unwrap(annotation: Any) -> tuple[Any, list[Any]]:
    """Strip ``Annotated`` and ``| None``: the bare type and the metadata met on the way."""
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        bare, deeper = _unwrap(inner)
        return bare, [*deeper, *metadata]
    if get_origin(annotation) in (Union, UnionType):
        members = [member for member in get_args(annotation) if member is not NoneType]
        return _unwrap(members[0])
    return annotation, []


def _kind(bare: Any) -> Kind:
    if get_origin(bare) is Literal:
        return "choice"
    if get_origin(bare) is list:
        return "sections"
    kinds: dict[Any, Kind] = {
        str: "text",
        bool: "flag",
        int: "integer",
        float: "real",
        datetime: "instant",
        Decimal: "money",
    }
    return kinds[bare]


def _flatten(metadata: list[Any]) -> list[Any]:
    flat: list[Any] = []
    for item in metadata:
        flat.extend(_flatten(list(item.metadata)) if isinstance(item, FieldInfo) else [item])
    return flat


def _rule(field: FieldInfo) -> tuple[Kind, Rule]:
    bare, metadata = _unwrap(field.annotation)
    found: dict[str, Any] = {
        "required": field.is_required(),
        "default": None if field.is_required() else field.default,
    }
    for item in _flatten([*metadata, *field.metadata]):
        match item:
            case StringConstraints():
                pattern = item.pattern
                found["min_length"], found["max_length"] = item.min_length, item.max_length
                found["pattern"] = pattern if pattern is None or isinstance(pattern, str) else None
            case at.Ge():
                found["at_least"] = item.ge
            case at.Gt():
                found["above"] = item.gt
            case at.Le():
                found["at_most"] = item.le
            case _:
                pass
    if get_origin(bare) is Literal:
        found["choices"] = frozenset(get_args(bare))
    return _kind(bare), Rule(**found)


def _grouped(rules: Mapping[str, Rule]) -> tuple[tuple[Rule, tuple[str, ...]], ...]:
    grouped: dict[Rule, list[str]] = {}
    for name, rule in rules.items():
        grouped.setdefault(rule, []).append(name)
    return tuple((rule, tuple(names)) for rule, names in grouped.items())


@cache
def columns(topic: str) -> tuple[Column, ...]:
    """Columns of an event topic in a stable order: the envelope first, then as declared."""
    models = EVENT_TYPES[topic]
    kinds: dict[str, Kind] = {}
    rules: dict[str, dict[str, Rule]] = {name: {} for name in Event.model_fields}
    for type_name, model in models.items():
        for name, field in model.model_fields.items():
            kind, rule = _rule(field)
            known = kinds.setdefault(name, kind)
            if known != kind:
                if {known, kind} != {"text", "choice"}:
                    raise TypeError(
                        f"{name} of {topic} is {known} for one type, {kind} for another"
                    )
                kinds[name] = "text"
            rules.setdefault(name, {})[type_name] = rule
    return tuple(
        Column(
            name,
            kinds[name],
            by_type,
            everywhere=set(by_type) == set(models)
            and all(rule.required or rule.default is not None for rule in by_type.values()),
            by_rule=_grouped(by_type),
        )
        for name, by_type in rules.items()
    )


@cache
def arrow_schema(topic: str) -> pa.Schema:
    """Arrow schema of the decoded events of a topic."""
    return pa.schema([pa.field(column.name, column.arrow) for column in columns(topic)])


@cache
def clickhouse_columns(topic: str) -> tuple[tuple[str, str], ...]:
    """(name, type) of the event columns of the topic's fact table."""
    return tuple((column.name, column.clickhouse) for column in columns(topic))
