"""Columns of a result model: its ClickHouse and Arrow types, derived from the annotations."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import pyarrow as pa
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mailsla.schemas.codec.instants import UTC_MICROS
from mailsla.sinks.ddl.table import INSTANT, TableColumn

FEW_VALUES: Final = frozenset(
    {
        "tenant_id",
        "source",
        "indicator",
        "period",
        "profile",
        "unit",
        "topic",
        "timezone",
        "calendar",
    }
)
"""Text columns with few distinct values, stored as a dictionary."""

EXACT: Final = "Decimal(38, 12)"
"""Observed values and targets: 0.00003 and longer ratios stay exact."""

EXACT_ARROW: Final = pa.decimal128(38, 12)

_SCALARS: Final[dict[Any, tuple[str, pa.DataType]]] = {
    str: ("String", pa.string()),
    bool: ("Bool", pa.bool_()),
    int: ("Int64", pa.int64()),
    float: ("Float64", pa.float64()),
    Decimal: (EXACT, EXACT_ARROW),
    datetime: (INSTANT, UTC_MICROS),
    date: ("Date32", pa.date32()),
}


@dataclass(frozen=True)
class ModelColumn:
    """One field of a result model as a column.

    ``choices`` are the texts a Literal allows; ``least`` is the smallest number the model takes;
    ``default`` is the number that holds where a record does not have the field.
    """

    name: str
    clickhouse: str
    arrow: pa.DataType
    required: bool
    choices: frozenset[str] | None = None
    least: int | None = None
    default: int | None = None

    @property
    def table_column(self) -> TableColumn:
        """The column as it stands in the table."""
        default = None if self.default is None else str(self.default)
        return TableColumn(self.name, self.clickhouse, default)


def model_columns(model: type[BaseModel], *without: str) -> tuple[ModelColumn, ...]:
    """The model's fields in order, ``without`` the named ones; a nested model is no column."""
    return tuple(
        _column(name, field) for name, field in model.model_fields.items() if name not in without
    )


def _column(name: str, field: FieldInfo) -> ModelColumn:
    bare, nullable = _unwrap(field.annotation)
    if get_origin(bare) is tuple:
        return ModelColumn(name, "Array(String)", pa.list_(pa.string()), required=False)
    choices = None
    if get_origin(bare) is Literal:
        choices, bare = frozenset(get_args(bare)), str
    type_, arrow = _SCALARS[bare]
    if nullable:
        type_ = f"Nullable({type_})"
    if bare is str and (choices is not None or name in FEW_VALUES):
        type_ = f"LowCardinality({type_})"
    return ModelColumn(
        name,
        type_,
        arrow,
        required=not nullable,
        choices=choices,
        least=next((bound.ge for bound in field.metadata if hasattr(bound, "ge")), None),
        default=field.default if type(field.default) is int else None,
    )


def _unwrap(annotation: Any) -> tuple[Any, bool]:
    """Strip ``Annotated`` and ``| None``: the bare type, and whether it may be null."""
    if get_origin(annotation) is Annotated:
        return _unwrap(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        members = [member for member in get_args(annotation) if member is not NoneType]
        return _unwrap(members[0])[0], True
    return annotation, False
