"""The state of a task as records of its own compacted topic.

A task's state is the messages it remembers, appended segment by segment, and one head record
that says which segments are valid and up to which offset each input topic is applied. A segment
beyond the head is the trace of a checkpoint that did not complete; it is ignored and later
overwritten, because its key is the same. Reading everything back gives the state as of the head.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import orjson

from schemas.topics import STREAMS_STATE
from streams.latency.messages import ACCEPTED, LATENCY, ROW, Rows
from streams.runtime.delivery import Outgoing

FORMAT: Final = f"3 {ROW.descr}"
_ROWS_PER_RECORD: Final = 20_000
_KEPT_BYTES: Final = 400_000
_NAMED_ROWS: Final = 4_000
"""Rows in a record that also names messages."""
_HEADER_BYTES: Final = 4


class StateError(Exception):
    """The state topic cannot be read as state; the message says what to do."""


@dataclass(frozen=True)
class Segment:
    """What one checkpoint added: new tenants in code order, rows, and kept thin events.

    ``names`` are the references of the rows that say a message was accepted, in their order.
    """

    tenants: tuple[str, ...]
    rows: Rows
    kept: tuple[bytes, ...] = ()
    names: tuple[str, ...] = ()


@dataclass
class Head:
    """What is valid: segments ``[first, next)`` and the offsets applied so far."""

    first: int = 0
    next: int = 0
    offsets: dict[str, int] = field(default_factory=dict)
    """input topic → next offset to apply"""
    latest_us: int = 0
    extra: dict[str, object] = field(default_factory=dict)
    rows_from: int = 0
    """Rows in segments before this one are forgotten."""
    row_records: list[tuple[int, int]] = field(default_factory=list)
    """(segment, latencies in it) of the rows that are kept; known from the segments."""


def head_record(partition: int, head: Head) -> Outgoing:
    """The record that makes a checkpoint's state valid."""
    document = {
        "format": FORMAT,
        "first": head.first,
        "next": head.next,
        "offsets": head.offsets,
        "latest_us": head.latest_us,
        "extra": head.extra,
        "rows_from": head.rows_from,
    }
    return Outgoing(STREAMS_STATE.name, b"head", orjson.dumps(document), partition)


def segment_records(partition: int, head: Head, segment: Segment) -> list[Outgoing]:
    """Append a segment, in as many records as it needs, and move the head on.

    Rows stand in records of their own, so that they can be forgotten (`forget_rows`) while what
    stands beside them stays.
    """
    records = []
    if segment.tenants:
        records.append(_append(partition, head, {"tenants": segment.tenants, "rows": 0}, b""))
    accepted = segment.rows["kind"] == ACCEPTED
    unnamed = segment.rows[~accepted]
    for start in range(0, len(unnamed), _ROWS_PER_RECORD):
        rows = unnamed[start : start + _ROWS_PER_RECORD]
        records.append(_rows_record(partition, head, rows, ()))
    waiting, place = segment.rows[accepted], 0
    for names in _by_size([name.encode() for name in segment.names], _NAMED_ROWS):
        rows, place = waiting[place : place + len(names)], place + len(names)
        records.append(_rows_record(partition, head, rows, [name.decode() for name in names]))
    for some in _by_size(segment.kept):
        header = {"tenants": (), "rows": 0, "kept": [len(one) for one in some]}
        records.append(_append(partition, head, header, b"".join(some)))
    return records


def forget_rows(partition: int, head: Head, most: int) -> tuple[int, list[Outgoing]]:
    """Give up the oldest row records until at most ``most`` latencies are left.

    Returns:
        How many latencies they held, and the tombstones to produce after the head.

    """
    excess = sum(count for _, count in head.row_records) - most
    forgotten, tombstones = 0, []
    while head.row_records and forgotten < excess:
        number, count = head.row_records.pop(0)
        forgotten += count
        head.rows_from = number + 1
        tombstones.append(Outgoing(STREAMS_STATE.name, _key(number), None, partition))
    return forgotten, tombstones


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
            "the state was written by a version with another row layout; "
            f"delete the topic {STREAMS_STATE.name} and reset the group to replay"
        )
    head = Head(
        document["first"],
        document["next"],
        document["offsets"],
        document["latest_us"],
        document["extra"],
        document.get("rows_from", 0),
    )
    segments = []
    for number in range(head.first, head.next):
        value = records.get(_key(number))
        if value is None and number < head.rows_from:
            continue
        if value is None:
            raise StateError(
                f"segment {number} of the state is missing; "
                f"delete the topic {STREAMS_STATE.name} and reset the group to replay"
            )
        segment = _parse(value)
        if number < head.rows_from and len(segment.rows):
            continue  # forgotten; its tombstone was not compacted away or not written yet
        if len(segment.rows):
            head.row_records.append((number, _latencies(segment.rows)))
        segments.append(segment)
    return head, segments


def _key(number: int) -> bytes:
    return b"segment/%d" % number


def _by_size(kept: Sequence[bytes], most: int | None = None) -> Iterator[list[bytes]]:
    """Entries in groups of at most so many that fit a record of default size."""
    group: list[bytes] = []
    size = 0
    for entry in kept:
        if group and (size + len(entry) > _KEPT_BYTES or len(group) == most):
            yield group
            group, size = [], 0
        group.append(entry)
        size += len(entry)
    if group:
        yield group


def _rows_record(partition: int, head: Head, rows: Rows, names: Sequence[str]) -> Outgoing:
    head.row_records.append((head.next, _latencies(rows)))
    header: dict[str, object] = {"tenants": (), "rows": len(rows), "names": names}
    return _append(partition, head, header, rows.tobytes())


def _latencies(rows: Rows) -> int:
    return int(np.count_nonzero(rows["kind"] == LATENCY))


def _append(partition: int, head: Head, header: Mapping[str, object], body: bytes) -> Outgoing:
    record = _record(partition, head.next, header, body)
    head.next += 1
    return record


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
    return Segment(tuple(header["tenants"]), rows, tuple(kept), tuple(header.get("names", ())))
