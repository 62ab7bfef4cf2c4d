"""One mail-log task: partition p of `raw.maillog`, assembled into `mail.mta` events.

The same shape as `mailsla.streams.live.task.Task`: batches in, checkpoints out, nothing waits.
Every record key (a host) is assembled by a connector of its own, and the state of those that
changed goes out with each checkpoint. Ids are functions of the lines, so whatever is redelivered
after a crash makes the same events again. A record that is not keyed by its host is published once
more under it (`maillog_rekeying`), or is a dead letter where nothing names a host.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from mailsla.schemas.codec.records import Rejection
from mailsla.schemas.topics import MTA, OPS, RAW_MAILLOG
from mailsla.streams.connectors.postfix import PostfixConnector, Site
from mailsla.streams.connectors.stamps import to_micros
from mailsla.streams.maillog.rekeying import Reordering, is_key_of, mark, marked
from mailsla.streams.maillog.state import MaillogState
from mailsla.streams.runtime.checkpoint.contents import Checkpoint
from mailsla.streams.runtime.checkpoint.writer import Outgoing
from mailsla.streams.runtime.dead_letters import dead_letter
from mailsla.streams.runtime.faust_app.batches import RecordBatch

_IDLE_S: Final = 60.0
"""How long a host is silent before time passes on it without a line."""
_PROGRESS_S: Final = 30.0
"""How often the logs that are read to their end say so."""
_NO_HOST: Final = (
    "The record has no key, and neither its line nor a field names a host; "
    "key raw.maillog by the host that wrote the lines."
)
_KEY_LIMIT: Final = 4_096
_LONGEST_KEY: Final = 255


@dataclass
class MaillogCounters:
    """What a task has seen since it was claimed."""

    lines: int = 0
    events: int = 0
    unreadable: int = 0
    tombstones: int = 0


class _Host:
    """The connector of one record key, and where its time stands."""

    def __init__(self, site: Site, now_s: float) -> None:
        self.connector = PostfixConnector(site)
        self.reached: datetime | None = None
        """the log's own time, as of the last snapshot or advance"""
        self.since_s = now_s
        """system time of the last line or advance"""
        self.waiting = Reordering()
        self.received: datetime | None = None
        """when the broker had the newest line"""
        self.told: datetime | None = None
        """the log's time that was published as its progress"""

    def snapshot(self) -> dict[str, Any]:
        self.reached = self.connector.log_time
        return {**self.connector.snapshot(), "waiting": self.waiting.snapshot()}

    def restore(self, state: dict[str, Any], now_s: float) -> None:
        self.connector.restore(state)
        self.waiting.restore(state["waiting"], now_s)
        self.reached = self.connector.log_time


class MaillogTask:
    """The assembler of one partition.

    Args:
        partition: number of the partition.
        site: tenants, own relays and zone of the provider.
    """

    def __init__(self, partition: int, site: Site) -> None:
        self.partition = partition
        self.counters = MaillogCounters()
        self._site = site
        self._state = MaillogState(partition)
        self._hosts: dict[str, _Host] = {}
        self._changed: set[str] = set()
        self._outgoing: list[Outgoing] = []
        self._applied = 0
        self._next: int | None = None
        self._locator = PostfixConnector(site)
        self._first_held: int | None = None
        self._at_end = False
        self._progress_at = 0.0

    @property
    def pending(self) -> int:
        """Lines and events that wait for the next checkpoint."""
        return self._applied + len(self._outgoing)

    @property
    def dirty(self) -> bool:
        """Whether anything has changed since the last checkpoint."""
        return self._next is not None or bool(self._changed) or bool(self._outgoing)

    @property
    def open_messages(self) -> int:
        """Messages held in memory."""
        return sum(host.connector.open_messages for host in self._hosts.values())

    @property
    def misunderstood(self) -> Counter[str]:
        """How many lines of each kind were not understood, over all hosts."""
        found: Counter[str] = Counter()
        for host in self._hosts.values():
            found.update({kind: seen[0] for kind, seen in host.connector.misunderstood.items()})
        return found

    @property
    def cut_lines(self) -> int:
        """How many lines were too long to be read whole, over all hosts."""
        return sum(host.connector.counters["cut"] for host in self._hosts.values())

    def restore(self, records: Mapping[bytes, bytes], now_s: float) -> None:
        """Take over the state as the state topic holds it.

        Raises:
            StateError: it cannot be used; the message says what to do.

        """
        for key, snapshot in self._state.read(records).items():
            self._host(key, now_s).restore(snapshot, now_s)

    def apply(self, batch: RecordBatch, now_us: int, now_s: float) -> int:
        """Apply a batch; what was applied before is skipped by its offset.

        Args:
            batch: records of `raw.maillog`.
            now_us: system time, µs since 1970; not needed, records bring the broker's.
            now_s: system time, monotonic seconds.

        Returns:
            The number of records that were new.

        """
        fresh = batch.after(self._state.offset if self._next is None else self._next)
        if fresh is None:
            self._next = self._state.offset if self._next is None else self._next
            return 0
        for place, value in enumerate(fresh.values):
            if value is None:
                self.counters.tombstones += 1
            else:
                self._apply_record(fresh, place, value, now_s)
        self._applied += len(fresh)
        self._next = fresh.next_offset
        self._at_end = fresh.at_end
        return len(fresh)

    def advance(self, now_s: float) -> None:
        """Let time pass: feed what has waited for its order, finish what nobody goes on with.

        A silent host's time goes on by its own log, not by ours: its log may be old, or arrive
        late; what the system clock says is therefore not its time, only how much has gone by.
        """
        for key, host in self._hosts.items():
            for value, received in host.waiting.due(now_s):
                self._feed(key, host, value, received, now_s)
            if host.reached is None or now_s < host.since_s + _IDLE_S or key in self._changed:
                continue
            host.reached += timedelta(seconds=now_s - host.since_s)
            host.since_s = now_s
            before = host.connector.open_messages
            events = host.connector.advance(host.reached)
            self._outgoing += [_outgoing(MTA.name, event) for event in events]
            if host.connector.open_messages != before or events:
                self._changed.add(key)
        if self._first_held is not None and not any(
            len(host.waiting) for host in self._hosts.values()
        ):
            self._first_held = None
            self._next = self._state.offset if self._next is None else self._next
        if self._at_end and now_s >= self._progress_at:
            self._progress_at = now_s + _PROGRESS_S
            self._tell_progress()

    def _tell_progress(self) -> None:
        """How far each host's log is known: to its newest line.

        A host that sends nothing may be quiet or cut off; that cannot be told apart here.
        """
        for host in self._hosts.values():
            reached = host.connector.log_time
            if reached is None or reached == host.told or len(host.waiting):
                continue
            host.told = reached
            # A wrong stamp may have carried the log's time beyond the present.
            until = reached if host.received is None else min(reached, host.received)
            events = host.connector.progress(until)
            self._outgoing += [_outgoing(OPS.name, event) for event in events]

    def checkpoint(self) -> Checkpoint:
        """Everything since the last checkpoint; the caller makes it durable, then `settle`s."""
        dropped = self._forget_finished()
        changed = {key: self._hosts[key].snapshot() for key in sorted(self._changed)}
        offset = self._state.offset if self._next is None else self._next
        records, head = self._state.write(changed, dropped, offset)
        # What waits for its order is in the state, but not done with: the group lags behind it.
        done = offset if self._first_held is None else min(offset, self._first_held)
        offsets = {} if self._next is None else {(RAW_MAILLOG.name, self.partition): done}
        return Checkpoint([*self._outgoing, *records], head, offsets)

    def settle(self) -> None:
        """The last checkpoint is durable."""
        self._outgoing, self._changed, self._applied, self._next = [], set(), 0, None

    def _host(self, key: str, now_s: float) -> _Host:
        host = self._hosts.get(key)
        if host is None:
            host = self._hosts[key] = _Host(self._site, now_s)
        return host

    def _apply_record(self, batch: RecordBatch, place: int, value: bytes, now_s: float) -> None:
        key = (batch.keys[place] or b"")[:_LONGEST_KEY].decode("utf-8", "replace")
        received_us = int(batch.timestamps_us[place])
        received = datetime.fromtimestamp(received_us // 1_000_000, UTC)
        first_received = marked(value)
        if first_received is None and key and _names(value, key):
            location = None
        else:
            location = self._locator.locate(value, first_received or received)
        if first_received is not None and location is not None:
            host = self._host(key, now_s)
            host.waiting.add(to_micros(location.time), first_received, value, now_s)
            self._changed.add(key)
            if self._first_held is None:
                self._first_held = int(batch.offsets[place])
            return
        if location is not None and location.host and not is_key_of(key, location.host):
            if location.is_postfix:  # lines of other programs make no events
                again = mark(value, received_us)
                self._outgoing.append(Outgoing(RAW_MAILLOG.name, location.host.encode(), again))
            return
        if not key:
            self.counters.unreadable += 1
            self._outgoing.append(dead_letter(batch, place, Rejection(_NO_HOST)))
            return
        host = self._host(key, now_s)
        self._feed(key, host, value, received, now_s)
        problem = host.connector.last_problem
        if problem is not None:
            host.connector.last_problem = None
            self.counters.unreadable += 1
            self._outgoing.append(dead_letter(batch, place, Rejection(problem)))

    def _feed(self, key: str, host: _Host, value: bytes, received: datetime, now_s: float) -> None:
        host.since_s, host.received = now_s, received
        self._changed.add(key)
        events = host.connector.feed(value, host=key, received_at=received)
        self._outgoing += [_outgoing(MTA.name, event) for event in events]
        self.counters.lines += 1
        self.counters.events += len(events)

    def _forget_finished(self) -> list[str]:
        """Beyond the limit of hosts, drop the silent ones that hold no message."""
        if len(self._hosts) <= _KEY_LIMIT:
            return []
        finished = [
            key
            for key, host in self._hosts.items()
            if key not in self._changed
            and host.connector.open_messages == 0
            and not len(host.waiting)
        ]
        for key in finished:
            del self._hosts[key]
        return finished


def _names(value: bytes, key: str) -> bool:
    """Whether a record plainly stands under its host: that is the rule, and quickly seen."""
    name = key.encode()
    return (b" %b " % name) in value[:160] or (b'"%b"' % name) in value


def _outgoing(topic: str, event: Mapping[str, Any]) -> Outgoing:
    return Outgoing(topic, event["tenant_id"].encode(), orjson.dumps(event))
