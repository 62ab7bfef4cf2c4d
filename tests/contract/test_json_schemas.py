"""The exported JSON Schemas say the same as the models, as far as JSON Schema can."""

import json

import jsonschema
import pytest

from mailsla.schemas.export.examples import invalid, valid
from mailsla.schemas.export.json_schemas import (
    document_schema,
    event_schema,
    export_json_schemas,
    json_schemas,
    result_schema,
)
from mailsla.schemas.registry import EVENT_TYPES, TYPES
from mailsla.schemas.results import RESULT_MODELS
from tests.contract.records import parsed


def checker(schema):
    """A validator that also looks at formats, such as dates."""
    draft = jsonschema.Draft202012Validator
    return draft(schema, format_checker=draft.FORMAT_CHECKER)


def test_the_schemas_are_valid_drafts_with_an_identity_of_their_own():
    schemas = dict(json_schemas())
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    assert len({schema["$id"] for schema in schemas.values()}) == len(schemas)
    assert len(schemas) == len(TYPES) + len(RESULT_MODELS) + 2


def test_export_writes_one_file_each_and_the_same_again(tmp_path):
    paths = export_json_schemas(tmp_path / "new" / "directory")
    assert [path.stem for path in paths] == [name for name, _ in json_schemas()]
    before = [path.read_bytes() for path in paths]
    assert export_json_schemas(tmp_path / "new" / "directory") == paths
    assert [path.read_bytes() for path in paths] == before
    assert json.loads(before[0])["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("type_name", TYPES)
def test_event_schemas_accept_and_refuse_the_examples(type_name):
    topic = TYPES[type_name].topic
    validator = checker(event_schema(topic, type_name))
    accepted = [document for r in valid(topic) if (document := parsed(r))["type"] == type_name]
    assert len(accepted) >= 2
    for document in accepted:
        validator.validate(document)
    refused = [
        (case.why, document)
        for case in invalid(topic)
        if case.why.startswith(f"{type_name}: ")
        and not case.beyond_schema
        and (document := parsed(case)) is not None
    ]
    assert len(refused) > 20
    for why, document in refused:
        assert not validator.is_valid(document), why


@pytest.mark.parametrize("topic", [*RESULT_MODELS, "sla.contracts", "sla.calendars"])
def test_result_and_contract_schemas_accept_and_refuse_the_examples(topic):
    schema = document_schema(topic)
    validator = checker(schema)
    for example in valid(topic):
        validator.validate(json.loads(example.value))
    for case in invalid(topic):
        if not case.beyond_schema:
            assert not validator.is_valid(json.loads(case.value)), case.why


@pytest.mark.parametrize("topic", RESULT_MODELS)
def test_a_result_as_written_fits_its_schema_and_leaves_room_for_more_fields(topic):
    validator = checker(result_schema(topic))
    for example in valid(topic):
        written = json.loads(
            RESULT_MODELS[topic].model_validate_json(example.value).model_dump_json()
        )
        validator.validate(written)
        validator.validate(written | {"added_later": 1})


def test_only_platform_types_may_name_the_platform():
    for topic, models in EVENT_TYPES.items():
        for type_name, model in models.items():
            pattern = event_schema(topic, type_name)["properties"]["tenant_id"]["pattern"]
            assert ("*" in pattern) == model.platform_allowed, type_name
