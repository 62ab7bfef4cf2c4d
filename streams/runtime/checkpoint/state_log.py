"""The state of a task as records of its own compacted topic.

A task's state is a set of logs, one for each kind of thing it remembers, appended record by record,
and one head record that says which records are valid and up to which offset each input topic is
applied. A record beyond the head is the trace of a checkpoint that did not complete; it is ignored
and later overwritten, because its key is the same. Reading everything back gives the state as of
the head. Each log can be cut off at its beginning, once what stood there no longer matters.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import orjson

from mailsla.schemas.topics import STREAMS_STATE
from mailsla.streams.latency.messages import ACCEPTED, ROW, Rows
from mailsla.streams.runtime.checkpoint.writer import Outgoing

FORMAT: Final = f"4 {ROW.descr}"
HEAD: Final = b"head"
"""The key of the head's record."""
ROWS: Final = "rows"
"""The log of messages; the others hold entries of bytes."""
_ROWS_PER_RECORD: Final = 20_000
_ENTRY_BYTES: Final = 400_000
_NAMED_ROWS: Final = 4_000
"""Rows in a record that also names messages."""
_HEADER_BYTES: Final = 4


class StateError(Exception):
    """The state topic cannot be read as state; the message says what to do."""


@dataclass
class Head:
    """What is valid: of each log the records ``[first, next)``, and the offsets applied so far."""

    logs: dict[str, list[int]] = field(default_factory=dict)
    offsets: dict[str, int] = field(default_factory=dict)
    """input topic → next offset to apply"""
    latest_us: int = 0
    extra: dict[str, object] = field(default_factory=dict)

    def next(self, log: str) -> int:
        """The number of the next record of a log."""
        return self.logs.get(log, [0, 0])[1]


@dataclass(frozen=True)
class State:
    """What a state topic holds.

    ``rows`` are those of the log of messages by record, with the references of the acceptances
    among them; ``entries`` are those of every other log by record, in order.
    """

    head: Head = field(default_factory=Head)
    rows: Sequence[tuple[int, Rows, Sequence[str]]] = ()
    entries: Mapping[str, Sequence[tuple[int, Sequence[bytes]]]] = field(default_factory=dict)

    def of(self, log: str) -> Iterator[bytes]:
        """The entries of a log."""
        for _, entries in self.entries.get(log, ()):
            yield from entries


def head_record(partition: int, head: Head) -> Outgoing:
    """The record that makes a checkpoint's state valid."""
    document = {
        "format": FORMAT,
        "logs": head.logs,
        "offsets": head.offsets,
        "latest_us": head.latest_us,
        "extra": head.extra,
    }
    return Outgoing(STREAMS_STATE.name, HEAD, orjson.dumps(document), partition)


def read_head(value: bytes) -> Head:
    """The head in the newest record under `HEAD`; `StateError` if it is of another release."""
    document = orjson.loads(value)
    if document.get("format") != FORMAT:
        raise StateError(
            "the state was written by a release that this one does not know: go back to that one, "
            f"or delete the topic {STREAMS_STATE.name} and reset the group to replay"
        )
    return Head(document["logs"], document["offsets"], document["latest_us"], document["extra"])


def append_rows(
    partition: int, head: Head, rows: Rows, names: Sequence[str]
) -> list[tuple[int, Rows, Outgoing]]:
    """Append messages, in as many records as they need.

    Args:
        partition: the task's.
        head: moved on.
        rows: in the order they were applied.
        names: the references of the rows that say a message was accepted, in their order.

    Returns:
        For each record its number, its rows, and what to produce.

    """
    accepted = rows["kind"] == ACCEPTED
    unnamed, waiting = rows[~accepted], rows[accepted]
    pieces: list[tuple[Rows, Sequence[str]]] = [
        (unnamed[start : start + _ROWS_PER_RECORD], ())
        for start in range(0, len(unnamed), _ROWS_PER_RECORD)
    ]
    start = 0
    for some in _by_size([name.encode() for name in names], _NAMED_ROWS):
        pieces.append((waiting[start : start + len(some)], [name.decode() for name in some]))
        start += len(some)
    made = []
    for piece, named in pieces:
        header = {"rows": len(piece), "names": named}
        number = head.next(ROWS)
        made.append((number, piece, _append(partition, head, ROWS, header, piece.tobytes())))
    return made


def append_entries(
    partition: int, head: Head, log: str, entries: Sequence[bytes]
) -> list[tuple[int, Outgoing]]:
    """Append entries to a log, in as many records as they need; number and record of each.

    An entry that is larger than a record goes on in the next one.
    """
    made = []
    for some, goes_on in _records_of(entries):
        number = head.next(log)
        header: dict[str, object] = {"sizes": [len(one) for one in some]}
        if goes_on:
            header["goes_on"] = True
        made.append((number, _append(partition, head, log, header, b"".join(some))))
    return made


def cut_off(partition: int, head: Head, log: str, first: int) -> list[Outgoing]:
    """Give up the records of a log before a number; the tombstones to produce after the head."""
    begin, end = head.logs.get(log, [0, 0])
    head.logs[log] = [max(begin, first), end]
    return [
        Outgoing(STREAMS_STATE.name, _key(log, number), None, partition)
        for number in range(begin, first)
    ]


def read_state(records: Mapping[bytes, bytes]) -> State:
    """The state from the newest value of each key.

    Raises:
        StateError: a record the head vouches for is missing or not readable.

    """
    if HEAD not in records:
        return State()
    head = read_head(records[HEAD])
    rows: list[tuple[int, Rows, Sequence[str]]] = []
    entries: dict[str, list[tuple[int, Sequence[bytes]]]] = {}
    for log, (first, end) in head.logs.items():
        begun = b""
        for number in range(first, end):
            value = records.get(_key(log, number))
            if value is None:
                raise StateError(
                    f"record {number} of {log} is missing from the state; "
                    f"delete the topic {STREAMS_STATE.name} and reset the group to replay"
                )
            header, body = parse_record(value)
            if log == ROWS:
                found = np.frombuffer(body, dtype=ROW, count=header["rows"])
                rows.append((number, found, header["names"]))
            else:
                found_entries = _cut(body, header["sizes"])
                found_entries[:1] = [begun + one for one in found_entries[:1]]
                begun = found_entries.pop() if header.get("goes_on") else b""
                entries.setdefault(log, []).append((number, found_entries))
    return State(head, rows, entries)


def _key(log: str, number: int) -> bytes:
    return f"{log}/{number}".encode()


def _by_size(entries: Sequence[bytes], most: int | None = None) -> Iterator[list[bytes]]:
    """Entries in groups of at most so many that fit a record of default size."""
    group: list[bytes] = []
    size = 0
    for entry in entries:
        if group and (size + len(entry) > _ENTRY_BYTES or len(group) == most):
            yield group
            group, size = [], 0
        group.append(entry)
        size += len(entry)
    if group:
        yield group


def _records_of(entries: Sequence[bytes]) -> Iterator[tuple[list[bytes], bool]]:
    """Entries in groups that fit a record, and whether the last one goes on in the next."""
    for some in _by_size(entries):
        while len(some[-1]) > _ENTRY_BYTES:
            # It is alone: pieces of it fill records of their own.
            yield [some[-1][:_ENTRY_BYTES]], True
            some = [some[-1][_ENTRY_BYTES:]]
        yield some, False


def _append(
    partition: int, head: Head, log: str, header: Mapping[str, object], body: bytes
) -> Outgoing:
    first, number = head.logs.get(log, [0, 0])
    head.logs[log] = [first, number + 1]
    encoded = orjson.dumps(header)
    value = len(encoded).to_bytes(_HEADER_BYTES, "big") + encoded + body
    return Outgoing(STREAMS_STATE.name, _key(log, number), value, partition)


def parse_record(value: bytes) -> tuple[dict[str, Any], bytes]:
    """The header of a record of a log, and what follows it."""
    size = int.from_bytes(value[:_HEADER_BYTES], "big")
    header = orjson.loads(value[_HEADER_BYTES : _HEADER_BYTES + size])
    return header, value[_HEADER_BYTES + size :]


def _cut(body: bytes, sizes: Sequence[int]) -> list[bytes]:
    entries, at = [], 0
    for size in sizes:
        entries.append(body[at : at + size])
        at += size
    return entries
