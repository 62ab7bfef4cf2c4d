"""The interface as JSON Schema (draft 2020-12): one file per event type and result record."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from mailsla.schemas import topics
from mailsla.schemas.calendars import WorkingCalendar
from mailsla.schemas.codec.identifiers import TENANT_PATTERN
from mailsla.schemas.contract import Contract
from mailsla.schemas.descriptions import DescribedSchema
from mailsla.schemas.indicators import INDICATORS
from mailsla.schemas.registry import EVENT_TYPES
from mailsla.schemas.results import RESULT_MODELS

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

ONE_TENANT: Final = r"^[A-Za-z0-9._-]{1,64}$"


class _EventSchema(DescribedSchema):
    """Wire form of events."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """A field with a default may also be an explicit null."""
        shown = super().default_schema(schema)
        if shown.get("default") is None:
            return shown
        default = shown.pop("default")
        return {"anyOf": [shown, {"type": "null"}], "default": default}


class _ResultSchema(DescribedSchema):
    """Wire form of results: exact numbers are decimal strings."""

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        """A decimal string, as `model_dump_json` writes it."""
        return {"type": "string", "pattern": r"^-?[0-9]+(?:\.[0-9]+)?$"}


def event_schema(topic: str, type_name: str) -> dict[str, Any]:
    """JSON Schema of one event type of a topic."""
    model = EVENT_TYPES[topic][type_name]
    schema = _schema(model, _EventSchema, f"{topic}/{type_name}")
    if not model.platform_allowed:
        tenant = schema["properties"]["tenant_id"]
        if tenant["pattern"] != TENANT_PATTERN:
            raise ValueError(f"{type_name} has a tenant_id of its own; narrow its pattern here too")
        tenant["pattern"] = ONE_TENANT
    return schema


def result_schema(topic: str) -> dict[str, Any]:
    """JSON Schema of the records of one result topic.

    More fields may be added to results, so a subscriber's check has to let them pass.
    """
    schema = _schema(RESULT_MODELS[topic], _ResultSchema, topic)
    for part in (schema, *schema.get("$defs", {}).values()):
        part.pop("additionalProperties", None)
    return schema


def contract_schema() -> dict[str, Any]:
    """JSON Schema of a contract document (``sla.contracts``)."""
    schema = _schema(Contract, DescribedSchema, topics.CONTRACTS.name)
    schema["properties"]["overrides"]["propertyNames"] = {"enum": list(INDICATORS)}
    return schema


def calendar_schema() -> dict[str, Any]:
    """JSON Schema of a calendar document (``sla.calendars``)."""
    return _schema(WorkingCalendar, DescribedSchema, topics.CALENDARS.name)


def document_schema(topic: str) -> dict[str, Any]:
    """JSON Schema of the records of a topic that are no events: documents and results."""
    makers = {topics.CONTRACTS.name: contract_schema, topics.CALENDARS.name: calendar_schema}
    return makers[topic]() if topic in makers else result_schema(topic)


def json_schemas() -> Iterator[tuple[str, dict[str, Any]]]:
    """(file name without suffix, schema) of everything that may enter or leave."""
    for topic, models in EVENT_TYPES.items():
        for type_name in models:
            yield f"{topic}.{type_name}", event_schema(topic, type_name)
    for topic in (topics.CONTRACTS.name, topics.CALENDARS.name, *RESULT_MODELS):
        yield topic, document_schema(topic)


def export_json_schemas(directory: Path) -> list[Path]:
    """Write ``<topic>.<type>.json`` per event type, ``<topic>.json`` per document.

    Raises:
        OSError: the directory cannot be written.

    """
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name, schema in json_schemas():
        path = directory / f"{name}.json"
        path.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", "utf-8")
        written.append(path)
    return written


def _schema(
    model: type[BaseModel], generator: type[GenerateJsonSchema], name: str
) -> dict[str, Any]:
    schema = model.model_json_schema(schema_generator=generator, mode="validation")
    return {"$schema": DIALECT, "$id": f"urn:mailsla:{name}", **schema}
