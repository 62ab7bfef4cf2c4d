"""What every task must know: facts of the platform (``*``), who was billed, working days.

The task that meets such an event passes it on through the broadcast topic; every worker reads
that topic from its beginning. Facts do not depend on order or repetition, so neither does this.
"""

from collections.abc import Iterable
from typing import Any, Final

import orjson

from mailsla.schemas.calendars import Calendars, WorkingCalendar
from mailsla.schemas.codec.identifiers import PLATFORM
from mailsla.schemas.registry import TYPES
from mailsla.schemas.topics import BROADCAST, CALENDARS
from mailsla.streams.clauses.facts.base import Fact
from mailsla.streams.clauses.facts.billing import BillingRegister
from mailsla.streams.clauses.registry import Scope
from mailsla.streams.live.apply.invalidation import changed_since
from mailsla.streams.runtime.checkpoint.writer import Outgoing
from mailsla.streams.time.clock import EventClock

PROGRESS: Final = "source.progress"
"""A source says up to when everything that happened there has been published."""
CALENDAR: Final = "calendar"
"""A calendar was published."""
_MARK: Final = "clock.mark"
_STRETCH: Final = 1024
"""Records of the broadcast topic whose changes are remembered together."""
_BILLED: Final = frozenset({"customer.charged", "billing.error_confirmed"})


class Platform:
    """The platform's facts, shared by the tasks of a worker.

    Its clock says how far in event time the task has come that meets the platform's events. A
    task ahead of it, as happens while catching up, must not take for absent what is only on its
    way.
    """

    def __init__(self) -> None:
        self.scope = Scope(PLATFORM)
        self.register = BillingRegister()
        self.calendars = Calendars()
        """Working days by the names that contracts give."""
        self.since_us: int | None = None
        """Before this instant nothing is known of the platform."""
        self.progress: dict[str, Fact] = {}
        """Source → what it said last of how far its log is published."""
        self.heard = 0
        """Offset in the broadcast topic up to which it was read."""
        self._changes: dict[int, dict[str, int]] = {}
        self._clock: EventClock | None = None

    def observe(self, fact: Fact) -> None:
        """Take a fact of the platform, or a billing fact of any tenant."""
        if fact["tenant_id"] == PLATFORM:
            self.scope.observe(fact)
        else:
            self.register.observe(fact)
        about_us = changed_since(fact, self.scope)
        self.since_us = about_us if self.since_us is None else min(about_us, self.since_us)

    def read(self, value: bytes, offset: int, now_s: float) -> Fact | None:
        """Take a record of the broadcast topic; the fact, unless it is a mark of the clock."""
        self.heard = offset + 1
        fact: dict[str, Any] = orjson.loads(value)
        if fact["type"] == _MARK:
            if self._clock is None:
                self._clock = EventClock(quiet_s=0.0)
            self._clock.observe(fact["time"], now_s)
            return None
        if fact["type"] == PROGRESS:
            known = self.progress.get(fact["of"])
            if known is None or fact["time"] >= known["time"]:
                self.progress[fact["of"]] = fact
            return fact
        if fact["type"] == CALENDAR:
            self.calendars.publish(WorkingCalendar.model_validate(fact["document"]))
        else:
            self.observe(fact)
        about = self._changes.setdefault(offset // _STRETCH, {})
        for topic, since_us in self.changed([fact]).items():
            about[topic] = min(since_us, about.get(topic, since_us))
        return fact

    def changed(self, facts: Iterable[Fact]) -> dict[str, int]:
        """Topic → the instant, µs, from which on facts that were read changed anything."""
        since: dict[str, int] = {}
        for fact in facts:
            topic, about_us = CALENDARS.name, 0
            if fact["type"] != CALENDAR:
                topic, about_us = TYPES[fact["type"]].topic, changed_since(fact, self.scope)
            since[topic] = min(about_us, since.get(topic, about_us))
        return since

    def changes_after(self, offset: int) -> dict[str, int]:
        """What records at or beyond an offset changed, and a few before it.

        Returns:
            topic → the instant from which on something changed.

        """
        found: dict[str, int] = {}
        for stretch, about in self._changes.items():
            if stretch >= offset // _STRETCH:
                for topic, since_us in about.items():
                    found[topic] = min(since_us, found.get(topic, since_us))
        return found if offset < self.heard else {}

    def reached_us(self, now_s: float) -> int | None:
        """Event time up to which the platform's events are known; ``None`` if there are none."""
        return None if self._clock is None else self._clock.now_us(now_s)


def concerns_platform(fact: Fact) -> bool:
    """Whether a fact must be known to every task."""
    return fact["tenant_id"] == PLATFORM or fact["type"] in _BILLED


def broadcast_record(fact: Fact, heard_us: int) -> Outgoing:
    """The record that tells every task of a fact, and when the broker received it."""
    key = fact["tenant_id"].encode()
    return Outgoing(BROADCAST.name, key, encode_fact({**fact, "heard_us": heard_us}), 0)


def calendar_record(document: bytes) -> Outgoing:
    """The record that tells every task of a calendar's document."""
    calendar = {"tenant_id": PLATFORM, "type": CALENDAR, "document": orjson.Fragment(document)}
    return Outgoing(BROADCAST.name, PLATFORM.encode(), orjson.dumps(calendar), 0)


def mark_record(instant_us: int) -> Outgoing:
    """The record that tells every task how far the platform's events have come."""
    mark = {"tenant_id": PLATFORM, "type": _MARK, "time": instant_us}
    return Outgoing(BROADCAST.name, PLATFORM.encode(), orjson.dumps(mark), 0)


def encode_fact(fact: Fact) -> bytes:
    """A fact as JSON; amounts are decimal strings."""
    return orjson.dumps(fact, default=str)
