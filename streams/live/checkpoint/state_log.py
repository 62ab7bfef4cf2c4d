"""What a task writes to its state at a checkpoint, and what it gives up there.

Each kind of thing has a log of its own, so that each can be cut off where it no longer matters:
facts when no open month can need them, messages when there are too many, and what is small and
changes often (states, sums) when it has been written anew as a whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from mailsla.schemas.facts.fact import Fact
from mailsla.schemas.facts.lines import decode_fact
from mailsla.schemas.facts.ops import MonitorHeartbeatFact
from mailsla.streams.latency.messages import LATENCY, Rows
from mailsla.streams.latency.tables import joined
from mailsla.streams.live.state.landed import matters_until_us
from mailsla.streams.runtime.checkpoint.state_log import (
    ROWS,
    Head,
    State,
    append_entries,
    append_rows,
    cut_off,
)
from mailsla.streams.runtime.checkpoint.writer import Outgoing
from mailsla.streams.time.intervals import FOREVER

TENANTS: Final = "tenants"
CONTRACTS: Final = "contracts"
FIRST_MAIL: Final = "first_mail"
LONG_AGO: Final = "long_ago"
"""Since when tenants have been heard of, of the facts that were given up."""
STATES: Final = "states"
SLOW: Final = "slow"
FOLDED: Final = "folded"
PANES: Final = "panes"
PUBLISHED: Final = "published"
OPEN: Final = "open"
"""What was touched in the tick that is not over, written anew at every checkpoint."""
TOLD: Final = "told"
"""The feed of the last checkpoint, where it leaves only after the head (`Outbox.told`)."""
FACTS: Final = "facts/"
HEARTBEATS: Final = "facts/heartbeats"


@dataclass
class _Kept:
    """A record of a log, until when it matters, µs, and how many latencies are in it."""

    number: int
    until_us: int
    latencies: int = 0


@dataclass
class StateLog:
    """The logs of one task; ``head`` is what the next checkpoint vouches for."""

    partition: int
    head: Head = field(default_factory=Head)
    _entries: dict[str, list[bytes]] = field(default_factory=dict)
    _until_us: dict[str, int] = field(default_factory=dict)
    _rows: list[Rows] = field(default_factory=list)
    _kept: dict[str, list[_Kept]] = field(default_factory=dict)
    _tombstones: list[Outgoing] = field(default_factory=list)
    """Of what this checkpoint gives up; those of the last one may be written now."""
    _erased: list[Outgoing] = field(default_factory=list)
    _tenants: int = 0

    @property
    def pending(self) -> int:
        """Rows that wait for the next checkpoint."""
        return sum(len(rows) for rows in self._rows)

    def marks(self) -> dict[str, int]:
        """The number of the next record of each log."""
        return {log: numbers[1] for log, numbers in self.head.logs.items()}

    def restore(self, state: State) -> None:
        """Go on with the state of a former life."""
        self.head = state.head
        self._tenants = sum(1 for _ in state.of(TENANTS))
        for number, rows, _ in state.rows:
            self._kept.setdefault(ROWS, []).append(_kept_rows(number, rows))
        for log, records in state.entries.items():
            for number, entries in records:
                until_us = self.head.latest_us if log == PANES else 0
                if log.startswith(FACTS):
                    # A record without a whole entry goes on in the next, and is kept with it.
                    ends = (matters_until_us(decode_fact(entry)) for entry in entries)
                    until_us = max(ends, default=FOREVER)
                self._kept.setdefault(log, []).append(_Kept(number, until_us))

    def add_rows(self, rows: Rows) -> None:
        """Messages to be kept."""
        if len(rows):
            self._rows.append(rows)

    def add_fact(self, fact: Fact, line: bytes) -> None:
        """A fact, and its line, to be kept as long as an open month can need it."""
        log = HEARTBEATS if isinstance(fact, MonitorHeartbeatFact) else f"{FACTS}{fact.topic}"
        self.add(log, line, until_us=matters_until_us(fact))

    def add(self, log: str, *entries: bytes, until_us: int = 0) -> None:
        """Entries of a log, and until when they matter, where that says when it is cut off."""
        if entries:
            self._entries.setdefault(log, []).extend(entries)
            self._until_us[log] = max(until_us, self._until_us.get(log, 0))

    def rewrite(self, log: str, entries: Sequence[bytes]) -> None:
        """Write a log anew; what it held before is given up."""
        self._entries[log] = list(entries)
        self._tombstones += cut_off(self.partition, self.head, log, self.head.next(log))
        self._kept.pop(log, None)

    def records(self, tenants: Sequence[str], flights: tuple[Rows, list[str]]) -> list[Outgoing]:
        """What the next checkpoint writes, before its head.

        Tombstones of what was given up come with the checkpoint after, when the head no longer
        vouches for it.

        Args:
            tenants: the names of all tenants, in the order of their numbers.
            flights: messages in flight that the state does not know yet.

        """
        made, self._erased, self._tombstones = self._erased, self._tombstones, []
        self.add(TENANTS, *(name.encode() for name in tenants[self._tenants :]))
        self._tenants = len(tenants)
        for log, entries in self._entries.items():
            until_us = self._until_us.get(log, 0)
            for number, record in append_entries(self.partition, self.head, log, entries):
                self._kept.setdefault(log, []).append(_Kept(number, until_us))
                made.append(record)
        self._entries, self._until_us = {}, {}
        rows, names = joined(*self._rows, flights[0]), flights[1]
        self._rows = []
        for number, piece, record in append_rows(self.partition, self.head, rows, names):
            self._kept.setdefault(ROWS, []).append(_kept_rows(number, piece))
            made.append(record)
        return made

    # Forgetting.

    def excess(self, most: int) -> int:
        """How many latencies must go so that no more than ``most`` are left, in whole records."""
        held = sum(record.latencies for record in self._kept.get(ROWS, ()))
        if held <= most:
            return 0
        forgotten = 0
        for record in self._kept[ROWS]:
            if held - forgotten <= most * 3 // 4:
                break
            forgotten += record.latencies
        return forgotten

    def forget_rows(self, latencies: int) -> None:
        """Give up the first records that hold so many latencies."""
        kept = self._kept.get(ROWS, [])
        while kept and latencies > 0:
            latencies -= kept.pop(0).latencies
        self._cut(ROWS)

    def forget(self, before_us: int) -> None:
        """Give up what no month that begins at or after an instant can need."""
        for log, kept in self._kept.items():
            if log in {ROWS, PANES} or log.startswith(FACTS):
                while kept and kept[0].until_us < before_us:
                    kept.pop(0)
                self._cut(log)

    def _cut(self, log: str) -> None:
        kept = self._kept.get(log, [])
        first = kept[0].number if kept else self.head.next(log)
        self._tombstones += cut_off(self.partition, self.head, log, first)


def _kept_rows(number: int, rows: Rows) -> _Kept:
    latencies = int(np.count_nonzero(rows["kind"] == LATENCY))
    until_us = max(int(rows["accepted_us"].max()), int(rows["finished_us"].max()))
    return _Kept(number, until_us, latencies)
