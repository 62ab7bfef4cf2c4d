"""Raw log records → `mail.mta` events: unwrapping, parsing and assembling in one object.

Serves a file (`mailsla ship postfix`) and the agent that consumes `raw.maillog` alike.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any, Final, NamedTuple

from mailsla.streams.connectors.bounded import MAX_LINE_BYTES
from mailsla.streams.connectors.dialects import tag_in
from mailsla.streams.connectors.postfix.assemble.assembler import Assembler, check_version
from mailsla.streams.connectors.postfix.assemble.events import Event, progress_event
from mailsla.streams.connectors.postfix.assemble.hops import Hops
from mailsla.streams.connectors.postfix.assemble.queue import load_incarnations
from mailsla.streams.connectors.postfix.site import Site
from mailsla.streams.connectors.shipper import UnreadableRecordError, lines_of
from mailsla.streams.connectors.stamps import StampReader, to_datetime, to_micros
from mailsla.streams.connectors.syslog import parse_line

NO_HOST: Final = "localhost"
"""The host of lines that name none, where the caller names none either."""

_HOST_LIMIT: Final = 4_096
_UNNAMED: Final = "-"


class Location(NamedTuple):
    """Host (empty where the line names none) and time of a line, and whether it is Postfix's."""

    host: str
    time: datetime
    is_postfix: bool


class PostfixConnector:
    """Feed it raw records in order; it returns their events. No I/O, no clock.

    Each host is assembled by its own log's time, so that hosts may be read with different
    delays; a message that one hands to another stays one message (`hops.Hops`). `reference`
    completes RFC 3164 stamps (see StampReader): the file's modification time, or left out
    where each record brings `received_at`; `year` is that of its first line, where it is known.
    """

    def __init__(
        self, site: Site, reference: datetime | None = None, year: int | None = None
    ) -> None:
        self._site = site
        self._reference, self._year = reference, year
        self._hops = Hops(site.own_relays)
        self._hosts: dict[str, Assembler] = {}
        self._readers: dict[str, StampReader] = {}
        self._counters: Counter[str] = Counter()
        self._examples: dict[str, str] = {}
        self.last_problem: str | None = None
        self.hosts_fed: set[str] = set()
        """The hosts of the lines fed to this object, restored ones left out."""

    @property
    def counters(self) -> Counter[str]:
        """What was read and left out, by name, over all hosts.

        `unreadable` (no line can be made of the record), `cut` (lines beyond `MAX_LINE_BYTES`),
        `unparsed` (no log line), `unstamped` (of Postfix, but without a stamp that is known) and
        what Assembler counts.
        """
        total = Counter(self._counters)
        for assembler in self._hosts.values():
            total.update(assembler.counters)
        return total

    @property
    def open_messages(self) -> int:
        """Messages held in memory."""
        return sum(assembler.open_messages for assembler in self._hosts.values())

    def feed(
        self, raw: bytes, *, host: str | None = None, received_at: datetime | None = None
    ) -> list[Event]:
        """The events one record completes.

        `host` is the record's key: it stands in for a host the record does not name, and each
        key has its own course of RFC 3164 years. An unreadable record gives no event; it is
        counted, and `last_problem` says why.
        """
        if raw in (b"", b"\n", b"\r\n"):
            return []
        try:
            texts = lines_of(raw, host)
        except UnreadableRecordError as error:
            self._counters["unreadable"] += 1
            self.last_problem = str(error)
            return []
        reader = self._readers.get(host or "")
        if reader is None:
            reader = self._readers[host or ""] = self._reader()
        if received_at is not None:
            reader.refer(received_at)
        events: list[Event] = []
        for text in texts:
            self._counters["cut"] += len(text) > MAX_LINE_BYTES
            events += self._feed_line(text[:MAX_LINE_BYTES], reader, host)
        return events

    def _feed_line(self, text: str, reader: StampReader, host: str | None) -> list[Event]:
        line = parse_line(text, reader, host or NO_HOST)
        if line is None:
            name = "unstamped" if tag_in(text) else "unparsed"
            self._counters[name] += 1
            self._examples.setdefault(name, text[:300])
            return []
        self.hosts_fed.add(line.host)
        assembler = self._hosts.get(line.host)
        if assembler is None:
            if "/" not in line.program:  # no Postfix daemon: not worth a state of its own
                self._counters["lines"] += 1
                self._counters["other_programs"] += 1
                return []
            assembler = self._add_host(line.host)
        return assembler.feed(line)

    def locate(self, raw: bytes, received_at: datetime | None = None) -> Location | None:
        """Where and when the first line of a record was written; nothing is fed.

        `received_at` completes a stamp without a year, as in `feed`. None for what is no log
        line, and for an unreadable record.
        """
        try:
            texts = lines_of(raw, _UNNAMED)
        except UnreadableRecordError:
            return None
        reader = self._reader()
        if received_at is not None:
            reader.refer(received_at)
        for text in texts:
            line = parse_line(text[:MAX_LINE_BYTES], reader)
            if line is not None:
                host = "" if line.host == _UNNAMED else line.host
                return Location(host, to_datetime(line.stamp), "/" in line.program)
        return None

    @property
    def misunderstood(self) -> dict[str, tuple[int, str]]:
        """Kinds of Postfix lines that were not understood: how many, and the first of them."""
        found: dict[str, tuple[int, str]] = {
            name: (self._counters[name], example) for name, example in self._examples.items()
        }
        for assembler in self._hosts.values():
            for kind, (count, example) in assembler.misunderstood.items():
                seen = found.get(kind, (0, example))
                found[kind] = (seen[0] + count, seen[1])
        return found

    @property
    def log_time(self) -> datetime | None:
        """The newest stamp of the log, over all hosts; None before the first line."""
        reached = max((assembler.reached for assembler in self._hosts.values()), default=0)
        return to_datetime(reached) if reached else None

    def progress(self, reached: datetime) -> list[Event]:
        """`source.progress` of every host, where the log has been read to `reached`.

        What a held-back result may still become has not been published: progress ends before.
        """
        undecided = [
            since
            for assembler in self._hosts.values()
            if (since := assembler.undecided_since) is not None
        ]
        until = min([to_micros(reached), *(since - 1 for since in undecided)])
        return [progress_event(host, until) for host in self._hosts]

    def _reader(self) -> StampReader:
        return StampReader(self._site.zone, self._reference, self._year)

    def _add_host(self, host: str) -> Assembler:
        if len(self._hosts) >= _HOST_LIMIT:
            for name in [n for n, idle in self._hosts.items() if idle.open_messages == 0]:
                self._hops.hosts.discard(name)
                self._counters.update(self._hosts.pop(name).counters)
        assembler = self._hosts[host] = Assembler(self._site, self._hops)
        self._hops.hosts.add(host)
        return assembler

    def advance(self, now: datetime) -> list[Event]:
        """Let time pass on every host without a line: for an input that is idle and caught up."""
        moment = to_micros(now)
        return [event for host in self._hosts.values() for event in host.advance(moment)]

    def flush(self) -> list[Event]:
        """The end of the input (see Assembler.flush)."""
        return [event for host in self._hosts.values() for event in host.flush()]

    def snapshot(self) -> dict[str, Any]:
        """The whole state, JSON-able."""
        return {
            "hosts": {name: assembler.snapshot() for name, assembler in self._hosts.items()},
            "stamps": {key: reader.last for key, reader in self._readers.items()},
            "hops": self._hops.snapshot(),
            "counters": dict(self._counters),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot, in place of the present state. Raises ValueError."""
        for saved in state["hosts"].values():
            check_version(saved)
        self._hosts, self._hops = {}, Hops(self._site.own_relays)
        stays = load_incarnations([saved["queue"] for saved in state["hosts"].values()])
        for name, saved in state["hosts"].items():
            self._add_host(name).restore(saved, stays)
        self._hops.restore(state["hops"], stays)
        self._readers = {}
        for key, last in state["stamps"].items():
            reader = self._readers[key] = self._reader()
            reader.resume(last)
        self._counters = Counter(state["counters"])
