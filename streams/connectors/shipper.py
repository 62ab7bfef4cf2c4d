"""What log shippers put on Kafka, unwrapped to one log line (topic `raw.maillog`, events.md).

A record's value is a plain text line, or a JSON object whose text is the first of `message`,
`log`, `MESSAGE` (Vector, Filebeat, Fluent Bit, rsyslog, journald). Where the shipper has
already taken the line apart, so that the text is only what followed the tag, the line is put
together again from the fields that hold stamp, host, program and process id.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from streams.connectors.stamps import SECOND, rfc3339

_TEXT_FIELDS: Final = ("message", "log", "MESSAGE")
_STAMP_FIELDS: Final = (
    "timereported",
    "timestamp",
    "@timestamp",
    "time",
    "date",
    "_SOURCE_REALTIME_TIMESTAMP",
    "__REALTIME_TIMESTAMP",
)
_HOST_FIELDS: Final = (
    "hostname",
    "host.hostname",
    "host.name",
    "host",
    "_HOSTNAME",
    "source_host",
    "agent.hostname",
)
_TAG_FIELDS: Final = ("syslog-tag", "syslogtag", "tag")
_PROGRAM_FIELDS: Final = (
    "SYSLOG_IDENTIFIER",
    "appname",
    "app-name",
    "programname",
    "program",
    "ident",
    "process.name",
    "log.syslog.appname",
)
_PID_FIELDS: Final = (
    "SYSLOG_PID",
    "_PID",
    "procid",
    "pid",
    "process.pid",
    "log.syslog.procid",
)
# Nanoseconds of the year 5138.
_LARGEST_EPOCH_NUMBER: Final = 1e20
_WHOLE_LINE: Final = re.compile(
    r"(?:<\d{1,3}>)?(?:1 )?(?:\d{4}-\d\d-\d\d[T ]\d\d:\d\d|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d )"
)
_BARE_STAMP: Final = re.compile(r"\S+$|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d$")


class UnreadableRecordError(ValueError):
    """A shipped record no log line can be made of; the message says what is missing."""


def unwrap(raw: bytes, host: str | None = None) -> str:
    """The log line of one shipped record; `host` (the record key) stands in for a missing one.

    Raises UnreadableRecordError.
    """
    if raw[:1] not in (b"{", b" ", b"\t", b"\n"):
        return raw.rstrip(b"\r\n").decode("utf-8", "replace")
    stripped = raw.strip()
    if stripped[:1] != b"{":
        return raw.rstrip(b"\r\n").decode("utf-8", "replace")
    try:
        fields = orjson.loads(stripped)
    except orjson.JSONDecodeError as error:
        reason = f"The record opens like JSON but is not ({error}); ship whole JSON objects."
        raise UnreadableRecordError(reason) from error
    return _line_of(fields, host)


def _line_of(fields: Mapping[str, Any], host: str | None) -> str:
    text = _text(fields)
    if _WHOLE_LINE.match(text):
        return text.rstrip("\r\n")
    stamp = _stamp(fields)
    if stamp is None:
        raise UnreadableRecordError(
            "The record's text has no stamp and no field holds one; "
            f"ship the whole line or add one of {', '.join(_STAMP_FIELDS)}."
        )
    origin = _first(fields, _HOST_FIELDS) or host
    if not origin:
        raise UnreadableRecordError(
            f"The record names no host; key it by host or ship one of {', '.join(_HOST_FIELDS)}."
        )
    tag = _tag(fields)
    if tag is None:
        raise UnreadableRecordError(
            "The record's text lacks its program and no field holds one; ship the whole line "
            f"or add one of {', '.join(_TAG_FIELDS + _PROGRAM_FIELDS)}."
        )
    return f"{stamp} {origin} {tag}: {text.strip()}"


def _text(fields: Mapping[str, Any]) -> str:
    for name in _TEXT_FIELDS:
        value = fields.get(name)
        if isinstance(value, str):
            return value
        if isinstance(value, list):  # journald's form of a text that is not UTF-8
            try:
                return bytes(value).decode("utf-8", "replace")
            except (TypeError, ValueError):
                continue
    raise UnreadableRecordError(
        f"The record has no text; put the log line into one of {', '.join(_TEXT_FIELDS)}."
    )


def _values(fields: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """The present fields among `names`; a dotted name also reads nested objects."""
    for name in names:
        value: Any = fields.get(name)
        if value is None and "." in name:
            value = fields
            for part in name.split("."):
                value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None:
            yield name, value


def _first(fields: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    for _, value in _values(fields, names):
        if isinstance(value, str | int) and not isinstance(value, bool):
            text = str(value).strip()
            if text and text != "-":
                return text
    return None


def _stamp(fields: Mapping[str, Any]) -> str | None:
    for name, value in _values(fields, _STAMP_FIELDS):
        if isinstance(value, bool):
            continue
        if isinstance(value, int | float) or (isinstance(value, str) and _is_number(value)):
            micros = _epoch_micros(float(value), value)
            if micros is not None:
                return rfc3339(micros)
        elif isinstance(value, str) and _BARE_STAMP.match(value.strip()) and name:
            return value.strip()
    return None


def _is_number(value: str) -> bool:
    return value.isascii() and value.replace(".", "", 1).isdigit()


def _epoch_micros(number: float, value: Any) -> int | None:
    """Epoch seconds, milliseconds, microseconds or nanoseconds, told apart by their size."""
    if not 0 < number < _LARGEST_EPOCH_NUMBER:
        return None
    if number < 1e11:
        return round(number * SECOND)
    whole = int(value) if not isinstance(value, float) and "." not in str(value) else int(number)
    if number < 1e14:
        return whole * 1_000
    return whole if number < 1e17 else whole // 1_000


def _tag(fields: Mapping[str, Any]) -> str | None:
    tag = _first(fields, _TAG_FIELDS)
    if tag is not None and "/" in tag:
        return tag.removesuffix(":")
    program = _first(fields, _PROGRAM_FIELDS)
    if program is None:
        return None if tag is None else tag.removesuffix(":")
    pid = _first(fields, _PID_FIELDS)
    return program if pid is None or "[" in program else f"{program}[{pid}]"
