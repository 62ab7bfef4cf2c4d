"""One record at a time: bytes to a checked event, or the reason why not.

This is the reference: the columnar path must accept nothing that this one refuses.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
from pydantic import ValidationError

from schemas.envelope import MAX_EVENT_BYTES, Event
from schemas.registry import EVENT_TYPES, adapter

EARLIEST_EVENT: Final = datetime(2000, 1, 1, tzinfo=UTC)
SKEW_CAP: Final = timedelta(hours=24)
"""How far an event's ``time`` may be ahead of the broker's clock."""


@dataclass(frozen=True)
class Rejection:
    """Why a record was not accepted; ``field`` is the path of the field to mend."""

    reason: str
    field: str | None = None


def decode_event(topic: str, value: bytes, broker_time: datetime) -> Event | Rejection:
    """Check one record of an event topic.

    Args:
        topic: name of an event topic.
        value: the record's bytes.
        broker_time: when the broker received it; bounds how far ahead ``time`` may be.

    """
    if len(value) > MAX_EVENT_BYTES:
        return Rejection(f"the event has {len(value)} bytes; at most {MAX_EVENT_BYTES} are allowed")
    try:
        event: Event = adapter(topic).validate_json(value)
    except ValidationError as error:
        return _explain(topic, value, error)
    if event.time < EARLIEST_EVENT:
        return Rejection("the time is before 2000; send the time of the event", "time")
    if event.time > broker_time + SKEW_CAP:
        return Rejection(
            "the time is more than 24 h ahead of the broker clock; mend the producer's clock",
            "time",
        )
    return event


def _explain(topic: str, value: bytes, error: ValidationError) -> Rejection:
    """Turn the validator's first complaint into a reason with a field path."""
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError as broken:
        return Rejection(f"not valid JSON: {broken}; send one UTF-8 JSON object per record")
    if not isinstance(document, dict):
        return Rejection("not a JSON object; send one flat object per record")
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        allowed = ", ".join(sorted(EVENT_TYPES[topic]))
        return Rejection(f"unknown or missing type on {topic}; use one of: {allowed}", "type")
    if first["type"] in {"json_invalid", "recursion_loop"}:
        return Rejection(f"not valid JSON: {first['msg']}; send one UTF-8 JSON object per record")
    return Rejection(_sentence(first), _path(first, document))


def _sentence(first: Mapping[str, Any]) -> str:
    if first["type"] == "missing":
        return "the field is required"
    return str(first["msg"]).removeprefix("Value error, ")


def _path(first: Mapping[str, Any], document: Mapping[str, Any]) -> str | None:
    if named := first.get("ctx", {}).get("field"):
        return str(named)
    location = list(first["loc"])
    if location and location[0] == document.get("type") and len(location) > 1:
        location = location[1:]  # the discriminator's tag, not a field
    return ".".join(str(part) for part in location) or None
