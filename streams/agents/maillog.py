"""One mail-log task: partition p of `raw.maillog`, assembled into `mail.mta` events.

The same shape as `streams.live.task.Task`: batches in, checkpoints out, nothing waits. Every
record key (a host) is assembled by a connector of its own, and the state of those that changed
goes out with each checkpoint. Ids are functions of the lines, so whatever is redelivered after
a crash makes the same events again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from schemas.codec import Rejection
from schemas.topics import MTA, RAW_MAILLOG
from streams.agents.maillog_state import MaillogState
from streams.connectors.postfix import PostfixConnector, Site
from streams.connectors.postfix.log_time import log_time
from streams.live.decode.dead_letters import dead_letter
from streams.live.task import Checkpoint
from streams.runtime.batches import RecordBatch
from streams.runtime.delivery import Outgoing

_IDLE_S: Final = 60.0
"""How long a host is silent before time passes on it without a line."""
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

    def snapshot(self) -> dict[str, Any]:
        state = self.connector.snapshot()
        self.reached = log_time(state)
        return state

    def restore(self, state: dict[str, Any]) -> None:
        self.connector.restore(state)
        self.reached = log_time(state)


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

    @property
    def pending(self) -> int:
        """Lines and events that wait for the next checkpoint."""
        return self._applied + len(self._outgoing)

    @property
    def dirty(self) -> bool:
        """Whether anything has changed since the last checkpoint."""
        return self._next is not None or bool(self._changed)

    @property
    def open_messages(self) -> int:
        """Messages held in memory."""
        return sum(host.connector.open_messages for host in self._hosts.values())

    def restore(self, records: Mapping[bytes, bytes], now_s: float) -> None:
        """Take over the state as the state topic holds it.

        Raises:
            StateError: it cannot be used; the message says what to do.

        """
        for key, snapshot in self._state.read(records).items():
            self._host(key, now_s).restore(snapshot)

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
        return len(fresh)

    def advance(self, now_s: float) -> None:
        """Let time pass on the hosts that are silent: by their own log's time, not by ours.

        A host's log may be old, or arrive late; what the system clock says is therefore not
        its time, only how much of it has gone by.
        """
        for key, host in self._hosts.items():
            if host.reached is None or now_s < host.since_s + _IDLE_S or key in self._changed:
                continue
            host.reached += timedelta(seconds=now_s - host.since_s)
            host.since_s = now_s
            before = host.connector.open_messages
            events = host.connector.advance(host.reached)
            self._outgoing += [_outgoing(event) for event in events]
            if host.connector.open_messages != before:
                self._changed.add(key)

    def checkpoint(self) -> Checkpoint:
        """Everything since the last checkpoint; the caller makes it durable, then `settle`s."""
        dropped = self._forget_finished()
        changed = {key: self._hosts[key].snapshot() for key in sorted(self._changed)}
        offset = self._state.offset if self._next is None else self._next
        records, head = self._state.write(changed, dropped, offset)
        offsets = {} if self._next is None else {(RAW_MAILLOG.name, self.partition): offset}
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
        host = self._host(key, now_s)
        host.since_s = now_s
        self._changed.add(key)
        received_at = datetime.fromtimestamp(int(batch.timestamps_us[place]) // 1_000_000, UTC)
        events = host.connector.feed(value, host=key or None, received_at=received_at)
        self._outgoing += [_outgoing(event) for event in events]
        self.counters.lines += 1
        self.counters.events += len(events)
        problem = host.connector.last_problem
        if problem is not None:
            host.connector.last_problem = None
            self.counters.unreadable += 1
            self._outgoing.append(dead_letter(batch, place, Rejection(problem)))

    def _forget_finished(self) -> list[str]:
        """Beyond the limit of hosts, drop the silent ones that hold no message."""
        if len(self._hosts) <= _KEY_LIMIT:
            return []
        finished = [
            key
            for key, host in self._hosts.items()
            if key not in self._changed and host.connector.open_messages == 0
        ]
        for key in finished:
            del self._hosts[key]
        return finished


def _outgoing(event: Mapping[str, Any]) -> Outgoing:
    return Outgoing(MTA.name, event["tenant_id"].encode(), orjson.dumps(event))
