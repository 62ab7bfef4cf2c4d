"""Records that must be refused: one of every kind the wire contract names."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import orjson

from mailsla.schemas.topics import MTA
from mailsla.streams.simulate.record import SECOND, SimulatedRecord, wire_time

Body = dict[str, Any]


class BadKind(NamedTuple):
    """How a record is spoiled, and the field the reason must name (None: the whole record)."""

    spoil: Callable[[Body], bytes]
    field: str | None


def _changed(**fields: Any) -> Callable[[Body], bytes]:
    return lambda body: orjson.dumps(body | fields)


def _without_recipient(body: Body) -> bytes:
    return orjson.dumps({name: value for name, value in body.items() if name != "recipient"})


def _naive(body: Body) -> bytes:
    return orjson.dumps(body | {"time": body["time"][:19]})


def _swapped(body: Body) -> bytes:
    return orjson.dumps(body | {"time": body["accepted_at"], "accepted_at": body["time"]})


BAD_KINDS: Final[Mapping[str, BadKind]] = {
    "invalid_json": BadKind(lambda body: orjson.dumps(body)[:-20], None),
    "not_an_object": BadKind(lambda body: orjson.dumps([body]), None),
    "missing_field": BadKind(_without_recipient, "recipient"),
    "naive_time": BadKind(_naive, "time"),
    "wrong_enum": BadKind(_changed(direction="sideways"), "direction"),
    "unknown_type": BadKind(_changed(type="message.teleported"), "type"),
    "too_long": BadKind(lambda body: orjson.dumps(body | {"message_id": "x" * 257}), "message_id"),
    "too_large": BadKind(lambda body: orjson.dumps(body | {"padding": "x" * 65_536}), None),
    "end_before_start": BadKind(_swapped, "accepted_at"),
    "far_future": BadKind(_changed(time="2150-01-01T00:00:00Z"), "time"),
    "before_2000": BadKind(
        _changed(time="1999-12-31T00:00:00Z", accepted_at="1999-12-30T00:00:00Z"), "time"
    ),
}
"""name → a kind of refusal."""


def bad_record(kind: str, number: int, tenant_id: str, time_us: int) -> SimulatedRecord:
    """A spoiled ``mail.mta`` record; no part of it may count anywhere."""
    body = {
        "id": f"bad-{number}",
        "source": "mx9.example.net/postfix",
        "type": "message.dispatched",
        "tenant_id": tenant_id,
        "time": wire_time(time_us),
        "message_id": f"BAD{number:09X}",
        "direction": "outbound",
        "recipient": "nobody@partner.example.org",
        "accepted_at": wire_time(time_us - 7 * SECOND),
    }
    value = BAD_KINDS[kind].spoil(body)
    return SimulatedRecord(MTA.name, tenant_id.encode(), value, f"bad:{kind}")
