"""Postfix log lines → `mail.mta` events: a state machine over the lines of one host.

Pure: `feed` takes a line, `advance` takes the time, both return events; `snapshot` and
`restore` carry the state across a restart. Ids are functions of the lines alone, so lines
that are fed again give the same events again.

Full reception is not logged. The estimate (measured against what clients saw) is the earlier
of the first `(queue active)` and the next line of the same smtpd process that proves the
message complete: `disconnect`, `lost connection`, `timeout`, or the session's next `client=`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from mailsla.streams.connectors.postfix.assemble.attempts import STAMP_SLACK, Attempts, is_stale
from mailsla.streams.connectors.postfix.assemble.events import Event
from mailsla.streams.connectors.postfix.assemble.hops import Hops, names_nothing
from mailsla.streams.connectors.postfix.assemble.incarnation import (
    CLEANUP,
    PICKUP,
    SMTPD,
    UNSEEN,
    Incarnation,
)
from mailsla.streams.connectors.postfix.assemble.outcomes import Outcomes
from mailsla.streams.connectors.postfix.assemble.queue import MailQueue
from mailsla.streams.connectors.postfix.assemble.refusals import refusal_events
from mailsla.streams.connectors.postfix.read.harmless import Misunderstood, is_harmless, kind_of
from mailsla.streams.connectors.postfix.read.lines import (
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
    StatusLine,
    TextParser,
    parser_of,
)
from mailsla.streams.connectors.postfix.site import Site
from mailsla.streams.connectors.syslog import SyslogLine

_SNAPSHOT_VERSION: Final = 2
_PROGRAM_MEMORY: Final = 4_096

Handler = Callable[[SyslogLine, str, Any], list[Event]]


class Assembler:
    """Feed it a host's lines in order; it returns the events each line completes.

    `hops` is shared by the assemblers of all hosts.

    `counters`: `lines`, `harmless` (Postfix says nothing of a message's fate), `other_programs`,
    `not_understood` (also by kind, with an example, in `misunderstood`), `unmapped` (results of
    domains that are no tenant's), `relayed_inbound` (received mail handed to a host that is not
    known for a store), `notifications`, `internal_hops`, `address_probes`, `evicted`.
    """

    def __init__(self, site: Site, hops: Hops) -> None:
        self.counters: Counter[str] = Counter()
        self._misunderstood = Misunderstood(self.counters)
        self._own = site.own_relays
        self._tenants = site.tenants
        self._outcomes = Outcomes(site, self.counters)
        self._hops = hops
        self._attempts = Attempts(site, self._outcomes, hops, self._misunderstood)
        self._queue = MailQueue(
            site.limits, self.counters, hops, self._attempts.decide_now, self._finish
        )
        self._attempts.queue = self._queue
        self._programs: dict[str, tuple[str, TextParser | None]] = {}
        self._handlers: dict[type[Record], Handler] = {
            Client: self._on_client,
            Pickup: self._on_pickup,
            MessageId: self._on_message_id,
            Active: self._on_active,
            StatusLine: self._attempts.on_status,
            Removed: self._on_removed,
            Session: self._on_session,
            Requeued: self._on_requeued,
            Expired: self._on_expired,
            Refusal: self._on_refusal,
            Notification: self._on_notification,
            RemoteTrouble: self._attempts.on_remote_trouble,
            ConnectFailure: self._attempts.on_connect_failure,
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
            self._note_unread(line, daemon, parse)
            return []
        self._attempts.end_waiting(line.stamp)
        self._queue.tick(line.stamp)
        events = self._handlers[type(record)](line, daemon, record)
        if self._attempts.late:
            events = [*self._attempts.take_late(), *events]
        return events

    def advance(self, now: int) -> list[Event]:
        """Let time pass to `now` (µs): forget what is too old, finish what nobody handed back."""
        self._attempts.end_waiting(now)
        self._queue.tick(now)
        return self._attempts.take_late()

    def flush(self) -> list[Event]:
        """The end of the input: nothing more will decide what waits or hand back what left."""
        self._attempts.decide_all()
        self._queue.release_all()
        return self._attempts.take_late()

    @property
    def open_messages(self) -> int:
        """Incarnations held, removed ones that linger included."""
        return len(self._queue)

    @property
    def reached(self) -> int:
        """The time the log has reached by its own stamps (µs); 0 before the first line."""
        return self._queue.reached

    @property
    def undecided_since(self) -> int | None:
        """When the earliest attempt began whose result is held back (µs); None without one."""
        return self._attempts.undecided_since

    @property
    def misunderstood(self) -> dict[str, tuple[int, str]]:
        """Kinds of lines that were not understood: how many, and the first of them."""
        return self._misunderstood.kinds

    def _note_unread(self, line: SyslogLine, daemon: str, parse: TextParser | None) -> None:
        """Count a line no record was made of: nothing of Postfix is left out in silence."""
        if "/" not in line.program:
            self.counters["other_programs"] += 1
        elif is_harmless(daemon, line.text, known=parse is not None):
            self.counters["harmless"] += 1
        else:
            self._misunderstood.add(line, kind_of(daemon, line.text))

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
        self._attempts.late += self._outcomes.left_behind(root, "discarded", stamp, reason)

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
            earlier = self._hops.named(record.original, line.stamp, line.host)
            if earlier is not None and earlier is not held:
                self._attempts.learn_way_in(held)
                held.adopt(earlier)
        elif (hop := self._hops.announced(held)) is not None:
            self._attempts.chain(hop, held)
        return []

    def _same_birth(self, held: Incarnation, line: SyslogLine) -> bool:
        """The line again, or cleanup's line was written before smtpd's."""
        if held.origin == SMTPD:
            return held.birth == line.stamp
        return (
            held.origin == CLEANUP
            and not held.settled
            and held.active is None
            and abs(held.birth - line.stamp) <= STAMP_SLACK
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
        self._hops.sent_by(held, record.sender)
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
        self._queue.touch(held, line.stamp)
        earlier = self._queue.with_header(line.host, record.message_id)
        if (
            not names_nothing(record.message_id)
            and earlier is not None
            and earlier is not held
            and held.root is held
            and earlier.expects_return
            and self._may_return(held, earlier)
        ):
            held.adopt(earlier, guessed=True)
        self._queue.name(held, record.message_id)
        return []

    def _may_return(self, held: Incarnation, earlier: Incarnation) -> bool:
        """Whether it came the way a content filter, a requeue or a forward comes back.

        What one client sends twice it has sent twice, whatever the Message-ID.
        """
        if held.origin == SMTPD:
            return (
                held.user is None
                and held.client != earlier.client
                and self._own.holds_host(held.client or "")
            )
        return True

    def _on_active(self, line: SyslogLine, daemon: str, record: Active) -> list[Event]:
        held = self._queue.find(line.host, record.queue_id)
        if held is None or is_stale(held, line.stamp):
            held = self._queue.open(line.host, record.queue_id, UNSEEN, line.stamp)
        self._queue.touch(held, line.stamp)
        if held.guessed:
            held.refute(record.sender)
        self._hops.sent_by(held, record.sender)
        held.size = record.size
        held.count = record.recipients
        if held.active is None:
            held.received_by(line.stamp)
        held.active = line.stamp
        held.on_hold = False
        held.tried.clear()
        return []

    def _on_held(self, line: SyslogLine, daemon: str, record: Held) -> list[Event]:
        self.counters["held" if record.on else "released"] += 1
        held = self._queue.open_now(line.host, record.queue_id)
        if held is not None:
            held.on_hold = record.on
            self._queue.touch(held, line.stamp)
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

    # The end

    def _on_removed(self, line: SyslogLine, daemon: str, record: Removed) -> list[Event]:
        held = self._queue.open_now(line.host, record.queue_id)
        if held is None:
            return []
        events: list[Event] = []
        if record.by_operator:
            self._attempts.decide_now(held)
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
        self._attempts.decide_now(held)
        reason = "returned to sender, too old"
        return self._outcomes.left_behind(held.root, "expired", line.stamp, reason, held.serial)

    # State

    def snapshot(self) -> dict[str, Any]:
        """The whole state as JSON-able values; independent of this assembler from now on."""
        return {
            "version": _SNAPSHOT_VERSION,
            "queue": self._queue.snapshot(),
            "attempts": self._attempts.snapshot(),
            "counters": dict(self.counters),
            "misunderstood": self._misunderstood.snapshot(),
        }

    def restore(self, state: Mapping[str, Any], stays: dict[int, Incarnation]) -> None:
        """Go on from a snapshot, in place of the present state.

        `stays` holds the incarnations of all hosts by serial.
        """
        self._queue.restore(state["queue"], stays)
        self._attempts.restore(state["attempts"], stays)
        self.counters.clear()
        self.counters.update(state["counters"])
        self._misunderstood.restore(state["misunderstood"])


def check_version(state: Mapping[str, Any]) -> None:
    """Raise ValueError for an assembler's snapshot of another version."""
    if state.get("version") != _SNAPSHOT_VERSION:
        raise ValueError(
            f"The saved state has version {state.get('version')!r}, not {_SNAPSHOT_VERSION}; "
            "remove the state file to start afresh."
        )
