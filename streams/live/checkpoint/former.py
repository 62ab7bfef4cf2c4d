"""The state of a task as release 0.1.0 wrote it, carried over into the logs of this one.

That release kept one log: segments of tenants, rows of messages and thin entries of many kinds.
Everything that this release goes on from stands in it, as of the same offsets, so nothing is read
again: the feed's states and sequence numbers, facts, contracts and messages are written anew.
What it did not keep is taken from what it did: the source of a message in flight from the reference
of its acceptance, how far that source is known from how far mail had come.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import orjson

from mailsla.schemas.facts.lines import encode_fact, fact_of
from mailsla.schemas.topics import STREAMS_STATE
from mailsla.streams.latency.messages import ACCEPTED, ROW, Rows
from mailsla.streams.latency.windows.panes import FILLED_BIN, SUMS
from mailsla.streams.live.checkpoint import state_log as logs
from mailsla.streams.live.checkpoint.state_log import StateLog
from mailsla.streams.live.state.landed import LandedEvents
from mailsla.streams.runtime.checkpoint.state_log import Head, StateError, head_record, parse_record
from mailsla.streams.runtime.checkpoint.writer import Outgoing
from mailsla.streams.time.calendar import Month

_ROW: Final = np.dtype(
    [
        ("key", np.uint64),
        ("series", np.int32),
        ("accepted_us", np.int64),
        ("finished_us", np.int64),
        ("liable", np.bool_),
        ("kind", np.uint8),
        ("order", np.uint64),
    ]
)
_FORMAT: Final = f"3 {_ROW.descr}"
_SEGMENT: Final = b"segment/"
_PANE_BITS: Final = 26
_FIRST_YEAR: Final = 1970

_Sums = list[int]
"""Count, sum and largest latency in µs, exceedances."""


@dataclass
class _Former:
    """What the segments hold, in their order."""

    tenants: list[str] = field(default_factory=list)
    rows: list[Rows] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    kept: list[dict[str, Any]] = field(default_factory=list)


def is_former(records: Mapping[bytes, bytes]) -> bool:
    """Whether a state was written by release 0.1.0."""
    return b"head" in records and orjson.loads(records[b"head"]).get("format") == _FORMAT


def carry_over(partition: int, records: Mapping[bytes, bytes], present_us: int) -> list[Outgoing]:
    """The same state as this release writes it, its head last.

    Args:
        partition: the task's.
        records: key → newest value of a state that `is_former`.
        present_us: the system's time, from which on sources may be silent.

    Raises:
        StateError: a segment is missing.

    """
    document = orjson.loads(records[b"head"])
    former = _read(document, records)
    clocks = document["extra"].get("reached_us", [document["latest_us"], 0, 0])
    position_us, patient_us, mail_us = clocks
    rows = np.concatenate([*former.rows, np.empty(0, dtype=_ROW)])
    carried = np.zeros(len(rows), dtype=ROW)
    for column in _ROW.names or ():
        carried[column] = rows[column]
    sources = _number_sources(carried, former.names)
    head = Head(offsets=document["offsets"], latest_us=document["latest_us"])
    head.extra = {
        **{name: value for name, value in document["extra"].items() if name != "reached_us"},
        "anew": True,
        "position_us": position_us,
        "patient_us": patient_us,
        "known_us": mail_us,
        "mail_us": mail_us,
        "heard_us": present_us,
        "sources": [[name, mail_us, mail_us, present_us] for name in sources],
    }
    log = StateLog(partition, head)
    _write(log, former.kept)
    made = log.records(former.tenants, (carried, former.names))
    return [*made, head_record(partition, head)]


def leftovers(partition: int, records: Mapping[bytes, bytes]) -> list[Outgoing]:
    """Tombstones of what release 0.1.0 wrote, once the head no longer vouches for it."""
    return [
        Outgoing(STREAMS_STATE.name, key, None, partition)
        for key in records
        if key.startswith(_SEGMENT)
    ]


def _read(document: Mapping[str, Any], records: Mapping[bytes, bytes]) -> _Former:
    found, rows_from = _Former(), document.get("rows_from", 0)
    for number in range(document["first"], document["next"]):
        value = records.get(_SEGMENT + b"%d" % number)
        if value is None:
            if number < rows_from:
                continue  # its rows were forgotten
            raise StateError(
                f"segment {number} of the state is missing; "
                f"delete the topic {STREAMS_STATE.name} and reset the group to replay"
            )
        header, body = parse_record(value)
        rows = np.frombuffer(body, dtype=_ROW, count=header["rows"])
        if len(rows) and number < rows_from:
            continue  # forgotten as well, not erased yet
        found.tenants += header["tenants"]
        found.rows.append(rows)
        found.names += header.get("names", ())
        at = 0
        for size in header.get("kept", ()):
            found.kept.append(orjson.loads(body[at : at + size]))
            at += size
    return found


def _number_sources(rows: Rows, names: Sequence[str]) -> list[str]:
    """Fill in the sources of the messages in flight; the names of them all, by number."""
    sources = list(dict.fromkeys(name.partition("#")[0] for name in names))
    numbers = {source: number for number, source in enumerate(sources)}
    rows["source"][rows["kind"] == ACCEPTED] = [numbers[name.partition("#")[0]] for name in names]
    return sources


def _write(log: StateLog, kept: Sequence[Mapping[str, Any]]) -> None:
    landed = LandedEvents(lambda tenant: 0)
    for entry in kept:
        match entry:
            case {"fact": document}:
                fact = fact_of(document)
                line = encode_fact(fact)
                # That release kept what came again, too; the first counts.
                if landed.take(fact, line).is_new:
                    log.add_fact(fact, line)
            case {"contract": document}:
                log.add(logs.CONTRACTS, orjson.dumps(document))
            case {"feed": states}:
                # What was measured when a change began was not kept.
                log.add(logs.STATES, orjson.dumps([[*state, None] for state in states]))
            case {"exceeding": slow}:
                log.add(logs.SLOW, orjson.dumps(slow))
            case {"first": first}:
                log.add(logs.FIRST_MAIL, orjson.dumps(first))
            case {"folded": (counted, everything)}:
                log.add(logs.FOLDED, orjson.dumps(list(_folded(counted, everything))))
                log.add(logs.PANES, _month_panes(counted), until_us=log.head.latest_us)


def _folded(counted: Sequence[Any], everything: Sequence[Any]) -> Iterator[list[Any]]:
    """Sums by tenant and month: of what counts sent and received, and of everything."""
    months: dict[tuple[int, str], list[_Sums]] = {}
    for first, panes in ((0, counted), (2, everything)):
        for key, *sums, _ in panes:
            series, label = key >> _PANE_BITS, _month_of(key).label
            own = months.setdefault((series // 2, label), [[0] * 4 for _ in range(4)])
            own[first + series % 2] = sums
    for of, each in months.items():
        yield [*of, *each]


def _month_panes(counted: Sequence[Any]) -> bytes:
    """The same of the month windows, as `RollingWindows.unfold` takes them: no shorter ones."""
    sums, bins = [], []
    for key, count, sum_us, largest_us, over, filled in counted:
        series, month = key >> _PANE_BITS, key & (1 << _PANE_BITS) - 1
        sums.append((series, month, count, sum_us, largest_us, over))
        bins += [(series, month, place, number) for place, number in filled]
    parts = np.array(sums, dtype=SUMS), np.array(bins, dtype=FILLED_BIN)
    lengths = np.array([0, 0, 0, 0, *map(len, parts)], dtype="<i8")
    return b"".join(each.tobytes() for each in (lengths, *parts))


def _month_of(key: int) -> Month:
    number = key & (1 << _PANE_BITS) - 1
    return Month(_FIRST_YEAR + number // 12, number % 12 + 1)
