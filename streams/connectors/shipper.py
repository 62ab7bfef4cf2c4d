"""What log shippers put on Kafka, unwrapped to one log line (topic `raw.maillog`, events.md).

A record's value is a plain text line, or a JSON object whose text is the first of `message`,
`log`, `MESSAGE` (Vector, Filebeat, Fluent Bit, rsyslog, journald, syslog-ng), `short_message`
(GELF), `Message` (NXLog), `full_log` (Wazuh), `body` (OpenTelemetry, also as OTLP's nested
export). Where the shipper has already taken the line apart, so that the text is only what
followed the tag, the line is put together again from the fields that hold stamp, host, program
and process id.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from mailsla.streams.connectors.dialects import prefix_length, tag_in
from mailsla.streams.connectors.stamps import SECOND, StampReader, rfc3339

_TEXT_FIELDS: Final = (
    "message",
    "log",
    "MESSAGE",
    "short_message",
    "Message",
    "full_log",
    "body",
)
_STAMP_FIELDS: Final = (
    "timereported",
    "timestamp",
    "@timestamp",
    "time",
    "date",
    "ISODATE",
    "DATE",
    "EventTime",
    "timeUnixNano",
    "_SOURCE_REALTIME_TIMESTAMP",
    "__REALTIME_TIMESTAMP",
)
_HOST_FIELDS: Final = (
    "logsource",
    "log.syslog.hostname",
    "hostname",
    "host.hostname",
    "host.name",
    "host",
    "_HOSTNAME",
    "source_host",
    "agent.hostname",
    "HOST",
    "HOST_FROM",
    "Hostname",
    "predecoder.hostname",
    "resource.host.name",
    "attributes.hostname",
    "kubernetes.pod_name",
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
    "PROGRAM",
    "SourceName",
    "_application_name",
    "predecoder.program_name",
    "attributes.appname",
)
_PID_FIELDS: Final = (
    "SYSLOG_PID",
    "_PID",
    "procid",
    "pid",
    "process.pid",
    "log.syslog.procid",
    "PID",
    "ProcessID",
    "_process_id",
    "attributes.procid",
)
# Nanoseconds of the year 5138.
_LARGEST_EPOCH_NUMBER: Final = 1e20
_CLOCK: Final = re.compile(r"\d\d:(\d\d):(\d\d)([.,]\d+)?")
_STAMPS: Final = StampReader(reference=datetime(2000, 1, 1, tzinfo=UTC))
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class UnreadableRecordError(ValueError):
    """A shipped record no log line can be made of; the message says what is missing."""


def lines_of(raw: bytes, host: str | None = None) -> list[str]:
    """The log lines of one shipped record, one but for an OpenTelemetry export.

    `host` (the record key) stands in for a missing one. Raises UnreadableRecordError.
    """
    if raw[:1] not in (b"{", b" ", b"\t", b"\n", b"\xef"):
        return [_plain(raw)]
    stripped = raw.removeprefix(_BYTE_ORDER_MARK).strip()
    if stripped[:1] != b"{":
        return [_plain(raw)]
    try:
        fields = orjson.loads(stripped)
    except orjson.JSONDecodeError as error:
        reason = f"The record opens like JSON but is not ({error}); ship whole JSON objects."
        raise UnreadableRecordError(reason) from error
    if isinstance(fields.get("resourceLogs"), list):
        return [_line_of(record, host) for record in _exported(fields["resourceLogs"])]
    return [_line_of(fields, host)]


def _plain(raw: bytes) -> str:
    return raw.rstrip(b"\r\n").decode("utf-8", "replace")


def _exported(resources: Sequence[Any]) -> Iterator[Mapping[str, Any]]:
    """The log records of an OTLP export, each with its resource's attributes."""
    for resource in _mappings(resources):
        named = _attributes(resource.get("resource"))
        for scope in _mappings(resource.get("scopeLogs")):
            for record in _mappings(scope.get("logRecords")):
                yield {**record, "resource": named, "attributes": _attributes(record)}


def _mappings(values: Any) -> list[Mapping[str, Any]]:
    found = values if isinstance(values, list) else []
    return [value for value in found if isinstance(value, Mapping)]


def _attributes(holder: Any) -> dict[str, Any]:
    """OTLP's list of keys and values as a mapping."""
    given = holder.get("attributes") if isinstance(holder, Mapping) else None
    return {str(entry.get("key")): _otlp_value(entry.get("value")) for entry in _mappings(given)}


def _otlp_value(value: Any) -> Any:
    """The one value of OTLP's `{"stringValue": …}`; anything else as it is."""
    if isinstance(value, Mapping) and len(value) == 1:
        return next(iter(value.values()))
    return value


def _line_of(fields: Mapping[str, Any], host: str | None) -> str:
    text = _text(fields)
    if _is_whole(text):
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
    if tag is None and (opening := tag_in(text)) is not None and opening.start() == 0:
        return f"{stamp} {origin} {text.strip()}"
    if tag is None:
        raise UnreadableRecordError(
            "The record's text lacks its program and no field holds one; ship the whole line "
            f"or add one of {', '.join(_TAG_FIELDS + _PROGRAM_FIELDS)}."
        )
    return f"{stamp} {origin} {tag}: {text.strip()}"


def _is_whole(text: str) -> bool:
    """Whether a text brings its own stamp, after whatever a container puts before it."""
    start = prefix_length(text)
    return _STAMPS.read_any(text[start:]) is not None


def _text(fields: Mapping[str, Any]) -> str:
    for name in _TEXT_FIELDS:
        value = _otlp_value(fields.get(name))
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
        value = _value(fields, name)
        if value is not None:
            yield name, value


def _value(fields: Any, name: str) -> Any:
    """A field, or one inside nested objects whose names may hold dots themselves."""
    if not isinstance(fields, Mapping):
        return None
    if name in fields:
        return fields[name]
    outer, dot, inner = name.partition(".")
    return _value(fields.get(outer), inner) if dot else None


def _first(fields: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    for _, value in _values(fields, names):
        if isinstance(value, str | int) and not isinstance(value, bool):
            text = str(value).strip()
            if text and text != "-":
                return text
    return None


def _stamp(fields: Mapping[str, Any]) -> str | None:
    """The first stamp; a finer one of the same second, where another field has it."""
    found = [stamp for name, value in _values(fields, _STAMP_FIELDS) if (stamp := _written(value))]
    if not found:
        return None
    first = _CLOCK.search(found[0])
    if first is None or first[3] is not None:
        return found[0]
    for other in found[1:]:
        clock = _CLOCK.search(other)
        # Zones are apart by quarters of an hour.
        if (
            clock is not None
            and clock[3] is not None
            and clock[2] == first[2]
            and int(clock[1]) % 15 == int(first[1]) % 15
        ):
            return other
    return found[0]


def _written(value: Any) -> str | None:
    """A stamp as text, whatever it is shipped as; None for what is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float) or (isinstance(value, str) and _is_number(value)):
        micros = _epoch_micros(float(value), value)
        return None if micros is None else rfc3339(micros)
    if not isinstance(value, str):
        return None
    text = value.strip()
    if "T" in text and " " not in text:
        return text or None
    read = _STAMPS.read_any(text)
    return text if read is not None and read[1] == len(text) else None


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
