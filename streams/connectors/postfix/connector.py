"""Raw log records → `mail.mta` events: unwrapping, parsing and assembling in one object.

Serves a file (`mailsla ship postfix`) and the agent that consumes `raw.maillog` alike.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from streams.connectors.postfix.assembler import Assembler
from streams.connectors.postfix.events import Event
from streams.connectors.postfix.site import Site
from streams.connectors.shipper import UnreadableRecordError, unwrap
from streams.connectors.stamps import StampReader, to_micros
from streams.connectors.syslog import parse_line


class PostfixConnector:
    """Feed it raw records in order; it returns their events. No I/O, no clock.

    `reference` completes RFC 3164 stamps (see StampReader): the file's modification time, or
    left out where each record brings `received_at`. The assembler's counters go on with
    `unreadable` (no line can be made of the record) and `unparsed` (not a log line).
    """

    def __init__(self, site: Site, reference: datetime | None = None) -> None:
        self._assembler = Assembler(site)
        self._site = site
        self._reference = reference
        self._readers: dict[str, StampReader] = {}
        self.last_problem: str | None = None

    @property
    def counters(self) -> Counter[str]:
        """What was read and left out, by name."""
        return self._assembler.counters

    @property
    def open_messages(self) -> int:
        """Messages held in memory."""
        return self._assembler.open_messages

    def feed(
        self, raw: bytes, *, host: str | None = None, received_at: datetime | None = None
    ) -> list[Event]:
        """The events one record completes.

        `host` is the record's key: it stands in for a host the record does not name, and each
        key has its own course of RFC 3164 years. An unreadable record gives no event; it is
        counted, and `last_problem` says why.
        """
        if not raw.strip():
            return []
        try:
            text = unwrap(raw, host)
        except UnreadableRecordError as error:
            self.counters["unreadable"] += 1
            self.last_problem = str(error)
            return []
        reader = self._readers.get(host or "")
        if reader is None:
            reader = self._readers[host or ""] = StampReader(self._site.zone, self._reference)
        if received_at is not None:
            reader.refer(received_at)
        line = parse_line(text, reader)
        if line is None:
            self.counters["unparsed"] += 1
            return []
        return self._assembler.feed(line)

    def advance(self, now: datetime) -> list[Event]:
        """Let time pass without a line (see Assembler.advance)."""
        return self._assembler.advance(to_micros(now))

    def flush(self) -> list[Event]:
        """The end of the input (see Assembler.flush)."""
        return self._assembler.flush()

    def snapshot(self) -> dict[str, Any]:
        """The whole state, JSON-able."""
        return {
            "assembler": self._assembler.snapshot(),
            "stamps": {key: reader.last for key, reader in self._readers.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot, in place of the present state. Raises ValueError."""
        self._assembler.restore(state["assembler"])
        self._readers = {}
        for key, last in state["stamps"].items():
            reader = self._readers[key] = StampReader(self._site.zone, self._reference)
            reader.resume(last)
