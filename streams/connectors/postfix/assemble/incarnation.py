"""One stay of a message in the queue under one queue id, and what is known of its recipients.

Identity is (host, queue id, incarnation): short queue ids are used again. A message that a
content filter hands back, that `postsuper -r` puts back, or that local(8) forwards stays the
same message: its later incarnations point to the first, the *root*, which holds the moment of
full reception, the sender, and the recipients, so that the message counts once (contract §2).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from mailsla.streams.connectors.postfix.read.lines import StatusLine
from mailsla.streams.connectors.postfix.read.relays import Facing

_RECIPIENT_FIELDS: Final = ("announced", "dispatched", "finished", "liability", "tenant", "at")
_FIELDS: Final = (
    "serial",
    "host",
    "queue_id",
    "origin",
    "birth",
    "client",
    "user",
    "sender",
    "size",
    "count",
    "header_id",
    "accepted",
    "settled",
    "upper_bound",
    "active",
    "session",
    "closed",
    "own_hop",
    "requeued",
    "notice",
    "guessed",
    "remote_trouble",
    "live",
    "touched",
    "on_hold",
    "followed",
)

_SETS: Final = ("attempted", "tried", "done")

# How an incarnation was first seen.
SMTPD: Final = "smtpd"
PICKUP: Final = "pickup"
CLEANUP: Final = "cleanup"  # a bounce, or a message forwarded by local(8)
UNSEEN: Final = "unseen"  # its opening lines lie before the beginning of the log


# Why a result is held back.
ORIGIN: Final = "origin"  # the message may be a later stay of one that is still on its way here
NEXT_HOP: Final = "next hop"  # what took it may be a filter that hands it back
LOOKUP: Final = "lookup"  # the destination's name was not found, or ours cannot be asked


class IncarnationResult(NamedTuple):
    """A delivery attempt whose meaning is not decided yet; `stamp` in µs."""

    why: str
    stamp: int
    facing: Facing
    status: StatusLine


class Recipient:
    """What became of one recipient of a root message so far; `at` = serial of its incarnation.

    `tenant` is set with `announced` (message.accepted was emitted) and is
    `direction:tenant_id`.
    """

    __slots__ = _RECIPIENT_FIELDS

    def __init__(self) -> None:
        self.announced = False
        self.dispatched = False
        self.finished = False
        self.liability: str | None = None
        self.tenant: str | None = None
        self.at = 0


class Incarnation:
    """One stay in the queue. Stamps are µs since 1970; `accepted` is kept by the root.

    `settled`: an event has carried `accepted`, it will not change any more.
    `live`: incarnations of this root still held (the root's own included).
    `touched`: stamp of the last line about it; `on_hold`: the operator keeps it from delivery;
    `followed`: a later incarnation went on from it.
    `tried`: recipients attempted since it last became active, `done`: those that are through.
    `parent`: the incarnation it goes on from; None for a root.
    `waiting`: results held back until it is known what they mean.
    """

    __slots__ = (*_FIELDS, "attempted", "done", "parent", "recipients", "tried", "waiting")

    def __init__(self, serial: int, host: str, queue_id: str, origin: str, birth: int) -> None:
        self.serial = serial
        self.host = host
        self.queue_id = queue_id
        self.origin = origin
        self.birth = birth
        self.client: str | None = None
        self.user: str | None = None
        self.sender: str | None = None
        self.size: int | None = None
        self.count = 0
        self.header_id: str | None = None
        self.accepted: int | None = None
        self.settled = False
        self.upper_bound = False
        self.active: int | None = None
        self.session: str | None = None
        self.closed: int | None = None
        self.own_hop = False
        self.requeued = False
        self.notice = False
        self.guessed = False
        self.remote_trouble: int | None = None
        self.live = 1
        self.touched = birth
        self.on_hold = False
        self.followed = False
        self.attempted: set[str] = set()
        self.tried: set[str] = set()
        self.done: set[str] = set()
        self.recipients: dict[str, Recipient] = {}
        self.parent: Incarnation | None = None
        self.waiting: list[IncarnationResult] = []

    @property
    def root(self) -> Incarnation:
        """The first incarnation of the message, itself where it did not come from another."""
        root = self
        while root.parent is not None:
            root = root.parent
        return root

    @property
    def message_id(self) -> str:
        """The message's name in events: queue id and first stamp, unique per host."""
        return f"{self.queue_id}-{self.birth}"

    @property
    def silent(self) -> bool:
        """A notification made by Postfix itself: it was received from nobody, no latency."""
        if self.notice:
            return True
        if self.origin in (SMTPD, PICKUP):
            return False
        return not self.sender or self.sender.startswith("double-bounce@")

    @property
    def expects_return(self) -> bool:
        """Whether a message with the same Message-ID can be this one handed back."""
        if self.own_hop or self.requeued:
            return True
        unfinished = self.count == 0 or len(self.attempted) < self.count
        return self.closed is None and unfinished

    @property
    def is_being_tried(self) -> bool:
        """Whether delivery attempts of it may be under way: active, with results to come."""
        return (
            self.active is not None
            and self.closed is None
            and len(self.tried | self.done) < self.count
        )

    @property
    def has_content(self) -> bool:
        """Whether more than an envelope was seen of it."""
        return self.header_id is not None or self.active is not None

    def received_by(self, stamp: int) -> None:
        """Full reception is proven at `stamp`; the earliest proof counts."""
        if self.settled or self.origin == UNSEEN:
            return
        if self.accepted is None or stamp < self.accepted:
            self.accepted = max(stamp, self.birth)

    def attempt(self, recipient: str, status: str) -> None:
        """Take down that a recipient was tried."""
        self.attempted.add(recipient)
        self.tried.add(recipient)
        if status != "deferred":
            self.done.add(recipient)

    def adopt(self, earlier: Incarnation, *, guessed: bool = False) -> bool:
        """Make this a later incarnation of `earlier`'s message; whether it is one now.

        `guessed`: by an equal Message-ID alone; another envelope sender, or what a hop says
        of itself, refutes it.
        """
        if self.guessed and not guessed:
            self._leave()
        root = earlier.root
        if self.parent is not None or self.settled or root is self:
            return self.root is root
        self.parent = earlier
        earlier.followed = True
        self.guessed = guessed
        root.live += self.live
        return True

    def refute(self, sender: str) -> None:
        """Take a guessed adoption back when the envelope sender is another one.

        A filter keeps the sender; a mailbox rule that redirects a copy need not.
        """
        if self.guessed and self.root.sender not in (None, sender):
            self._leave()

    def _leave(self) -> None:
        root = self.root
        if root is not self and not self.settled and not root.settled_by(self):
            root.live -= self.live
            self.parent = None
        self.guessed = False

    def settled_by(self, held: Incarnation) -> bool:
        """Whether an event of this root's came from that incarnation."""
        return any(recipient.at == held.serial for recipient in self.recipients.values())

    def dump(self) -> dict[str, Any]:
        """A JSON-able copy; the root is named by its serial."""
        state: dict[str, Any] = {name: getattr(self, name) for name in _FIELDS}
        for name in _SETS:
            state[name] = sorted(getattr(self, name))
        state["parent"] = None if self.parent is None else self.parent.serial
        state["waiting"] = [
            [result.why, result.stamp, result.facing.name, list(result.status)]
            for result in self.waiting
        ]
        state["recipients"] = {
            address: [getattr(recipient, name) for name in _RECIPIENT_FIELDS]
            for address, recipient in self.recipients.items()
        }
        return state

    @classmethod
    def load(cls, state: dict[str, Any]) -> Incarnation:
        """The reverse of dump; `parent` still has to be set where there is one."""
        made = cls(
            state["serial"], state["host"], state["queue_id"], state["origin"], state["birth"]
        )
        for name in _FIELDS:
            setattr(made, name, state[name])
        for name in _SETS:
            getattr(made, name).update(state[name])
        made.waiting = [
            IncarnationResult(why, stamp, Facing[facing], StatusLine(*status))
            for why, stamp, facing, status in state["waiting"]
        ]
        for address, values in state["recipients"].items():
            recipient = made.recipients[address] = Recipient()
            for name, value in zip(_RECIPIENT_FIELDS, values, strict=True):
                setattr(recipient, name, value)
        return made
