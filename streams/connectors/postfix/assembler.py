"""Postfix log lines → `mail.mta` events: a state machine over the lines of one host.

Pure: `feed` takes a line, `advance` takes the time, both return events; `snapshot` and
`restore` carry the state across a restart. Ids are functions of the lines alone, so lines
that are fed again give the same events again.

Full reception is not logged. The estimate (measured against what clients saw) is the earlier
of the first `(queue active)` and the next line of the same smtpd process that proves the
message complete: `disconnect`, `lost connection`, `timeout`, or the session's next `client=`.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, Final

from streams.connectors.postfix.events import Event
from streams.connectors.postfix.incarnation import CLEANUP, PICKUP, SMTPD, UNSEEN, Incarnation
from streams.connectors.postfix.lines import (
    Active,
    Client,
    ConnectFailure,
    Expired,
    Held,
    MessageId,
    Notification,
    Pickup,
    Record,
    Refusal,
    RemoteTrouble,
    Removed,
    Requeued,
    Session,
    Status,
    TextParser,
    parser_of,
)
from streams.connectors.postfix.outcomes import Outcomes, queued_as
from streams.connectors.postfix.queue import Queue
from streams.connectors.postfix.refusals import refusal_events
from streams.connectors.postfix.relays import Facing, faced
from streams.connectors.postfix.site import Site
from streams.connectors.syslog import SyslogLine

_SNAPSHOT_VERSION: Final = 1
_CONNECT_MEMORY: Final = 4_096
_PROGRAM_MEMORY: Final = 4_096
# A second-resolution stamp may lie a second before the attempt it belongs to.
_STAMP_SLACK: Final = 1_000_000

Handler = Callable[[SyslogLine, str, Any], list[Event]]


class Assembler:
    """Feed it a host's lines in order; it returns the events each line completes.

    `counters`: `lines`, `ignored` (not of interest), `unmapped` (recipient results of domains
    that are no tenant's), `notifications`, `internal_hops`, `address_probes`, `evicted`.
    """

    def __init__(self, site: Site) -> None:
        self.counters: Counter[str] = Counter()
        self._site = site
        self._own = site.own_relays
        self._tenants = site.tenants
        self._outcomes = Outcomes(site, self.counters)
        self._queue = Queue(site.limits, self.counters, self._finish)
        # smtp process → (stamp of its failed connect, queue id of the attempt it belongs to)
        self._failed_connects: OrderedDict[str, tuple[int, str]] = OrderedDict()
        self._programs: dict[str, tuple[str, TextParser | None]] = {}
        self._late: list[Event] = []
        self._handlers: dict[type[Record], Handler] = {
            Client: self._on_client,
            Pickup: self._on_pickup,
            MessageId: self._on_message_id,
            Active: self._on_active,
            Status: self._on_status,
            Removed: self._on_removed,
            Session: self._on_session,
            Requeued: self._on_requeued,
            Expired: self._on_expired,
            Refusal: self._on_refusal,
            Notification: self._on_notification,
            RemoteTrouble: self._on_remote_trouble,
            ConnectFailure: self._on_connect_failure,
            Held: self._on_held,
        }

    def feed(self, line: SyslogLine) -> list[Event]:
        """The events one parsed line completes, in order; most lines complete none."""
        counters = self.counters
        counters["lines"] += 1
        known = self._programs.get(line.program)
        if known is None:
            known = self._learn_program(line.program)
        daemon, parse = known
        record = None if parse is None else parse(line.text)
        if record is None:
            counters["ignored"] += 1
            return []
        self._queue.tick(line.stamp)
        events = self._handlers[type(record)](line, daemon, record)
        if self._late:
            events = [*self._late, *events]
            self._late = []
        return events

    def advance(self, now: int) -> list[Event]:
        """Let time pass to `now` (µs): forget what is too old, finish what nobody handed back."""
        self._queue.tick(now)
        events, self._late = self._late, []
        return events

    def flush(self) -> list[Event]:
        """The end of the input: nothing removed will be handed back any more."""
        self._queue.release_all()
        events, self._late = self._late, []
        return events

    @property
    def open_messages(self) -> int:
        """Incarnations held, removed ones that linger included."""
        return len(self._queue)

    def _learn_program(self, program: str) -> tuple[str, TextParser | None]:
        if len(self._programs) > _PROGRAM_MEMORY:
            self._programs.clear()
        name, _, daemon = program.rpartition("/")
        known = (daemon, parser_of(daemon) if name else None)
        self._programs[program] = known
        return known

    def _finish(self, root: Incarnation, stamp: int) -> None:
        """All incarnations of a root are gone: what was announced and never finished ends."""
        reason = "handed to an own relay and not seen again"
        self._late += self._outcomes.left_behind(root, "discarded", stamp, reason)

    # Reception

    def _on_client(self, line: SyslogLine, daemon: str, record: Client) -> list[Event]:
        session = f"{line.host} {line.pid}"
        held = self._queue.open_now(line.host, record.queue_id)
        if held is not None and self._same_birth(held, line):
            held.origin = SMTPD
            held.birth = min(held.birth, line.stamp) if not held.settled else held.birth
        else:
            held = self._queue.open(line.host, record.queue_id, SMTPD, line.stamp)
        self._end_session_message(session, line.stamp, held)
        held.client, held.user = record.address, record.user
        self._queue.sessions[session] = held
        held.session = session
        if record.original:
            root = self._queue.find(line.host, record.original)
            if root is not None:
                held.adopt(root)
        return []

    def _same_birth(self, held: Incarnation, line: SyslogLine) -> bool:
        """The line again, or cleanup's line was written before smtpd's."""
        if held.origin == SMTPD:
            return held.birth == line.stamp
        return (
            held.origin == CLEANUP
            and not held.settled
            and held.active is None
            and abs(held.birth - line.stamp) <= _STAMP_SLACK
        )

    def _end_session_message(
        self, session: str, stamp: int, successor: Incarnation | None = None
    ) -> None:
        held = self._queue.sessions.pop(session, None)
        if held is None or held is successor:
            return
        held.session = None
        held.received_by(stamp)
        if not held.has_content:
            # No header was read: the client gave up before it sent the message.
            self._queue.doubt(held, stamp)

    def _on_session(self, line: SyslogLine, daemon: str, record: Session) -> list[Event]:
        session = f"{line.host} {line.pid}"
        held = self._queue.sessions.get(session)
        if held is None:
            return []
        if record.after == "DATA" and held.active is None and held.closed is None:
            del self._queue.sessions[session]
            self._queue.drop(held)
        else:
            self._end_session_message(session, line.stamp)
        return []

    def _on_pickup(self, line: SyslogLine, daemon: str, record: Pickup) -> list[Event]:
        held = self._queue.open_now(line.host, record.queue_id)
        if held is None or held.origin != PICKUP or held.birth != line.stamp:
            held = self._queue.open(line.host, record.queue_id, PICKUP, line.stamp)
        held.sender = record.sender
        held.received_by(line.stamp)  # it lay complete in the maildrop
        if record.original:
            root = self._queue.find(line.host, record.original)
            if root is not None:
                held.adopt(root)
        return []

    def _on_message_id(self, line: SyslogLine, daemon: str, record: MessageId) -> list[Event]:
        held = self._queue.open_now(line.host, record.queue_id)
        if held is None or (held.header_id is not None and held.header_id != record.message_id):
            held = self._queue.open(line.host, record.queue_id, CLEANUP, line.stamp)
        earlier = self._queue.with_header(line.host, record.message_id)
        if (
            earlier is not None
            and earlier is not held
            and held.root is held
            and earlier.expects_return
            and self._may_return(held)
        ):
            held.adopt(earlier, guessed=True)
        self._queue.name(held, record.message_id)
        return []

    def _may_return(self, held: Incarnation) -> bool:
        """Whether it came the way a content filter, a requeue or a forward comes back."""
        if held.origin == SMTPD:
            return held.user is None and self._own.holds_host(held.client or "")
        return True

    def _on_active(self, line: SyslogLine, daemon: str, record: Active) -> list[Event]:
        held = self._queue.find(line.host, record.queue_id)
        if held is None or self._is_stale(held, line.stamp):
            held = self._queue.open(line.host, record.queue_id, UNSEEN, line.stamp)
        if held.guessed:
            held.refute(record.sender)
        held.sender = record.sender
        held.size = record.size
        held.count = record.recipients
        if held.active is None:
            held.received_by(line.stamp)
        held.active = line.stamp
        return []

    def _is_stale(self, held: Incarnation, stamp: int) -> bool:
        """A line long after the removal belongs to a later message under a used-again id."""
        return held.closed is not None and stamp > held.closed + _STAMP_SLACK

    def _on_held(self, line: SyslogLine, daemon: str, record: Held) -> list[Event]:
        self.counters["held" if record.on else "released"] += 1
        return []

    def _on_refusal(self, line: SyslogLine, daemon: str, record: Refusal) -> list[Event]:
        held = self._queue.find(line.host, record.queue_id) if record.queue_id else None
        if record.queue_id is None and daemon == "smtpd":
            self._end_session_message(f"{line.host} {line.pid}", line.stamp)
        events = refusal_events(line, record, held, self._tenants, self.counters)
        if held is not None and daemon == "cleanup":
            self._queue.drop(held)
        return events

    def _on_notification(self, line: SyslogLine, daemon: str, record: Notification) -> list[Event]:
        notice = self._queue.open_now(line.host, record.notice)
        if notice is not None and notice.origin == CLEANUP:
            notice.notice = True
        return []

    # Delivery

    def _on_status(self, line: SyslogLine, daemon: str, record: Status) -> list[Event]:
        held = self._queue.find(line.host, record.queue_id)
        if held is None or self._is_stale(held, line.stamp):
            held = self._queue.open(line.host, record.queue_id, UNSEEN, line.stamp)
        if self._failed_connects:
            self._claim_failed_connect(line, record.queue_id)
        ours = self._tenants.of_address(record.recipient) is not None
        facing = faced(daemon, record, self._own, recipient_is_ours=ours)
        if facing is Facing.OWN_RELAY and self._tried_elsewhere(held, line):
            facing = Facing.FOREIGN
        held.attempted.add(record.recipient)
        if record.status == "sent":
            facing = self._follow_hop(held, record, facing)
        if facing is Facing.OWN_RELAY:
            held.own_hop = True
        return self._outcomes.of_attempt(held, record, line.stamp, facing)

    def _follow_hop(self, held: Incarnation, record: Status, facing: Facing) -> Facing:
        """Chain by `queued as Q2`; a next hop seen here is an own one, configured or not."""
        next_id = queued_as(record)
        if next_id is None or next_id == held.queue_id:
            return facing
        following = self._queue.find(held.host, next_id)
        if following is None or following.user is not None:
            return facing
        if (
            following.header_id is not None
            and following.header_id == held.header_id
            and following.birth >= held.birth
        ):
            following.adopt(held)
        return Facing.OWN_RELAY if following.root is held.root else facing

    def _tried_elsewhere(self, held: Incarnation, line: SyslogLine) -> bool:
        """Foreign servers failed in this same attempt before a fallback relay took it."""
        since = held.active or held.birth
        if held.remote_trouble is not None and held.remote_trouble >= since:
            return True
        stamp, queue_id = self._failed_connects.get(f"{line.host} {line.pid}", (0, ""))
        return queue_id == held.queue_id and stamp >= since

    def _claim_failed_connect(self, line: SyslogLine, queue_id: str) -> None:
        """A failed connect names no message: it belongs to the process's next status line."""
        key = f"{line.host} {line.pid}"
        failed = self._failed_connects.get(key)
        if failed is None:
            return
        if failed[1] == "":
            self._failed_connects[key] = (failed[0], queue_id)
        elif failed[1] != queue_id:
            del self._failed_connects[key]

    def _on_remote_trouble(
        self, line: SyslogLine, daemon: str, record: RemoteTrouble
    ) -> list[Event]:
        held = self._queue.find(line.host, record.queue_id)
        if held is not None and daemon == "smtp" and not self._own.holds(record.server):
            held.remote_trouble = line.stamp
        return []

    def _on_connect_failure(
        self, line: SyslogLine, daemon: str, record: ConnectFailure
    ) -> list[Event]:
        if daemon == "smtp" and not self._own.holds(record.server):
            key = f"{line.host} {line.pid}"
            self._failed_connects[key] = (line.stamp, "")
            self._failed_connects.move_to_end(key)
            if len(self._failed_connects) > _CONNECT_MEMORY:
                self._failed_connects.popitem(last=False)
        return []

    # The end

    def _on_removed(self, line: SyslogLine, daemon: str, record: Removed) -> list[Event]:
        held = self._queue.open_now(line.host, record.queue_id)
        if held is None:
            return []
        events: list[Event] = []
        if record.by_operator:
            events = self._outcomes.left_behind(
                held.root, "discarded", line.stamp, "deleted by the operator", held.serial
            )
        self._queue.close(held, line.stamp)
        return events

    def _on_requeued(self, line: SyslogLine, daemon: str, record: Requeued) -> list[Event]:
        held = self._queue.open_now(line.host, record.queue_id)
        if held is not None:
            held.requeued = True
            self._queue.close(held, line.stamp)
        return []

    def _on_expired(self, line: SyslogLine, daemon: str, record: Expired) -> list[Event]:
        held = self._queue.open_now(line.host, record.queue_id)
        if held is None:
            return []
        reason = "returned to sender, too old"
        return self._outcomes.left_behind(held.root, "expired", line.stamp, reason, held.serial)

    # State

    def snapshot(self) -> dict[str, Any]:
        """The whole state as JSON-able values; independent of this assembler from now on."""
        return {
            "version": _SNAPSHOT_VERSION,
            "queue": self._queue.snapshot(),
            "failed_connects": [[key, *failed] for key, failed in self._failed_connects.items()],
            "counters": dict(self.counters),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot, in place of the present state. Raises ValueError."""
        if state.get("version") != _SNAPSHOT_VERSION:
            raise ValueError(
                f"The saved state has version {state.get('version')!r}, not {_SNAPSHOT_VERSION}; "
                "remove the state file to start afresh."
            )
        self._queue.restore(state["queue"])
        self._failed_connects = OrderedDict(
            (key, (stamp, queue_id)) for key, stamp, queue_id in state["failed_connects"]
        )
        self.counters.clear()
        self.counters.update(state["counters"])
