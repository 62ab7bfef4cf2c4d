"""Mail-log records that came without their host's key: brought together under it, once.

Without keys the lines of one message stand in several partitions. Each is published once more
under the host that its line or fields name, marked, and so reaches the one task that assembles
that host. Lines from several partitions come there in no order; they are held for a few seconds
and fed in the order of their stamps.
"""

import re
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import orjson

HOLD_S: Final = 3.0
"""How long a line waits for earlier ones of other partitions."""

_MARK: Final = re.compile(rb'\{"mailsla\.received":(\d{1,16}),')
_LABEL: Final = re.compile(r"[^.]*")


def is_key_of(key: str, host: str) -> bool:
    """Whether a record key names the host of a line: as it is, or one with its domain."""
    if key.lower() == host.lower():
        return True
    shorter, longer = sorted((key.lower(), host.lower()), key=len)
    return longer.startswith(f"{shorter}.") and "." not in shorter


def mark(value: bytes, received_us: int) -> bytes:
    """A record to be published once more, with the time it was received first."""
    head = b'{"mailsla.received":%d,' % received_us
    stripped = value.strip()
    if stripped[:1] == b"{":
        return head + stripped[1:]
    return head + orjson.dumps({"message": value.decode("utf-8", "replace")})[1:]


def marked(value: bytes) -> datetime | None:
    """When a record was received first that was published once more; None for any other."""
    match = _MARK.match(value)
    return None if match is None else datetime.fromtimestamp(int(match[1]) / 1_000_000, UTC)


@dataclass(order=True)
class _Line:
    """A line that waits: log time (µs), number in the order of arrival, and the record."""

    stamp: int
    number: int
    received: datetime = field(compare=False)
    since_s: float = field(compare=False)
    value: bytes = field(compare=False)


class Reordering:
    """The lines of one host that wait for earlier ones."""

    def __init__(self) -> None:
        self._lines: list[_Line] = []
        self._number = 0

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, stamp: int, received: datetime, value: bytes, now_s: float) -> None:
        """Hold a line of log time `stamp` (µs) that came at `now_s`."""
        self._number += 1
        insort(self._lines, _Line(stamp, self._number, received, now_s, value))

    def due(self, now_s: float) -> list[tuple[bytes, datetime]]:
        """The lines that have waited long enough, and those before them: record, first receipt."""
        last = max(
            (at for at, line in enumerate(self._lines) if line.since_s <= now_s - HOLD_S),
            default=-1,
        )
        lines, self._lines = self._lines[: last + 1], self._lines[last + 1 :]
        return [(line.value, line.received) for line in lines]

    def snapshot(self) -> list[list[Any]]:
        """JSON-able."""
        return [
            [line.stamp, line.received.isoformat(), line.value.decode("utf-8", "surrogateescape")]
            for line in self._lines
        ]

    def restore(self, state: Sequence[Sequence[Any]], now_s: float) -> None:
        """The reverse of snapshot; they wait anew."""
        self._lines, self._number = [], 0
        for stamp, received, value in state:
            record = value.encode("utf-8", "surrogateescape")
            self.add(stamp, datetime.fromisoformat(received), record, now_s)
