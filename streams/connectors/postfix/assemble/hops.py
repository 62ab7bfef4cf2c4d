"""How a message passes from one queue of the provider to the next, over all its hosts.

A message keeps its identity through content filters, own relays and own hosts. What the log
itself says comes first: `queued as` on the hop's status line, `orig_queue_id` (XFORWARD) on the
next `client=` line. Where neither is written, a hop and the stay that began during it are one
message when sender, hosts and time agree, and a Message-ID (which filters add and replace) only
decides between several. Lines come in either order, so both ends are remembered here.

What a site does is learnt: a pipe(8) service or an address that once handed a message on is a
hop from then on; one that did not, three times, is taken for the last stop.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from mailsla.streams.connectors.postfix.assemble.incarnation import (
    PICKUP,
    SMTPD,
    UNSEEN,
    Incarnation,
)
from mailsla.streams.connectors.postfix.read.relays import OwnRelays
from mailsla.streams.connectors.stamps import SECOND

_KNOWN: Final = -1
_LAPSES: Final = 3
_MEMORY: Final = 4_096
_HANDED: Final = 1_024
_LOOK_AT: Final = 256
"""Messages of one sender that are looked at, newest first: a newsletter has very many."""
# Second-resolution stamps and rounded delays; clocks of two hosts differ more than one's.
_SLACK: Final = 2 * SECOND
_SLACK_BETWEEN_HOSTS: Final = 5 * SECOND
_CLOSE: Final = SECOND // 20
# pickup(8) may find a message only with its next look at the maildrop.
_PICKUP_LATE: Final = 120 * SECOND
_EMPTY: Final = frozenset({"", "<>"})
_CLIENT_NAME: Final = re.compile(r"[^\[.]*")


class Hop(NamedTuple):
    """A message handed on for a recipient between `start` and `stamp` (µs).

    `way` names what took it; `certain`: it is known for a relay or filter of the provider.
    """

    held: Incarnation
    start: int
    stamp: int
    way: str
    recipient: str
    certain: bool


def names_nothing(header_id: str | None) -> bool:
    """Whether a Message-ID is missing or empty: it cannot tell messages apart."""
    return header_id is None or header_id in _EMPTY


def way_out(daemon: str, relay: str) -> str:
    """The name of what takes messages from a delivery daemon."""
    return f"{daemon}>{relay}"


class Hops:
    """The stays held in the queues of all hosts, and the hops between them."""

    def __init__(self, own: OwnRelays) -> None:
        self._own = own
        self.serial = 0
        """of the newest stay, over all hosts"""
        self.hosts: set[str] = set()
        """whose logs are read"""
        self._ids: dict[str, list[Incarnation]] = {}
        self._senders: dict[str, OrderedDict[int, Incarnation]] = {}
        self._ways: OrderedDict[str, int] = OrderedDict()
        self._announced: OrderedDict[str, Hop] = OrderedDict()
        self._handed: OrderedDict[str, Hop] = OrderedDict()
        self._awaiting: dict[int, Incarnation] = {}

    # What is held

    def add(self, held: Incarnation) -> None:
        """A stay has begun."""
        self._ids.setdefault(held.queue_id, []).append(held)

    def remove(self, held: Incarnation) -> None:
        """A stay is forgotten."""
        self._awaiting.pop(held.serial, None)
        same = self._ids.get(held.queue_id)
        if same is not None:
            self._ids[held.queue_id] = [other for other in same if other is not held]
            if not self._ids[held.queue_id]:
                del self._ids[held.queue_id]
        if held.sender is not None:
            senders = self._senders.get(held.sender, OrderedDict())
            senders.pop(held.serial, None)
            if not senders:
                self._senders.pop(held.sender, None)

    def sent_by(self, held: Incarnation, sender: str) -> None:
        """The envelope sender of a stay has become known."""
        if held.sender != sender and held.sender is not None:
            self._senders.get(held.sender, OrderedDict()).pop(held.serial, None)
        held.sender = sender
        self._senders.setdefault(sender, OrderedDict())[held.serial] = held

    def named(self, queue_id: str, before: int, host: str) -> Incarnation | None:
        """The stay that `orig_queue_id` names: on the same host, else on the only other one."""
        stays = [
            held
            for held in self._ids.get(queue_id, ())
            if held.birth <= before + _SLACK_BETWEEN_HOSTS
        ]
        own = [held for held in stays if held.host == host]
        stays = own or stays
        return stays[-1] if stays else None

    # What is learnt

    def knows(self, way: str) -> bool:
        """Whether this way has handed a message on."""
        return self._ways.get(way) == _KNOWN

    def may_hand_on(self, way: str) -> bool:
        """Whether it is known to hand messages on, or not yet known not to."""
        return self._ways.get(way, 0) < _LAPSES

    def learn(self, way: str) -> None:
        """A message came through this way."""
        self._ways[way] = _KNOWN
        self._ways.move_to_end(way)
        if len(self._ways) > _MEMORY:
            self._ways.popitem(last=False)

    def lapse(self, way: str) -> None:
        """A message was waited for that did not come through this way."""
        if not self.knows(way):
            self._ways[way] = self._ways.get(way, 0) + 1
            if len(self._ways) > _MEMORY:
                self._ways.popitem(last=False)

    # From the hop to the stay that follows

    def announce(self, hop: Hop, next_id: str) -> None:
        """A hop said `queued as next_id`, and that stay was not seen yet."""
        self._announced[next_id] = hop
        self._announced.move_to_end(next_id)
        if len(self._announced) > _MEMORY:
            self._announced.popitem(last=False)

    def hand_over(self, hop: Hop) -> None:
        """A hop that named no queue id, and whose next stay was not seen yet."""
        self._handed[f"{hop.held.serial} {hop.stamp} {hop.recipient}"] = hop
        if len(self._handed) > _HANDED:
            self._handed.popitem(last=False)

    def queued_as(self, hop: Hop, next_id: str) -> Incarnation | None:
        """The stay a hop names, where it has begun during the hop; one on its own host first."""
        found = [
            held
            for held in self._ids.get(next_id, ())
            if held is not hop.held and held.user is None and self._began_in(hop, held)
        ]
        here = [held for held in found if held.host == hop.held.host]
        found = here or found
        return found[-1] if found else None

    def following(self, hop: Hop) -> Incarnation | None:
        """The stay that began during a hop which names none, and was for its recipient."""
        found = [
            held
            for held in self._recent(hop.held.sender)
            if held is not hop.held
            and _is_free(held)
            and self._began_in(hop, held)
            and self._can_follow(hop.held, held)
            and _fits(hop, held, held.attempted)
        ]
        at = _best([(hop, held) for held in found])
        return None if at is None else found[at]

    def is_followed(self, hop: Hop) -> bool:
        """Whether the stay that a hop led to is known by more than its Message-ID."""
        return any(
            held.parent is hop.held and not held.guessed and self._began_in(hop, held)
            for held in self._recent(hop.held.sender)
        )

    def may_go_on_in(self, held: Incarnation) -> bool:
        """Whether a stay that began during or after a hop of this one was not tried yet."""
        hops = [hop for hop in self._handed.values() if hop.held is held]
        return any(
            not later.attempted
            and later.closed is None
            and (_is_free(later) or later.parent is held)
            and self._began_in(hop, later, _PICKUP_LATE)
            and self._can_follow(held, later)
            and (names_nothing(held.header_id) or _same_header(later, held))
            for hop in hops
            for later in self._recent(held.sender)
            if later is not held
        )

    # From the stay to the hop before it

    def announced(self, held: Incarnation) -> Hop | None:
        """The hop that named this stay before it began."""
        hop = self._announced.get(held.queue_id)
        if hop is None or held.user is not None or not self._began_in(hop, held):
            return None
        del self._announced[held.queue_id]
        return hop if hop.held is not held and self._is_held(hop.held) else None

    def handed(self, held: Incarnation, recipients: Collection[str]) -> Hop | None:
        """The hop during or after which this stay for `recipients` began, where none named it."""
        if not self._handed or not _is_free(held):
            return None
        late = _PICKUP_LATE if held.origin == PICKUP else 0
        found = [
            (key, hop)
            for key, hop in self._handed.items()
            if hop.held is not held
            and hop.held.sender == held.sender
            and self._is_held(hop.held)
            and self._began_in(hop, held, late)
            and self._can_follow(hop.held, held)
            and _fits(hop, held, recipients)
        ]
        at = _best([(hop, held) for _, hop in found])
        if at is None:
            return None
        key, hop = found[at]
        del self._handed[key]
        return hop

    def way_in(self, held: Incarnation) -> str | None:
        """The name of the way a stay came in, None where no hop of ours comes that way."""
        if held.user is not None or held.parent is not None:
            return None
        if held.origin != SMTPD:
            return f"{held.host}<{held.origin}"
        client = held.client or ""
        if self._own.holds_host(client) or self._is_host(client):
            return f"{held.host}<{client}"
        return None

    def awaits_origin(self, held: Incarnation) -> bool:
        """Whether a message of the same sender may be on its way into the first stay known."""
        root = held.root
        if root.settled:
            return False
        way = self.way_in(root)
        if way is None or not self.may_hand_on(way):
            return False
        if not root.attempted and any(
            hop.held.sender == root.sender
            and hop.held.root is not root
            and self._began_in(hop, root)
            and self._can_follow(hop.held, root)
            for hop in self._handed.values()
        ):
            return True  # its own attempt will tell for whom it is
        return any(
            earlier.is_being_tried
            and earlier.root is not root
            and earlier.birth <= root.birth + _SLACK
            and self._can_follow(earlier, root)
            for earlier in self._recent(root.sender)
        )

    def await_origin(self, held: Incarnation) -> None:
        """Results of this stay wait until its origin is known."""
        self._awaiting[held.serial] = held

    def found_origin(self, held: Incarnation) -> None:
        """They wait no longer."""
        self._awaiting.pop(held.serial, None)

    def no_longer_awaiting(self, sender: str | None) -> list[Incarnation]:
        """The waiting stays of a sender into which no message can be on its way any more."""
        return [
            held
            for held in self._awaiting.values()
            if held.root.sender == sender and not self.awaits_origin(held)
        ]

    # How they fit

    def _recent(self, sender: str | None) -> Iterator[Incarnation]:
        held = self._senders.get(sender) if sender is not None else None
        if held is None:
            return
        for count, serial in enumerate(reversed(held)):
            if count >= _LOOK_AT:
                return
            yield held[serial]

    def _began_in(self, hop: Hop, held: Incarnation, late: int = 0) -> bool:
        if held.birth < hop.held.birth:
            return False
        slack = _SLACK if held.host == hop.held.host else _SLACK_BETWEEN_HOSTS
        # Delays are logged with two significant digits.
        slack += (hop.stamp - hop.start) // 50
        return hop.start - slack <= held.birth <= hop.stamp + slack + late

    def _can_follow(self, earlier: Incarnation, held: Incarnation) -> bool:
        """Whether a stay came in from the host of an earlier one."""
        client = held.client or ""
        if held.origin != SMTPD:
            return earlier.host == held.host
        # Several hosts may share one loopback: containers, instances on one machine.
        return self._own.holds_host(client) or (
            earlier.host != held.host and _same_name(client, earlier.host)
        )

    def _is_host(self, client: str) -> bool:
        return any(_same_name(client, host) for host in self.hosts)

    def _is_held(self, held: Incarnation) -> bool:
        return held in self._ids.get(held.queue_id, ())

    def snapshot(self) -> dict[str, Any]:
        """JSON-able; stays are named by serial."""
        return {
            "serial": self.serial,
            "ways": list(self._ways.items()),
            "announced": self._dump(self._announced),
            "handed": self._dump(self._handed),
            "awaiting": list(self._awaiting),
        }

    def _dump(self, hops: Mapping[str, Hop]) -> list[list[Any]]:
        return [
            [key, hop.held.serial, *hop[1:]] for key, hop in hops.items() if self._is_held(hop.held)
        ]

    def restore(self, state: Mapping[str, Any], stays: Mapping[int, Incarnation]) -> None:
        """The reverse of snapshot, once every queue is restored."""
        self.serial = state["serial"]
        self._ways = OrderedDict((way, lapses) for way, lapses in state["ways"])
        for hops, name in ((self._announced, "announced"), (self._handed, "handed")):
            hops.clear()
            for key, serial, *rest in state[name]:
                hops[key] = Hop(stays[serial], *rest)
        for serial in state["awaiting"]:
            self._awaiting[serial] = stays[serial]


def _is_free(held: Incarnation) -> bool:
    """Whether it can still become a later stay of another message."""
    return (
        (held.parent is None or held.guessed)
        and not held.settled
        and held.user is None
        and held.origin != UNSEEN
    )


def _best(pairs: Sequence[tuple[Hop, Incarnation]]) -> int | None:
    """Which pair of a hop and the stay after it is meant; None where that cannot be told.

    An equal Message-ID decides, then a beginning within the hop to the stamps' accuracy.
    """
    same = [at for at, (hop, held) in enumerate(pairs) if _same_header(held, hop.held)]
    within = [
        at
        for at, (hop, held) in enumerate(pairs)
        if hop.start - _CLOSE <= held.birth <= hop.stamp + _CLOSE
    ]
    if same:
        return next((at for at in same if at in within), same[0])
    for found in (within, range(len(pairs))):
        if len(found) == 1:
            return found[0]
    return None


def _fits(hop: Hop, held: Incarnation, recipients: Collection[str]) -> bool:
    """Whether a stay for `recipients` can be what a hop made of its message.

    A mailbox's rule that redirects a copy makes a stay for someone else; a filter that is known
    for one may also have put another address in place of the recipient's.
    """
    return hop.recipient in recipients or (hop.certain and _same_header(held, hop.held))


def _same_header(one: Incarnation, other: Incarnation) -> bool:
    return not names_nothing(one.header_id) and one.header_id == other.header_id


def _same_name(client: str, host: str) -> bool:
    """Whether a client (`name[address]`) goes by the first label of a log's host name."""
    match = _CLIENT_NAME.match(client)
    name = "" if match is None else match[0].lower()
    return name != "" and name == host.partition(".")[0].lower()
