"""One record at a time: bytes to a checked event, or the reason why not.

This is the reference: the columnar path must accept nothing that this one refuses.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import from_json

from mailsla.schemas.calendars import WorkingCalendar
from mailsla.schemas.codec.sentences import sentence
from mailsla.schemas.contract import Contract
from mailsla.schemas.envelope import MAX_EVENT_BYTES, Event
from mailsla.schemas.registry import EVENT_TYPES, adapter, bounded_fields

EARLIEST_EVENT: Final = datetime(2000, 1, 1, tzinfo=UTC)
SKEW_CAP: Final = timedelta(hours=24)
"""How far an event's ``time`` may be ahead of the broker's clock."""
LONGEST_AHEAD: Final = timedelta(days=731)
"""How far any other instant or month may be ahead of it: two years, a leap day among them."""
_OUT_OF_BOUNDS: Final = "outside 2000 to two years ahead of the broker clock"


HELD_BACK: Final = "quarantined"
"""How the reason begins for events of tenants that nobody knows and for which there is no room."""
OVER_QUOTA: Final = "quota"
"""How it begins for events beyond what one tenant may bring."""


@dataclass(frozen=True)
class Rejection:
    """Why a record was not accepted; ``field`` is the path of the field to mend."""

    reason: str
    field: str | None = None


@dataclass(frozen=True)
class Complaint:
    """One of the things wrong with a document; ``location`` leads from its top to the field.

    ``kind`` is the validator's: ``extra_forbidden`` for a field that is not known.
    """

    reason: str
    location: tuple[str | int, ...]
    kind: str = ""

    @property
    def field(self) -> str | None:
        """The location as a path."""
        return ".".join(str(part) for part in self.location) or None


def decode_event(topic: str, value: bytes, broker_time: datetime) -> Event | Rejection:
    """Check one record of an event topic.

    Args:
        topic: name of an event topic.
        value: the record's bytes.
        broker_time: when the broker received it; bounds how far ahead ``time`` may be.

    """
    if len(value) > MAX_EVENT_BYTES:
        return Rejection(
            f"the event has {len(value)} bytes; send at most {MAX_EVENT_BYTES}, "
            "leaving out fields that are not part of its type"
        )
    try:
        event: Event = adapter(topic).validate_json(value)
    except ValidationError as error:
        return _explain(value, error, EVENT_TYPES[topic])
    if b"NaN" in value or b"Inf" in value:
        document = _read(value)
        if isinstance(document, Rejection):
            return document
    if event.time < EARLIEST_EVENT:
        return Rejection("the time is before 2000; send the time of the event", "time")
    if event.time > broker_time + SKEW_CAP:
        return Rejection(
            "the time is more than 24 h ahead of the broker clock; mend the producer's clock",
            "time",
        )
    return _out_of_bounds(event, broker_time + LONGEST_AHEAD) or event


def _out_of_bounds(event: Event, latest: datetime) -> Rejection | None:
    """The first instant or month of an event that is outside 2000 to two years ahead.

    Such a value is a mistake, and what is reckoned from it would leave every calendar.
    """
    instants, months = bounded_fields(type(event))
    for name in instants:
        instant: datetime | None = getattr(event, name)
        if instant is not None and not EARLIEST_EVENT <= instant <= latest:
            return Rejection(f"the time is {_OUT_OF_BOUNDS}; mend it", name)
    for name in months:
        month: str | None = getattr(event, name)
        if month is not None and not f"{EARLIEST_EVENT:%Y-%m}" <= month <= f"{latest:%Y-%m}":
            return Rejection(f"the month is {_OUT_OF_BOUNDS}; mend it", name)
    return None


def decode_contract(value: bytes) -> Contract | Rejection:
    """Check one record of ``sla.contracts``: a version of one tenant's contract as JSON."""
    try:
        return Contract.model_validate_json(value)
    except ValidationError as error:
        return _explain(value, error, {})


def decode_calendar(value: bytes) -> WorkingCalendar | Rejection:
    """Check one record of ``sla.calendars``: working days of one's own as JSON."""
    try:
        return WorkingCalendar.model_validate_json(value)
    except ValidationError as error:
        return _explain(value, error, {})


def contract_complaints(value: bytes) -> list[Complaint]:
    """Everything that is wrong with a contract document; empty: nothing is."""
    try:
        Contract.model_validate_json(value)
    except ValidationError as error:
        document = _read(value)
        if isinstance(document, Rejection):
            return [Complaint(document.reason, ())]
        if not isinstance(document, dict):
            return [Complaint("not a JSON object; send one flat object per record", ())]
        found = error.errors(include_url=False, include_input=False)
        return [Complaint(sentence(one), _location(one), one["type"]) for one in found]
    return []


def _location(error: Mapping[str, Any]) -> tuple[str | int, ...]:
    named = error.get("ctx", {}).get("field")
    if named is None:
        return tuple(error["loc"])
    # `overrides.` is followed by the id of an indicator, which has dots of its own.
    return tuple(str(named).split(".", 1)) if named.startswith("overrides.") else (str(named),)


def _read(value: bytes) -> object:
    """What the JSON text (RFC 8259) says; the validator would read NaN and Infinity, too."""
    try:
        return from_json(value, allow_inf_nan=False)
    except ValueError as broken:
        return Rejection(f"not valid JSON: {broken}; send one UTF-8 JSON object per record")


def _explain(value: bytes, error: ValidationError, types: Mapping[str, object]) -> Rejection:
    """Turn the validator's first complaint into a reason with a field path."""
    document = _read(value)
    if isinstance(document, Rejection):
        return document
    if not isinstance(document, dict):
        return Rejection("not a JSON object; send one flat object per record")
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] in {"union_tag_invalid", "union_tag_not_found"} or first["loc"] == ("type",):
        allowed = ", ".join(sorted(types))
        return Rejection(f"unknown or missing type; use one of: {allowed}", "type")
    return Rejection(sentence(first), _path(first, types))


def _path(first: Mapping[str, Any], types: Mapping[str, object]) -> str | None:
    if named := first.get("ctx", {}).get("field"):
        return str(named)
    location = list(first["loc"])
    if len(location) > 1 and location[0] in types:
        location = location[1:]  # the discriminator's tag, not a field
    return ".".join(str(part) for part in location) or None
