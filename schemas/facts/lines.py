"""Facts as lines of JSON, as the state and the broadcast topic keep them."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson

from mailsla.schemas.codec.kept_json import kept_json
from mailsla.schemas.facts import (
    abuse,
    antivirus,
    backup,
    billing,
    ops,
    probe,
    security,
    support,
)
from mailsla.schemas.facts.fact import Fact

_MODULES: Final = (abuse, antivirus, backup, billing, ops, probe, security, support)

FACT_TYPES: Final[Mapping[str, type[Fact]]] = {
    kind.__annotations__["type"].__args__[0]: kind
    for module in _MODULES
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Fact) and kind is not Fact
}
"""type name → class"""

FIELDS: Final[Mapping[str, Sequence[str]]] = {
    name: tuple(field.name for field in dataclasses.fields(kind))
    for name, kind in FACT_TYPES.items()
}
"""type name → the fields of its class, in their order"""


def encode_fact(fact: Fact) -> bytes:
    """A fact as one line of JSON, without the fields that are absent."""
    fields = FIELDS[fact.type]
    return kept_json({name: value for name in fields if (value := getattr(fact, name)) is not None})


def decode_fact(line: bytes) -> Fact:
    """The fact of a line that `encode_fact`, of this release or an earlier one, has made."""
    return fact_of(orjson.loads(line))


def fact_of(document: Mapping[str, Any]) -> Fact:
    """The fact that the document of a line is."""
    name: str = document["type"]
    values: Iterable[Any] = map(document.get, FIELDS[name])
    return FACT_TYPES[name](*values)
