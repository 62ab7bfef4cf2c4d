"""The state of a task as records of its own compacted topic.

A task's state is the messages it remembers, appended segment by segment, and one head record
that says which segments are valid and up to which offset each input topic is applied. A segment
beyond the head is the trace of a checkpoint that did not complete; it is ignored and later
overwritten, because its key is the same. Reading everything back gives the state as of the head.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import orjson

from schemas.topics import STREAMS_STATE
from streams.runtime.delivery import Outgoing
from streams.windows.messages import ROW, Rows

FORMAT: Final = 1
_ROWS_PER_RECORD: Final = 20_000
_HEADER_BYTES: Final = 4


class StateError(Exception):
    """The state topic cannot be read as state; the message says what to do."""


@dataclass(frozen=True)
class Segment:
    """What one checkpoint added: new tenants in code order, rows, and kept thin events."""

    tenants: tuple[str, ...]
    rows: Rows
    kept: tuple[bytes, ...] = ()


@dataclass
class Head:
    """What is valid: segments ``[first, next)`` and the offsets applied so far."""

    first: int = 0
    next: int = 0
    offsets: dict[str, int] = field(default_factory=dict)
    """input topic → next offset to apply"""
    latest_us: int = 0
    extra: dict[str, object] = field(default_factory=dict)


def head_record(partition: int, head: Head) -> Outgoing:
    """The record that makes a checkpoint's state valid."""
    document = {
        "format": FORMAT,
        "first": head.first,
        "next": head.next,
        "offsets": head.offsets,
        "latest_us": head.latest_us,
        "extra": head.extra,
    }
    return Outgoing(STREAMS_STATE.name, b"head", orjson.dumps(document), partition)


def segment_records(partition: int, head: Head, segment: Segment) -> list[Outgoing]:
    """Append a segment, in as many records as it needs, and move the head on."""
    records = []
    pieces = max(1, -(-len(segment.rows) // _ROWS_PER_RECORD))
    kept = list(segment.kept)
    for piece in range(pieces):
        rows = segment.rows[piece * _ROWS_PER_RECORD : (piece + 1) * _ROWS_PER_RECORD]
        header = {"tenants": segment.tenants if piece == 0 else (), "rows": len(rows)}
        records.append(_record(partition, head.next, header, rows.tobytes()))
        head.next += 1
    for start in range(0, len(kept), 1000):
        some = kept[start : start + 1000]
        header = {"tenants": (), "rows": 0, "kept": [len(one) for one in some]}
        records.append(_record(partition, head.next, header, b"".join(some)))
        head.next += 1
    return records


def read_state(records: Mapping[bytes, bytes]) -> tuple[Head, Sequence[Segment]]:
    """The head and its segments from the newest value of each key.

    Raises:
        StateError: a segment the head vouches for is missing or not readable.

    """
    if b"head" not in records:
        return Head(), []
    document = orjson.loads(records[b"head"])
    if document.get("format") != FORMAT:
        raise StateError(
            f"the state topic has format {document.get('format')}, this version reads {FORMAT}; "
            f"delete the topic {STREAMS_STATE.name} and reset the group to replay"
        )
    head = Head(
        document["first"],
        document["next"],
        document["offsets"],
        document["latest_us"],
        document["extra"],
    )
    segments = []
    for number in range(head.first, head.next):
        value = records.get(_key(number))
        if value is None:
            raise StateError(
                f"segment {number} of the state is missing; "
                f"delete the topic {STREAMS_STATE.name} and reset the group to replay"
            )
        segments.append(_parse(value))
    return head, segments


def _key(number: int) -> bytes:
    return b"segment/%d" % number


def _record(partition: int, number: int, header: Mapping[str, object], body: bytes) -> Outgoing:
    encoded = orjson.dumps(header)
    value = len(encoded).to_bytes(_HEADER_BYTES, "big") + encoded + body
    return Outgoing(STREAMS_STATE.name, _key(number), value, partition)


def _parse(value: bytes) -> Segment:
    size = int.from_bytes(value[:_HEADER_BYTES], "big")
    header = orjson.loads(value[_HEADER_BYTES : _HEADER_BYTES + size])
    body = value[_HEADER_BYTES + size :]
    rows = np.frombuffer(body, dtype=ROW, count=header["rows"])
    kept, at = [], 0
    for length in header.get("kept", ()):
        kept.append(body[at : at + length])
        at += length
    return Segment(tuple(header["tenants"]), rows, tuple(kept))
