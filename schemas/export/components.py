"""JSON Schemas as parts of one document: what several have in common stands once."""

from typing import Any, Final

from pydantic import TypeAdapter

from mailsla.schemas.codec.identifiers import Instant, TenantId
from mailsla.schemas.export.json_schemas import ONE_TENANT

Schema = dict[str, Any]

_PLACE: Final = "#/components/schemas/"
_BY_NAME: Final = frozenset({"properties", "patternProperties"})
"""Keywords that hold schemas under names of the interface."""
_DATA: Final = frozenset({"const", "default", "enum", "required"})
"""Keywords that hold no schemas."""


def schema_name(name: str) -> str:
    """The name of a schema as one word: `incident.opened` → `IncidentOpened`."""
    words = name.replace("_", ".").split(".")
    return "".join(word[:1].upper() + word[1:] for word in words)


class Components:
    """Collects schemas of draft 2020-12 in the form AsyncAPI takes, which is that of draft 7."""

    def __init__(self) -> None:
        self.schemas: dict[str, Schema] = {
            "Instant": TypeAdapter(Instant).json_schema(),
            "Tenant": {"type": "string", "pattern": ONE_TENANT},
            "TenantOrPlatform": TypeAdapter(TenantId).json_schema(),
        }
        self._shared = {name: dict(schema) for name, schema in self.schemas.items()}

    def add(self, name: str, schema: Schema) -> Schema:
        """Take up a whole schema with what it defines; the reference to it.

        Raises:
            ValueError: another schema has the name already.

        """
        parts = {name: schema, **schema.get("$defs", {})}
        for part, body in parts.items():
            kept = {k: v for k, v in body.items() if k not in {"$schema", "$id", "$defs"}}
            # Tools that make classes of the document name them by the title.
            taken = {"title": schema_name(part), **self._taken(kept)}
            if self.schemas.setdefault(part, taken) != taken:
                raise ValueError(f"two schemas are called {part}; rename a model")
        return {"$ref": f"{_PLACE}{name}"}

    def _taken(self, schema: Any) -> Any:
        """The schema with shared parts referred to, without the titles made from names."""
        if isinstance(schema, list):
            return [self._taken(each) for each in schema]
        if not isinstance(schema, dict):
            return schema
        bare = {key: value for key, value in schema.items() if key not in {"title", "description"}}
        words = {key: value for key, value in schema.items() if key == "description"}
        for name, shared in self._shared.items():
            if bare == shared:
                return self._described({"$ref": f"{_PLACE}{name}"}, words)
        if "$ref" in bare:
            reference = {"$ref": bare.pop("$ref").replace("#/$defs/", _PLACE)}
            return self._described(reference, words | bare)
        bare |= words
        return {key: self._value(key, value) for key, value in bare.items()}

    @staticmethod
    def _described(reference: Schema, beside: Schema) -> Schema:
        """A reference with what is said beside it; draft 7 reads nothing that stands in it."""
        return {"allOf": [reference], **beside} if beside else reference

    def _value(self, keyword: str, value: Any) -> Any:
        if keyword in _BY_NAME:
            return {name: self._taken(part) for name, part in value.items()}
        return value if keyword in _DATA else self._taken(value)
