"""An event as a notification needs it, read from a record of the feed or of the closings."""

from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import ValidationError

from mailsla.schemas.results import BreachData, BreachEvent, ClosingEvent, CloudEnvelope


@dataclass(frozen=True)
class News:
    """An event, its bytes as they stand in the topic, and the platform's cause where it has one."""

    event: BreachEvent | ClosingEvent
    value: bytes
    cause: str | None = None


def read_news(value: bytes) -> News | None:
    """The event of a record, without the fields of a newer release; None for what is none."""
    try:
        document: dict[str, Any] = orjson.loads(value)
        data: dict[str, Any] = document["data"]
        envelope = {name: document[name] for name in CloudEnvelope.model_fields if name in document}
        if document["type"] == "sla.month.closed":
            closed = ClosingEvent.model_validate({**envelope, "data": data})
            return News(closed, value)
        known = {name: data[name] for name in BreachData.model_fields if name in data}
        event = BreachEvent.model_validate({**envelope, "type": document["type"], "data": known})
    except (ValueError, ValidationError, KeyError, TypeError, AttributeError):
        return None
    cause = data.get("cause")
    return News(event, value, None if cause is None else str(cause))
