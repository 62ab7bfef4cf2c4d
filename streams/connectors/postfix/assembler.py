"""Postfix log lines → `mail.mta` events: a state machine over the lines of one host.

Pure: `feed` takes a line, `advance` takes the time, both return events; `snapshot` and
`restore` carry the state across a restart. Ids are functions of the lines alone, so lines
that are fed again give the same events again.

Full reception is not logged. The estimate (measured against what clients saw) is the earlier
of the first `(queue active)` and the next line of the same smtpd process that proves the
message complete: `disconnect`, `lost connection`, `timeout`, or the session's next `client=`.

A result whose meaning later lines decide is held back, by the log's own time: whether its
message came from another queue of the provider (`hops`), whether what took it hands it back,
whether a name was not found by the destination's fault (`resolver`).
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from streams.connectors.postfix.events import Event
from streams.connectors.postfix.harmless import is_harmless, kind_of
from streams.connectors.postfix.hops import Hop, Hops, names_nothing, way_out
from streams.connectors.postfix.incarnation import (
    CLEANUP,
    LOOKUP,
    NEXT_HOP,
    ORIGIN,
    PICKUP,
    SMTPD,
    UNSEEN,
    Incarnation,
    Result,
)
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
from streams.connectors.postfix.outcomes import Outcomes, is_probe, queued_as, result_of
from streams.connectors.postfix.queue import Queue
from streams.connectors.postfix.refusals import refusal_events
from streams.connectors.postfix.relays import Facing, faced, is_loopback
from streams.connectors.postfix.resolver import WINDOW, Resolver
from streams.connectors.postfix.site import Site
from streams.connectors.syslog import SyslogLine

_SNAPSHOT_VERSION: Final = 2
_KINDS: Final = 100
_HANDS_ON: Final = frozenset({"lmtp", "pipe", "smtp"})
_CONNECT_MEMORY: Final = 4_096
_PROGRAM_MEMORY: Final = 4_096
# A second-resolution stamp may lie a second before the attempt it belongs to.
_STAMP_SLACK: Final = 1_000_000

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
        self.misunderstood: dict[str, tuple[int, str]] = {}
        self._site = site
        self._own = site.own_relays
        self._tenants = site.tenants
        self._outcomes = Outcomes(site, self.counters)
        self._hops = hops
        self._queue = Queue(site.limits, self.counters, hops, self._forced, self._finish)
        self._resolver = Resolver()
        linger = site.limits.linger // timedelta(microseconds=1)
        self._wait = {ORIGIN: linger, NEXT_HOP: linger, LOOKUP: WINDOW}
        # (when the waiting ends, whose results wait), each in the order of time
        self._waiting: dict[str, deque[tuple[int, Incarnation]]] = {
            why: deque() for why in self._wait
        }
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
            self._note_unread(line, daemon, parse)
            return []
        self._end_waiting(line.stamp)
        self._queue.tick(line.stamp)
        events = self._handlers[type(record)](line, daemon, record)
        if self._late:
            events = [*self._late, *events]
            self._late = []
        return events

    def advance(self, now: int) -> list[Event]:
        """Let time pass to `now` (µs): forget what is too old, finish what nobody handed back."""
        self._end_waiting(now)
        self._queue.tick(now)
        events, self._late = self._late, []
        return events

    def flush(self) -> list[Event]:
        """The end of the input: nothing more will decide what waits or hand back what left."""
        for waiting in self._waiting.values():
            while waiting:
                self._forced(waiting.popleft()[1])
        self._queue.release_all()
        events, self._late = self._late, []
        return events

    @property
    def open_messages(self) -> int:
        """Incarnations held, removed ones that linger included."""
        return len(self._queue)

    @property
    def undecided_since(self) -> int | None:
        """The stamp of the earliest result that is held back (µs); None without one."""
        return min(
            (
                result.stamp
                for waiting in self._waiting.values()
                for _, held in waiting
                for result in held.waiting
            ),
            default=None,
        )

    def _note_unread(self, line: SyslogLine, daemon: str, parse: TextParser | None) -> None:
        """Count a line no record was made of: nothing of Postfix is left out in silence."""
        if "/" not in line.program:
            self.counters["other_programs"] += 1
        elif is_harmless(daemon, line.text, known=parse is not None):
            self.counters["harmless"] += 1
        else:
            self._misunderstand(line, kind_of(daemon, line.text))

    def _misunderstand(self, line: SyslogLine, kind: str) -> None:
        self.counters["not_understood"] += 1
        if kind not in self.misunderstood and len(self.misunderstood) >= _KINDS:
            kind = "other"
        example = f"{line.program}[{line.pid}]: {line.text}"[:300]
        count, first = self.misunderstood.get(kind, (0, example))
        self.misunderstood[kind] = (count + 1, first)

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
            earlier = self._hops.named(record.original, line.stamp, line.host)
            if earlier is not None and earlier is not held:
                self._learn_way_in(held)
                held.adopt(earlier)
        elif (hop := self._hops.announced(held)) is not None:
            self._chain(hop, held)
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
        if held is None or self._is_stale(held, line.stamp):
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

    def _is_stale(self, held: Incarnation, stamp: int) -> bool:
        """A line long after the removal belongs to a later message under a used-again id."""
        return held.closed is not None and stamp > held.closed + _STAMP_SLACK

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

    # Delivery

    def _on_status(self, line: SyslogLine, daemon: str, record: Status) -> list[Event]:
        word = result_of(record.status)
        if word is None:
            if is_probe(record.status):
                self.counters["address_probes"] += 1
            else:
                self._misunderstand(line, f"{daemon}: status={record.status}")
            return []
        status = record._replace(status=word)
        held = self._queue.find(line.host, record.queue_id)
        if held is None or self._is_stale(held, line.stamp):
            held = self._queue.open(line.host, record.queue_id, UNSEEN, line.stamp)
        self._queue.touch(held, line.stamp)
        if self._failed_connects:
            self._claim_failed_connect(line, record.queue_id)
        ours = self._tenants.of_address(status.recipient) is not None
        facing = faced(
            daemon, status, self._own, self._site.stores, self._hands_on, recipient_is_ours=ours
        )
        if facing is Facing.OWN_RELAY and self._tried_elsewhere(held, line):
            facing = Facing.FOREIGN
        held.attempt(status.recipient, word)
        self._find_origin(held, status)
        undecided = False
        if word == "sent":
            facing, undecided = self._follow_hop(held, daemon, status, line.stamp, facing)
        if facing is Facing.OWN_RELAY:
            held.own_hop = True
        if undecided:
            return self._hold_back(held, NEXT_HOP, line.stamp, facing, status)
        events = self._after_next_hop(held, line.stamp, facing, status)
        if not held.is_being_tried:
            for other in self._hops.no_longer_awaiting(held.sender):
                events += self._decide(other, ORIGIN)
        return events

    def _hands_on(self, daemon: str, relay: str) -> bool:
        return self._hops.knows(way_out(daemon, relay))

    # One message over several queues

    def _find_origin(self, held: Incarnation, status: Status) -> None:
        """Chain to a hop that named no queue id, by the recipient both were for."""
        if self._hops.way_in(held) is None and not held.guessed:
            return
        recipients = {status.recipient, status.original_recipient or status.recipient}
        hop = self._hops.handed(held, recipients)
        if hop is not None:
            self._chain(hop, held)

    def _follow_hop(
        self, held: Incarnation, daemon: str, status: Status, stamp: int, facing: Facing
    ) -> tuple[Facing, bool]:
        """What a result `sent` faced after all, and whether later lines have to decide it.

        A next hop that is seen here is an own one, configured or not.
        """
        way = way_out(daemon, status.relay)
        start = stamp - status.connection - status.transfer
        certain = facing is Facing.OWN_RELAY
        hop = Hop(held, start, stamp, way, status.recipient, certain)
        # What is this host's own may be a filter, and may be the last stop.
        doubtful = not certain and (
            daemon == "pipe" or (facing is Facing.FOREIGN and is_loopback(status.relay))
        )
        next_id = queued_as(status)
        if next_id is not None and next_id != held.queue_id:
            following = self._hops.queued_as(hop, next_id)
            if following is not None:
                return (Facing.OWN_RELAY if self._chain(hop, following) else facing), False
            if facing is not Facing.FOREIGN or doubtful:
                self._hops.announce(hop, next_id)
            doubtful = doubtful or daemon == "lmtp"
        elif certain or (doubtful and self._hops.may_hand_on(way)):
            following = self._hops.following(hop)
            if following is not None and self._chain(hop, following):
                return Facing.OWN_RELAY, False
            self._hops.hand_over(hop)
        return facing, doubtful and not certain and self._hops.may_hand_on(way)

    def _chain(self, hop: Hop, held: Incarnation) -> bool:
        """Make a stay go on from the hop that led to it; whether it does."""
        self._learn_way_in(held)
        if not held.adopt(hop.held):
            return False
        if hop.way.partition(">")[0] in _HANDS_ON:
            self._hops.learn(hop.way)
        hop.held.own_hop = True
        self._late += self._decide(hop.held, NEXT_HOP, Facing.OWN_RELAY)
        self._late += self._decide(held, ORIGIN)
        return True

    def _learn_way_in(self, held: Incarnation) -> None:
        way = self._hops.way_in(held)
        if way is not None:
            self._hops.learn(way)

    # Results that wait

    def _hold_back(
        self, held: Incarnation, why: str, stamp: int, facing: Facing, status: Status
    ) -> list[Event]:
        held.waiting.append(Result(why, stamp, facing, status))
        self._waiting[why].append((stamp + self._wait[why], held))
        if why == ORIGIN:
            self._hops.await_origin(held)
        return []

    def _after_next_hop(
        self, held: Incarnation, stamp: int, facing: Facing, status: Status
    ) -> list[Event]:
        inside = facing is Facing.OWN_RELAY and status.status == "sent"
        if (
            held.parent is None
            and not held.settled
            and not inside
            and self._hops.awaits_origin(held)
        ):
            return self._hold_back(held, ORIGIN, stamp, facing, status)
        return self._after_origin(held, stamp, facing, status)

    def _after_origin(
        self, held: Incarnation, stamp: int, facing: Facing, status: Status
    ) -> list[Event]:
        if facing is Facing.LOOKUP:
            domain = status.recipient.rpartition("@")[2].lower()
            known = held.root.recipients.get(status.recipient)
            dispatched = known is not None and known.dispatched
            if self._resolver.failed(domain, stamp):
                for _, other in list(self._waiting[LOOKUP]):
                    self._late += self._decide(other, LOOKUP, Facing.NOTHING)
            if self._resolver.is_down:
                facing = Facing.NOTHING
            elif dispatched or self._resolver.is_dead(domain):
                facing = Facing.FOREIGN
            else:
                return self._hold_back(held, LOOKUP, stamp, facing, status)
        elif facing is Facing.FOREIGN and status.relay != "none" and self._resolver.succeeded():
            for _, other in list(self._waiting[LOOKUP]):
                self._late += self._decide(other, LOOKUP)
        return self._outcomes.of_attempt(held, status, stamp, facing)

    def _decide(self, held: Incarnation, why: str, facing: Facing | None = None) -> list[Event]:
        """Go on with the results that waited for this; `facing` is what they faced after all."""
        results = [result for result in held.waiting if result.why == why]
        if not results:
            return []
        held.waiting = [result for result in held.waiting if result.why != why]
        if why == ORIGIN:
            self._hops.found_origin(held)
        events: list[Event] = []
        for result in results:
            now = facing or result.facing
            if why == NEXT_HOP:
                events += self._after_next_hop(held, result.stamp, now, result.status)
            elif why == ORIGIN:
                events += self._after_origin(held, result.stamp, now, result.status)
            else:
                now = Facing.FOREIGN if now is Facing.LOOKUP else now
                events += self._outcomes.of_attempt(held, result.status, result.stamp, now)
        return events

    def _end_waiting(self, now: int) -> None:
        for why, waiting in self._waiting.items():
            while waiting and waiting[0][0] <= now:
                held = waiting.popleft()[1]
                if not any(result.why == why for result in held.waiting):
                    continue
                if why == NEXT_HOP:
                    for way in {self._way_of(result) for result in held.waiting}:
                        self._hops.lapse(way)
                elif why == ORIGIN and (way_in := self._hops.way_in(held)) is not None:
                    self._hops.lapse(way_in)
                self._late += self._decide(held, why)

    def _way_of(self, result: Result) -> str:
        daemon = "smtp" if result.facing is Facing.FOREIGN else "pipe"
        if queued_as(result.status) is not None and daemon == "pipe":
            daemon = "lmtp"
        return way_out(daemon, result.status.relay)

    def _forced(self, held: Incarnation) -> None:
        """Decide whatever of it waits: no later line will."""
        results, held.waiting = held.waiting, []
        self._hops.found_origin(held)
        for result in sorted(results, key=lambda result: result.stamp):
            facing = result.facing
            if facing is Facing.LOOKUP:
                facing = Facing.NOTHING if self._resolver.is_down else Facing.FOREIGN
            self._late += self._outcomes.of_attempt(held, result.status, result.stamp, facing)

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
            self._forced(held)
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
        self._forced(held)
        reason = "returned to sender, too old"
        return self._outcomes.left_behind(held.root, "expired", line.stamp, reason, held.serial)

    # State

    def snapshot(self) -> dict[str, Any]:
        """The whole state as JSON-able values; independent of this assembler from now on."""
        return {
            "version": _SNAPSHOT_VERSION,
            "queue": self._queue.snapshot(),
            "failed_connects": [[key, *failed] for key, failed in self._failed_connects.items()],
            "waiting": {
                why: [[due, held.serial] for due, held in waiting if held.waiting]
                for why, waiting in self._waiting.items()
            },
            "resolver": self._resolver.snapshot(),
            "counters": dict(self.counters),
            "misunderstood": {kind: list(seen) for kind, seen in self.misunderstood.items()},
        }

    def restore(self, state: Mapping[str, Any], stays: dict[int, Incarnation]) -> None:
        """Go on from a snapshot, in place of the present state.

        `stays` holds the incarnations of all hosts by serial.
        """
        self._queue.restore(state["queue"], stays)
        for why, entries in state["waiting"].items():
            self._waiting[why] = deque((due, stays[serial]) for due, serial in entries)
        self._resolver.restore(state["resolver"])
        self._failed_connects = OrderedDict(
            (key, (stamp, queue_id)) for key, stamp, queue_id in state["failed_connects"]
        )
        self.counters.clear()
        self.counters.update(state["counters"])
        self.misunderstood = {
            kind: (count, example) for kind, (count, example) in state["misunderstood"].items()
        }


def check_version(state: Mapping[str, Any]) -> None:
    """Raise ValueError for an assembler's snapshot of another version."""
    if state.get("version") != _SNAPSHOT_VERSION:
        raise ValueError(
            f"The saved state has version {state.get('version')!r}, not {_SNAPSHOT_VERSION}; "
            "remove the state file to start afresh."
        )
