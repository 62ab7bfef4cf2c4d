"""The incarnations an assembler holds, in bounded memory (limits in `site.Limits`).

What no line has spoken of for longer than Postfix keeps a message is forgotten. A message on
hold is kept: nothing is logged about it, and Postfix never gives it up. Where there are too
many, those go first of which nothing was heard for longest.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

from mailsla.streams.connectors.postfix.assemble.hops import Hops, names_nothing
from mailsla.streams.connectors.postfix.assemble.incarnation import Incarnation
from mailsla.streams.connectors.postfix.site import Limits
from mailsla.streams.connectors.stamps import SECOND

# A single line with a wrong stamp must not make everything too old at once.
_LARGEST_STEP: Final = 86_400 * SECOND
_AGE_CHECK_EVERY: Final = 60 * SECOND

Waiting = deque[tuple[int, Incarnation]]


def _micros(length: timedelta) -> int:
    return length // timedelta(microseconds=1)


class MailQueue:
    """Open and lingering incarnations by (host, queue id), Message-ID and smtpd session.

    `decide(held)` is called before an incarnation is forgotten, `finish(root, stamp)` when the
    last one of a root leaves in good order. `hops` knows the incarnations of every host.
    """

    def __init__(
        self,
        limits: Limits,
        counters: Counter[str],
        hops: Hops,
        decide: Callable[[Incarnation], None],
        finish: Callable[[Incarnation, int], None],
    ) -> None:
        self.sessions: dict[str, Incarnation] = {}
        self._limit = limits.open_messages
        self._age = _micros(limits.age)
        self._linger = _micros(limits.linger)
        self._filter_return = _micros(limits.filter_return)
        self._counters = counters
        self._hops = hops
        self._decide = decide
        self._finish = finish
        self._reset()

    def _reset(self) -> None:
        self._held: OrderedDict[str, Incarnation] = OrderedDict()
        self._headers: dict[str, Incarnation] = {}
        self._lingering: Waiting = deque()
        self._returning: Waiting = deque()
        self._now = 0
        self._next_age_check = 0
        self.sessions.clear()

    def __len__(self) -> int:
        return len(self._held)

    @property
    def reached(self) -> int:
        """The time the host's log has reached (µs); 0 before the first line."""
        return self._now

    def find(self, host: str, queue_id: str) -> Incarnation | None:
        """The present incarnation, or one removed a short while ago."""
        return self._held.get(f"{host} {queue_id}")

    def open_now(self, host: str, queue_id: str) -> Incarnation | None:
        """The present incarnation, not yet removed."""
        held = self._held.get(f"{host} {queue_id}")
        return held if held is not None and held.closed is None else None

    def open(self, host: str, queue_id: str, origin: str, birth: int) -> Incarnation:
        """Begin an incarnation; one still held under the same id ends unnoticed."""
        key = f"{host} {queue_id}"
        earlier = self._held.pop(key, None)
        if earlier is not None:
            if earlier.closed is None:
                self._counters["superseded"] += 1
            self._forget(earlier)
        self._hops.serial += 1
        held = self._held[key] = Incarnation(self._hops.serial, host, queue_id, origin, birth)
        self._hops.add(held)
        if len(self._held) > self._limit:
            self._make_room()
        return held

    def touch(self, held: Incarnation, stamp: int) -> None:
        """A line spoke of it."""
        held.touched = max(held.touched, stamp)
        self._held.move_to_end(f"{held.host} {held.queue_id}")

    def close(self, held: Incarnation, stamp: int) -> None:
        """Removed from Postfix's queue; lines out of order and filters may still refer to it."""
        held.closed = stamp
        if (held.own_hop or held.requeued) and not held.followed:
            self._returning.append((stamp + self._filter_return, held))
        else:
            self._lingering.append((stamp + self._linger, held))

    def drop(self, held: Incarnation) -> None:
        """Forget one that was never accepted."""
        key = f"{held.host} {held.queue_id}"
        if self._held.get(key) is held:
            del self._held[key]
            self._forget(held)

    def doubt(self, held: Incarnation, stamp: int) -> None:
        """Drop one after a while unless a line out of order shows that it was received."""
        self._lingering.append((stamp + self._linger, held))

    def name(self, held: Incarnation, header_id: str) -> None:
        """Make it known by its Message-ID header; the latest of a host's holders counts."""
        held.header_id = header_id
        if names_nothing(header_id):
            return
        self._headers[f"{held.host} {header_id}"] = held

    def with_header(self, host: str, header_id: str) -> Incarnation | None:
        """The latest incarnation with this Message-ID header."""
        return self._headers.get(f"{host} {header_id}")

    def tick(self, now: int) -> None:
        """Move time on and let go of what is due.

        Time never goes back, but for more than a day: then it was a wrong stamp that moved it.
        """
        if now <= self._now:
            if now < self._now - _LARGEST_STEP:
                self._now = self._next_age_check = now
            return
        self._now = now if self._now == 0 else min(now, self._now + _LARGEST_STEP)
        for waiting in (self._lingering, self._returning):
            while waiting and waiting[0][0] <= self._now:
                self._release(waiting.popleft()[1])
        if self._now >= self._next_age_check:
            self._next_age_check = self._now + _AGE_CHECK_EVERY
            self._evict_aged()

    def release_all(self) -> None:
        """Let go of everything removed: nothing more will come."""
        for waiting in (self._lingering, self._returning):
            while waiting:
                self._release(waiting.popleft()[1])

    def _release(self, held: Incarnation) -> None:
        if held.closed is not None or not held.has_content:
            self.drop(held)

    def _forget(self, held: Incarnation) -> None:
        if held.waiting:
            self._decide(held)
        self._hops.remove(held)
        header = f"{held.host} {held.header_id}"
        if self._headers.get(header) is held:
            del self._headers[header]
        if held.session is not None and self.sessions.get(held.session) is held:
            del self.sessions[held.session]
        root = held.root
        root.live -= 1
        if root.live <= 0 and held.closed is not None:
            self._finish(root, held.closed)

    def _make_room(self) -> None:
        for waiting in (self._lingering, self._returning):
            while waiting:
                before = len(self._held)
                self._release(waiting.popleft()[1])
                if len(self._held) < before:
                    return
        self._evict_oldest()

    def _evict_oldest(self) -> None:
        _, held = self._held.popitem(last=False)
        self._counters["evicted"] += 1
        self._forget(held)

    def _evict_aged(self) -> None:
        while self._held:
            held = next(iter(self._held.values()))
            if held.touched >= self._now - self._age:
                return
            if held.on_hold:
                self.touch(held, self._now)
            else:
                self._evict_oldest()

    def snapshot(self) -> dict[str, Any]:
        """The state as JSON-able values; incarnations refer to each other by serial."""
        return {
            "incarnations": [held.dump() for held in self._reachable()],
            "held": [held.serial for held in self._held.values()],
            "sessions": {key: held.serial for key, held in self.sessions.items()},
            "headers": [held.serial for held in self._headers.values()],
            "lingering": [[due, held.serial] for due, held in self._lingering],
            "returning": [[due, held.serial] for due, held in self._returning],
            "now": self._now,
            "next_age_check": self._next_age_check,
        }

    def _reachable(self) -> Iterator[Incarnation]:
        seen: set[int] = set()
        waiting = [held for queue in (self._lingering, self._returning) for _, held in queue]
        for held in [*self._held.values(), *waiting]:
            stay: Incarnation | None = held
            while stay is not None and stay.serial not in seen:
                seen.add(stay.serial)
                yield stay
                stay = stay.parent

    def restore(self, state: dict[str, Any], known: dict[int, Incarnation]) -> None:
        """The reverse of snapshot, in place of the present state.

        `known` holds the incarnations of all hosts by serial.
        """
        self._reset()
        for serial in state["held"]:
            held = known[serial]
            self._held[f"{held.host} {held.queue_id}"] = held
            self._hops.add(held)
            if held.sender is not None:
                self._hops.sent_by(held, held.sender)
        self.sessions.update((key, known[serial]) for key, serial in state["sessions"].items())
        for serial in state["headers"]:
            self._headers[f"{known[serial].host} {known[serial].header_id}"] = known[serial]
        self._lingering.extend((due, known[serial]) for due, serial in state["lingering"])
        self._returning.extend((due, known[serial]) for due, serial in state["returning"])
        self._now = state["now"]
        self._next_age_check = state["next_age_check"]


def load_incarnations(queues: Iterable[Mapping[str, Any]]) -> dict[int, Incarnation]:
    """The incarnations of several queues' snapshots by serial, with their parents."""
    entries = [entry for queue in queues for entry in queue["incarnations"]]
    known = {entry["serial"]: Incarnation.load(entry) for entry in entries}
    for entry in entries:
        parent = entry["parent"]
        known[entry["serial"]].parent = None if parent is None else known[parent]
    return known
