"""Which event types each topic carries, derived from the models."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Final, Union, get_args

from pydantic import Field, TypeAdapter
from pydantic.fields import FieldInfo

from mailsla.schemas import topics
from mailsla.schemas.codec.identifiers import MONTH_PATTERN
from mailsla.schemas.envelope import Event
from mailsla.schemas.events import (
    abuse,
    antivirus,
    backup,
    billing,
    mta,
    ops,
    probe,
    security,
    support,
)

_MODULES: Final = {
    topics.MTA.name: mta,
    topics.PROBE.name: probe,
    topics.OPS.name: ops,
    topics.ANTIVIRUS.name: antivirus,
    topics.BACKUP.name: backup,
    topics.BILLING.name: billing,
    topics.ABUSE.name: abuse,
    topics.SUPPORT.name: support,
    topics.SECURITY.name: security,
}


def type_name(model: type[Event]) -> str | None:
    """The wire name of a concrete event model; ``None`` for a base class."""
    names = get_args(model.model_fields["type"].annotation)
    return str(names[0]) if names else None


def _concrete(module: object) -> dict[str, type[Event]]:
    found: dict[str, type[Event]] = {}
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, Event) and (name := type_name(value)):
            found[name] = value
    return found


EVENT_TYPES: Final[Mapping[str, Mapping[str, type[Event]]]] = {
    topic: _concrete(module) for topic, module in _MODULES.items()
}
"""topic → type name → model."""


@dataclass(frozen=True)
class TypePlace:
    """Where an event type belongs."""

    topic: str
    model: type[Event]


TYPES: Final[Mapping[str, TypePlace]] = {
    name: TypePlace(topic, model)
    for topic, models in EVENT_TYPES.items()
    for name, model in models.items()
}
"""type name → its topic and model."""


@cache
def bounded_fields(model: type[Event]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The fields of an event type that hold an instant, ``time`` apart, and those with a month."""
    fields = {name: field for name, field in model.model_fields.items() if name != "time"}
    instants = (name for name, field in fields.items() if datetime in _parts(field.annotation))
    months = (name for name, field in fields.items() if _is_month(field))
    return tuple(instants), tuple(months)


def _is_month(field: FieldInfo) -> bool:
    return any(getattr(item, "pattern", None) == MONTH_PATTERN for item in field.metadata)


def _parts(annotation: Any) -> tuple[Any, ...]:
    """An annotation and what it is made of, however deep."""
    return (annotation, *(part for inner in get_args(annotation) for part in _parts(inner)))


@cache
def adapter(topic: str) -> TypeAdapter[Any]:
    """The validator of one topic's events, discriminated by ``type``."""
    members = tuple(EVENT_TYPES[topic].values())
    union: Any = members[0] if len(members) == 1 else Union[members]  # noqa: UP007
    if len(members) == 1:
        return TypeAdapter(union)
    return TypeAdapter(Annotated[union, Field(discriminator="type")])
