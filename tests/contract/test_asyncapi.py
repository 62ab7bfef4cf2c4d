"""The AsyncAPI document: valid by the specification's own parser, and true to the schemas."""

import json
import re

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from mailsla.schemas import topics
from mailsla.schemas.export import json_schemas
from mailsla.schemas.export.asyncapi import INTERFACE
from mailsla.schemas.export.examples import invalid, valid
from mailsla.schemas.registry import EVENT_TYPES, TYPES
from mailsla.schemas.results import RESULT_MODELS
from mailsla.streams.cli.main import cli
from mailsla.streams.cli.support.errors import CommandError
from tests.contract.asyncapi import validate
from tests.contract.records import parsed

CLOUD_EVENTS = {"sla.breaches": 6, "sla.closings": 1}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The document as the command writes it, once as JSON and once as YAML."""
    folder = tmp_path_factory.mktemp("asyncapi")
    for name in ("interface.json", "interface.yaml"):
        done = CliRunner().invoke(cli, ["schemas", "asyncapi", "-o", str(folder / name)])
        assert done.exit_code == 0, done.exception
    return folder


@pytest.fixture(scope="module")
def document(written):
    return json.loads((written / "interface.json").read_text())


def resolve(document, node):
    """What a reference within the document points to; anything else as it is."""
    while isinstance(node, dict) and "$ref" in node:
        place, node = node["$ref"].removeprefix("#/").split("/"), document
        for step in place:
            node = node[step]
    return node


def payload_checker(document, channel, name):
    """A validator of one message's payload, by the rules AsyncAPI gives schemas (draft 7)."""
    message = resolve(document, document["channels"][channel]["messages"][name])
    schema = {**message["payload"], "components": document["components"]}
    if "$ref" in schema:  # beside a reference nothing else counts in draft 7
        schema = {"allOf": [message["payload"]], "components": document["components"]}
    draft = jsonschema.Draft7Validator
    return draft(schema, format_checker=draft.FORMAT_CHECKER)


@pytest.mark.parametrize("name", ["interface.json", "interface.yaml"])
def test_the_specifications_own_parser_has_no_objection(written, name):
    told = validate(written / name)
    assert [each for each in told["objections"] if each["severity"] in {"error", "warning"}] == []
    assert set(told["found"]["channels"]) == {topic.name for topic in INTERFACE}
    messages = {each["name"]: each for each in told["found"]["messages"]}
    cloud = [each for each in messages.values() if "cloudevents" in each["contentType"]]
    assert len(cloud) == sum(CLOUD_EVENTS.values())
    assert {each["correlation"] for each in cloud} == {"$message.payload#/id"}
    assert set(TYPES) < set(messages)


def test_the_parser_itself_finds_a_mistake(document, tmp_path):
    broken = document | {"operations": {"odd": {"action": "shout", "channel": {"$ref": "#/no"}}}}
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(broken))
    assert any(each["severity"] == "error" for each in validate(path)["objections"])


def test_yaml_and_json_say_the_same(written, document):
    text = (written / "interface.yaml").read_text()
    assert yaml.safe_load(text) == document
    assert "&id0" not in text
    shown = CliRunner().invoke(cli, ["schemas", "asyncapi"])
    assert json.loads(shown.stdout) == document


def test_a_file_that_cannot_be_written_is_said_in_a_sentence(tmp_path):
    path = tmp_path / "missing" / "interface.json"
    done = CliRunner().invoke(cli, ["schemas", "asyncapi", "-o", str(path)])
    assert isinstance(done.exception, CommandError)
    assert "name another file" in str(done.exception)


def test_every_topic_is_a_channel_with_its_configuration(document):
    named = {topic.name for topic in topics.ALL_TOPICS} - {t.name for t in topics.INTERNAL_TOPICS}
    assert set(document["channels"]) == named
    for topic in INTERFACE:
        binding = document["channels"][topic.name]["bindings"]["kafka"]
        assert binding["partitions"] == 4
        config = topic.config()
        assert ",".join(binding["topicConfiguration"]["cleanup.policy"]) == topic.cleanup
        assert str(binding["topicConfiguration"]["retention.ms"]) == config["retention.ms"]


def test_every_topic_has_a_sender_or_a_receiver_with_its_group(document):
    groups = {}
    for operation in document["operations"].values():
        channel = operation["channel"]["$ref"].removeprefix("#/channels/")
        assert operation["messages"]
        group = operation.get("bindings", {}).get("kafka", {}).get("groupId", {}).get("enum", [""])
        groups.setdefault((channel, operation["action"]), set()).update(group)
    both = {"mailsla-streams", "mailsla-sinks"}
    for topic in (*topics.EVENT_TOPICS, topics.CONTRACTS):
        assert groups[topic.name, "receive"] == both
    assert groups["raw.maillog", "receive"] == {"mailsla-streams"}
    for topic in topics.RESULT_TOPICS:
        assert (topic.name, "send") in groups
        assert ((topic.name, "receive") in groups) == (topic in topics.LANDED_TOPICS)


@pytest.mark.parametrize("topic", [*EVENT_TYPES, *RESULT_MODELS, "sla.contracts", "sla.calendars"])
def test_payload_schemas_decide_the_examples_as_the_models_do(document, topic):
    names = document["channels"][topic]["messages"]
    checkers = [payload_checker(document, topic, name) for name in names]
    for example in valid(topic):
        fitting = [one for one in checkers if one.is_valid(json.loads(example.value))]
        assert len(fitting) == 1, example.why
    about_fields = [case for case in invalid(topic) if ": " in case.why and not case.beyond_schema]
    assert len(about_fields) > 3
    for case in about_fields:
        record = parsed(case)
        if record is not None:
            assert not any(one.is_valid(record) for one in checkers), case.why


def test_common_parts_stand_once(document):
    schemas = document["components"]["schemas"]
    instant = json.dumps(schemas["Instant"]["pattern"])
    assert json.dumps(document).count(instant) == 1
    assert schemas["message.dispatched"]["properties"]["time"] == {
        "allOf": [{"$ref": "#/components/schemas/Instant"}],
        "description": "When it happened, RFC 3339 with offset.",
    }
    assert "$defs" not in json.dumps(document)


def undescribed(schema, path=""):
    """Paths of the properties within a schema of which nobody says what they mean."""
    if isinstance(schema, list):
        return [found for part in schema for found in undescribed(part, path)]
    if not isinstance(schema, dict):
        return []
    properties = schema.get("properties")
    named = properties.items() if isinstance(properties, dict) else ()
    # A lone constant narrows a property of the schema beside it, which describes it.
    mute = [
        f"{path}/{name}"
        for name, part in named
        if not part.get("description") and part.keys() != {"const"}
    ]
    return mute + [
        found for key, part in schema.items() for found in undescribed(part, f"{path}/{key}")
    ]


def test_every_property_says_what_it_means(document):
    assert undescribed(document) == []
    for name, schema in json_schemas.json_schemas():
        assert undescribed(schema, name) == []


def test_every_schema_of_a_message_has_a_name(document):
    """Tools that make classes of the document would call them anonymous otherwise."""
    schemas = document["components"]["schemas"]
    assert schemas["incident.opened"]["title"] == "IncidentOpened"
    names = []
    for name, message in document["components"]["messages"].items():
        payload = message["payload"]
        reference = payload.get("$ref", "").rpartition("/")[2]
        names.append((schemas[reference] if reference else payload).get("title", ""))
        assert re.fullmatch(r"[A-Z]\w+", names[-1]), name
    assert len(set(names)) == len(names)
