"""Delivery attempts, as their status lines tell of them: what each faced, and what that means.

A result whose meaning later lines decide is held back, by the log's own time: whether its
message came from another queue of the provider (`hops`), whether what took it hands it back,
whether a name was not found by the destination's fault (`resolver`). In this order; each
question is put once the one before is answered.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from mailsla.streams.connectors.postfix.assemble.events import Event
from mailsla.streams.connectors.postfix.assemble.hops import Hop, Hops, way_out
from mailsla.streams.connectors.postfix.assemble.incarnation import (
    LOOKUP,
    NEXT_HOP,
    ORIGIN,
    UNSEEN,
    Incarnation,
    IncarnationResult,
)
from mailsla.streams.connectors.postfix.assemble.outcomes import (
    Outcomes,
    is_probe,
    is_swallowed,
    queued_as,
    result_of,
)
from mailsla.streams.connectors.postfix.assemble.queue import MailQueue
from mailsla.streams.connectors.postfix.read.harmless import Misunderstood
from mailsla.streams.connectors.postfix.read.lines import ConnectFailure, RemoteTrouble, StatusLine
from mailsla.streams.connectors.postfix.read.relays import Facing, faced, is_loopback
from mailsla.streams.connectors.postfix.resolver import WINDOW, Resolver
from mailsla.streams.connectors.postfix.site import Site
from mailsla.streams.connectors.syslog import SyslogLine

_CONNECT_MEMORY: Final = 4_096
# A filter hands back at once, or it has: pickup(8) is woken by what is put into the maildrop.
_NEXT_HOP_WITHIN: Final = 10_000_000
# Only these daemons hand messages on; local(8) delivers and forwards, case by case.
_HANDS_ON: Final = frozenset({"lmtp", "pipe", "smtp"})
# A second-resolution stamp may lie a second before the attempt it belongs to.
STAMP_SLACK: Final = 1_000_000


def is_stale(held: Incarnation, stamp: int) -> bool:
    """Whether a line long after the removal belongs to a later message under a used-again id."""
    return held.closed is not None and stamp > held.closed + STAMP_SLACK


class Attempts:
    """The attempts of one host. `late` collects events of earlier lines that are decided now."""

    queue: MailQueue
    """set once it is made: the two refer to each other"""

    def __init__(
        self, site: Site, outcomes: Outcomes, hops: Hops, misunderstood: Misunderstood
    ) -> None:
        self.late: list[Event] = []
        self._site = site
        self._own = site.own_relays
        self._tenants = site.tenants
        self._outcomes = outcomes
        self._counters = outcomes.counters
        self._hops = hops
        self._misunderstood = misunderstood
        self._resolver = Resolver()
        linger = site.limits.linger // timedelta(microseconds=1)
        self._wait = {ORIGIN: linger, NEXT_HOP: _NEXT_HOP_WITHIN, LOOKUP: WINDOW}
        # (when the waiting ends, whose results wait), each in the order of time
        self._waiting: dict[str, deque[tuple[int, Incarnation]]] = {
            why: deque() for why in self._wait
        }
        # smtp process → (stamp of its failed connect, queue id of the attempt it belongs to)
        self._failed_connects: OrderedDict[str, tuple[int, str]] = OrderedDict()

    def take_late(self) -> list[Event]:
        """The events of earlier lines that were decided since."""
        events, self.late = self.late, []
        return events

    def decide_all(self) -> None:
        """Decide whatever waits: no line will come any more."""
        for waiting in self._waiting.values():
            while waiting:
                self.decide_now(waiting.popleft()[1])

    @property
    def undecided_since(self) -> int | None:
        """When the earliest attempt began whose result is held back (µs); None without one."""
        return min(
            (
                result.stamp - result.status.connection - result.status.transfer
                for waiting in self._waiting.values()
                for _, held in waiting
                for result in held.waiting
            ),
            default=None,
        )

    def on_status(self, line: SyslogLine, daemon: str, record: StatusLine) -> list[Event]:
        """The events a status line completes, those of earlier lines that it decides included."""
        word = result_of(record.status)
        if word is None:
            if is_probe(record.status):
                self._counters["address_probes"] += 1
            else:
                self._misunderstood.add(line, f"{daemon}: status={record.status}")
            return []
        status = record._replace(status=word)
        held = self.queue.find(line.host, record.queue_id)
        if held is None or is_stale(held, line.stamp):
            held = self.queue.open(line.host, record.queue_id, UNSEEN, line.stamp)
        self.queue.touch(held, line.stamp)
        if self._failed_connects:
            self._claim_failed_connect(line, record.queue_id)
        ours = self._tenants.of_address(status.recipient) is not None
        facing = faced(
            daemon, status, self._own, self._site.stores, self._hands_on, recipient_is_ours=ours
        )
        if facing is Facing.OWN_RELAY and self._tried_elsewhere(held, line):
            facing = Facing.FOREIGN
        self._find_origin(held, status)
        undecided = False
        if word == "sent":
            facing, undecided = self._follow_hop(held, daemon, status, line.stamp, facing)
        # Only now: a stay that waits to hear where it came from may be what this hop led to.
        held.attempt(status.recipient, word)
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

    def _find_origin(self, held: Incarnation, status: StatusLine) -> None:
        """Chain to a hop that named no queue id, by the recipient both were for."""
        if self._hops.way_in(held) is None and not held.guessed:
            return
        recipients = {status.recipient, status.original_recipient or status.recipient}
        hop = self._hops.handed(held, recipients)
        if hop is not None:
            self.chain(hop, held)

    def _follow_hop(
        self, held: Incarnation, daemon: str, status: StatusLine, stamp: int, facing: Facing
    ) -> tuple[Facing, bool]:
        """What a result `sent` faced after all, and whether later lines have to decide it.

        A next hop that is seen here is an own one, configured or not.
        """
        if is_swallowed(status):
            return facing, False
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
                return (Facing.OWN_RELAY if self.chain(hop, following) else facing), False
            if facing is not Facing.FOREIGN or doubtful:
                self._hops.announce(hop, next_id)
            doubtful = doubtful or daemon == "lmtp"
        elif self._hops.is_followed(hop):
            return Facing.OWN_RELAY, False
        elif certain or (doubtful and self._hops.may_hand_on(way)):
            following = self._hops.following(hop)
            if following is not None and self.chain(hop, following):
                return Facing.OWN_RELAY, False
            self._hops.hand_over(hop)
        return facing, doubtful and not certain and self._hops.may_hand_on(way)

    def chain(self, hop: Hop, held: Incarnation) -> bool:
        """Make a stay go on from the hop that led to it; whether it does."""
        self.learn_way_in(held)
        if not held.adopt(hop.held):
            return False
        if hop.way.partition(">")[0] in _HANDS_ON:
            self._hops.learn(hop.way)
        hop.held.own_hop = True
        self.late += self._decide(hop.held, NEXT_HOP, Facing.OWN_RELAY)
        for other in self._hops.no_longer_awaiting(held.root.sender):
            self.late += self._decide(other, ORIGIN)
        return True

    def learn_way_in(self, held: Incarnation) -> None:
        """Messages are known to come in the way this stay came."""
        way = self._hops.way_in(held)
        if way is not None:
            self._hops.learn(way)

    # Results that wait

    def _hold_back(
        self, held: Incarnation, why: str, stamp: int, facing: Facing, status: StatusLine
    ) -> list[Event]:
        held.waiting.append(IncarnationResult(why, stamp, facing, status))
        self._waiting[why].append((stamp + self._wait[why], held))
        if why == ORIGIN:
            self._hops.await_origin(held)
        return []

    def _after_next_hop(
        self, held: Incarnation, stamp: int, facing: Facing, status: StatusLine
    ) -> list[Event]:
        inside = facing is Facing.OWN_RELAY and status.status == "sent"
        if not inside and self._hops.awaits_origin(held):
            return self._hold_back(held, ORIGIN, stamp, facing, status)
        return self._after_origin(held, stamp, facing, status)

    def _after_origin(
        self, held: Incarnation, stamp: int, facing: Facing, status: StatusLine
    ) -> list[Event]:
        if facing is Facing.LOOKUP:
            domain = status.recipient.rpartition("@")[2].lower()
            known = held.root.recipients.get(status.recipient)
            dispatched = known is not None and known.dispatched
            if self._resolver.failed(domain, stamp):
                for _, other in list(self._waiting[LOOKUP]):
                    self.late += self._decide(other, LOOKUP, Facing.NOTHING)
            if self._resolver.is_down:
                facing = Facing.NOTHING
            elif dispatched or self._resolver.is_dead(domain):
                facing = Facing.FOREIGN
            else:
                return self._hold_back(held, LOOKUP, stamp, facing, status)
        elif facing is Facing.FOREIGN and status.relay != "none" and self._resolver.succeeded():
            for _, other in list(self._waiting[LOOKUP]):
                self.late += self._decide(other, LOOKUP)
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

    def end_waiting(self, now: int) -> None:
        """Decide what has waited long enough at `now` (µs)."""
        for why, waiting in self._waiting.items():
            while waiting and waiting[0][0] <= now:
                held = waiting.popleft()[1]
                if not any(result.why == why for result in held.waiting):
                    continue
                if why == NEXT_HOP and self._hops.may_go_on_in(held):
                    # What may be its next stay was not tried yet: that will tell.
                    waiting.append((now + self._wait[why], held))
                    continue
                if why == NEXT_HOP:
                    for way in {self._way_of(result) for result in held.waiting}:
                        self._hops.lapse(way)
                elif why == ORIGIN and (way_in := self._hops.way_in(held.root)) is not None:
                    self._hops.lapse(way_in)
                self.late += self._decide(held, why)

    def _way_of(self, result: IncarnationResult) -> str:
        daemon = "smtp" if result.facing is Facing.FOREIGN else "pipe"
        if queued_as(result.status) is not None and daemon == "pipe":
            daemon = "lmtp"
        return way_out(daemon, result.status.relay)

    def decide_now(self, held: Incarnation) -> None:
        """Decide whatever of it waits: no later line will."""
        results, held.waiting = held.waiting, []
        self._hops.found_origin(held)
        for result in sorted(results, key=lambda result: result.stamp):
            facing = result.facing
            if facing is Facing.LOOKUP:
                facing = Facing.NOTHING if self._resolver.is_down else Facing.FOREIGN
            self.late += self._outcomes.of_attempt(held, result.status, result.stamp, facing)

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

    def on_remote_trouble(
        self, line: SyslogLine, daemon: str, record: RemoteTrouble
    ) -> list[Event]:
        """One server failed a message, before the attempt ended elsewhere."""
        held = self.queue.find(line.host, record.queue_id)
        if held is not None and daemon == "smtp" and not self._own.holds(record.server):
            held.remote_trouble = line.stamp
        return []

    def on_connect_failure(
        self, line: SyslogLine, daemon: str, record: ConnectFailure
    ) -> list[Event]:
        """A server could not be reached; the next status line says for which message."""
        if daemon == "smtp" and not self._own.holds(record.server):
            key = f"{line.host} {line.pid}"
            self._failed_connects[key] = (line.stamp, "")
            self._failed_connects.move_to_end(key)
            if len(self._failed_connects) > _CONNECT_MEMORY:
                self._failed_connects.popitem(last=False)
        return []

    def snapshot(self) -> dict[str, Any]:
        """JSON-able; stays are named by serial."""
        return {
            "failed_connects": [[key, *failed] for key, failed in self._failed_connects.items()],
            "waiting": {
                why: [[due, held.serial] for due, held in waiting if held.waiting]
                for why, waiting in self._waiting.items()
            },
            "resolver": self._resolver.snapshot(),
        }

    def restore(self, state: Mapping[str, Any], stays: Mapping[int, Incarnation]) -> None:
        """The reverse of snapshot; `stays` holds those of all hosts by serial."""
        for why, entries in state["waiting"].items():
            self._waiting[why] = deque((due, stays[serial]) for due, serial in entries)
        self._resolver.restore(state["resolver"])
        self._failed_connects = OrderedDict(
            (key, (stamp, queue_id)) for key, stamp, queue_id in state["failed_connects"]
        )
