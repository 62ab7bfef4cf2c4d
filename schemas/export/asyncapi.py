"""The whole interface as one AsyncAPI 3 document, made from the models, topics and examples.

The application described is mailsla: it *receives* what producers publish and *sends* results.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from mailsla.schemas import topics
from mailsla.schemas.export import examples
from mailsla.schemas.export.components import Components, schema_name
from mailsla.schemas.export.json_schemas import document_schema, event_schema, result_schema
from mailsla.schemas.export.parties import PARTIES, Party
from mailsla.schemas.registry import EVENT_TYPES
from mailsla.schemas.results import BreachType, ClosingEvent
from mailsla.schemas.topics import Topic

VERSION: Final = "3.0.0"
KAFKA_BINDING: Final = "0.5.0"
CLOUD_EVENTS: Final = "application/cloudevents+json"

INTERFACE: Final = (
    *topics.EVENT_TOPICS, topics.RAW_MAILLOG, topics.CONTRACTS, topics.CALENDARS,
    *topics.RESULT_TOPICS,
)  # fmt: skip
"""Every topic another system may publish to or read from."""

_KEYS: Final = {
    topics.RAW_MAILLOG.name: "the host that wrote the lines",
    topics.CALENDARS.name: "the calendar's name",
    topics.OUTAGES.name: "tenant_id/outage_id",
    topics.STATUS.name: "tenant_id/indicator",
    topics.DEAD_LETTERS.name: "the key of the record that was refused",
}
_TENANT_KEY: Final = "tenant_id; default partitioner (murmur2)"

_CLOUD_EVENT_TYPES: Final[Mapping[str, Sequence[str]]] = {
    topics.BREACHES.name: get_args(BreachType),
    topics.CLOSINGS.name: get_args(ClosingEvent.model_fields["type"].annotation),
}
_LINE_FIELDS: Final = (
    "message", "log", "MESSAGE", "short_message", "Message", "full_log", "body", "resourceLogs",
)  # fmt: skip
_LINE_TYPES: Final[Mapping[str, dict[str, Any]]] = {
    "body": {"type": ["string", "object"]},
    "resourceLogs": {"type": "array", "description": "an OTLP export, with any number of lines"},
}

Document = dict[str, Any]


@dataclass(frozen=True)
class Deployment:
    """What differs from one installation to the next.

    ``kafka`` are bootstrap addresses, ``groups`` the consumer groups by name of the party.
    """

    version: str
    kafka: Sequence[str]
    protocol: Literal["kafka", "kafka-secure"]
    partitions: int
    replicas: int
    groups: Mapping[str, str]


def asyncapi(deployment: Deployment) -> Document:
    """The document as plain objects, ready for JSON or YAML; the same for the same arguments."""
    components = Components()
    messages = {topic.name: dict(_messages(topic, components)) for topic in INTERFACE}
    operations = {
        f"{party.name}_{action}s_{topic.name.replace('.', '_')}": _operation(
            party, topic, action, messages[topic.name], deployment.groups
        )
        for topic in INTERFACE
        for party in PARTIES
        for action in party.actions(topic)
    }
    return {
        "asyncapi": VERSION,
        "info": _info(deployment),
        "defaultContentType": "application/json",
        "servers": _servers(deployment),
        "channels": {
            topic.name: _channel(topic, messages[topic.name], deployment) for topic in INTERFACE
        },
        "operations": operations,
        "components": {
            "messages": {k: v for named in messages.values() for k, v in named.items()},
            "messageTraits": {"cloudEvent": _cloud_event_trait()},
            "correlationIds": {
                "cloudEventId": {
                    "description": "The CloudEvents id: a redelivery repeats it, so drop it then.",
                    "location": "$message.payload#/id",
                },
                "eventId": {
                    "description": "Together with `source` it identifies the event.",
                    "location": "$message.payload#/id",
                },
            },
            "schemas": components.schemas,
        },
    }


def _info(deployment: Deployment) -> Document:
    return {
        "title": "mailsla",
        "version": deployment.version,
        "description": (
            "Live and closed-month service-level verdicts for enterprise mail: events in on"
            " `mail.*`, results out on `sla.*`. Read results with isolation level"
            " `read_committed`; delivery is at least once, ids are deterministic."
        ),
        "license": {"name": "Apache-2.0"},
    }


def _servers(deployment: Deployment) -> Document:
    return {
        f"kafka-{number}": {"host": address, "protocol": deployment.protocol}
        for number, address in enumerate(deployment.kafka, 1)
    }


def _channel(topic: Topic, messages: Mapping[str, Document], deployment: Deployment) -> Document:
    config = topic.config()
    shown: Document = {
        "cleanup.policy": config["cleanup.policy"].split(","),
        "retention.ms": int(config["retention.ms"]),
    }
    if stamp := config.get("message.timestamp.type"):
        shown["message.timestamp.type"] = stamp
    return {
        "address": topic.name,
        "description": topic.about[:1].upper() + topic.about[1:] + ".",
        "messages": {name: _ref("components/messages", name) for name in messages},
        "bindings": _kafka(
            topic=topic.name,
            partitions=deployment.partitions,
            replicas=deployment.replicas,
            topicConfiguration=shown,
        ),
    }


def _operation(
    party: Party,
    topic: Topic,
    action: str,
    messages: Mapping[str, Document],
    groups: Mapping[str, str],
) -> Document:
    operation: Document = {
        "action": action,
        "channel": _ref("channels", topic.name),
        "summary": party.summary(topic, action),
        "tags": [{"name": party.name}],
        "messages": [_ref(f"channels/{topic.name}/messages", name) for name in messages],
    }
    if action == "receive" and party.name in groups:
        group = {"type": "string", "enum": [groups[party.name]]}
        operation["bindings"] = _kafka(groupId=group)
    return operation


def _messages(topic: Topic, components: Components) -> Iterator[tuple[str, Document]]:
    """(name, message) of everything that may stand in a topic."""
    key = _key(topic)
    if topic is topics.RAW_MAILLOG:
        yield from _raw_lines(key)
    elif topic.name in EVENT_TYPES:
        for name, model in EVENT_TYPES[topic.name].items():
            payload = components.add(name, event_schema(topic.name, name))
            about = (model.__doc__ or name).partition("\n")[0]
            body = {"correlationId": _ref("components/correlationIds", "eventId")}
            yield name, _message(name, about, payload, key, topic, body)
    elif topic.name in _CLOUD_EVENT_TYPES:
        whole = components.add(topic.name, result_schema(topic.name))
        for name in _CLOUD_EVENT_TYPES[topic.name]:
            only = {"allOf": [whole, {"properties": {"type": {"const": name}}}]}
            payload = {"title": schema_name(name), **only}
            traits = {"traits": [_ref("components/messageTraits", "cloudEvent")]}
            yield name, _message(name, f"CloudEvent {name}.", payload, key, topic, traits)
    else:
        schema = document_schema(topic.name)
        payload = components.add(topic.name, schema)
        about = schema["description"].partition("\n")[0]
        yield topic.name, _message(topic.name, about, payload, key, topic, {})


def _message(
    name: str, about: str, payload: Document, key: Document, topic: Topic, more: Document
) -> Document:
    records = (json.loads(each.value) for each in examples.valid(topic.name))
    shown = [record for record in records if record.get("type", name) == name]
    return {
        "name": name,
        "summary": about.replace("``", "`"),
        **({} if "traits" in more else {"contentType": "application/json"}),
        "payload": payload,
        "bindings": key,
        **more,
        **({"examples": [{"payload": shown[0]}]} if shown else {}),
    }


def _raw_lines(key: Document) -> Iterator[tuple[str, Document]]:
    yield (
        "raw.line",
        {
            "name": "raw.line",
            "summary": "One mail-log line as plain text.",
            "contentType": "text/plain",
            "payload": {"title": schema_name("raw.line"), "type": "string"},
            "bindings": key,
        },
    )
    yield (
        "raw.shipped",
        {
            "name": "raw.shipped",
            "summary": "One line as a shipper wraps it: Vector, Filebeat, Fluent Bit, rsyslog.",
            "contentType": "application/json",
            "payload": {
                "title": schema_name("raw.shipped"),
                "type": "object",
                "description": "The first of these fields that is there holds the line.",
                "properties": {
                    name: {"description": "The line.", **_LINE_TYPES.get(name, {"type": "string"})}
                    for name in _LINE_FIELDS
                },
                "anyOf": [{"required": [name]} for name in _LINE_FIELDS],
            },
            "bindings": key,
        },
    )


def _cloud_event_trait() -> Document:
    return {
        "contentType": CLOUD_EVENTS,
        "headers": {
            "type": "object",
            "properties": {
                "content-type": {"const": CLOUD_EVENTS, "description": "The media type."}
            },
            "required": ["content-type"],
        },
        "correlationId": _ref("components/correlationIds", "cloudEventId"),
        "externalDocs": {
            "description": "CloudEvents 1.0, structured content mode of the Kafka binding",
            "url": "https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/"
            "kafka-protocol-binding.md",
        },
    }


def _key(topic: Topic) -> Document:
    about = _KEYS.get(topic.name, _TENANT_KEY)
    return _kafka(key={"type": "string", "description": about})


def _kafka(**fields: object) -> Document:
    return {"kafka": {**fields, "bindingVersion": KAFKA_BINDING}}


def _ref(place: str, name: str) -> Document:
    return {"$ref": f"#/{place}/{name}"}
