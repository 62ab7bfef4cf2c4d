"""What every task must know: facts of the platform (``*``), who was billed, working days.

The task that meets such an event passes it on through the broadcast topic; every worker reads
that topic from its beginning. Facts do not depend on order or repetition, so neither does this.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Final

import orjson

from mailsla.schemas.calendars import Calendars, WorkingCalendar
from mailsla.schemas.codec.identifiers import PLATFORM
from mailsla.schemas.topics import BROADCAST, CALENDARS
from mailsla.streams.clauses.facts.base import Fact
from mailsla.streams.clauses.facts.billing import BillingRegister
from mailsla.streams.clauses.registry import Scope
from mailsla.streams.live.apply.invalidation import EXCLUSIONS, Changes, changed_since
from mailsla.streams.live.state.landed import (
    VOIDED,
    LandedEvents,
    encode_fact,
    matters_until_us,
    topic_of,
)
from mailsla.streams.runtime.checkpoint.writer import Outgoing
from mailsla.streams.time.clock import EventClock
from mailsla.streams.time.intervals import FOREVER

PROGRESS: Final = "source.progress"
"""A source says up to when everything that happened there has been published."""
CALENDAR: Final = "calendar"
"""A calendar was published."""
_MARK: Final = "clock.mark"
_OWN: Final = 0
_BILL: Final = 1
"""Who the events that everybody hears of belong to: the platform, or the register of bills."""
_BILLED: Final = frozenset({"customer.charged", "billing.error_confirmed"})


class Platform:
    """The platform's facts, shared by the tasks of a worker.

    Its clock says how far in event time the task has come that meets the platform's events. A
    task ahead of it, as happens while catching up, must not take for absent what is only on its
    way.
    """

    def __init__(self) -> None:
        self.calendars = Calendars()
        """Working days by the names that contracts give."""
        self.since_us: int | None = None
        """Before this instant nothing is known of the platform."""
        self.progress: dict[str, Fact] = {}
        """Source → what it said last of how far its log is published."""
        self.heard = 0
        """Offset in the broadcast topic up to which it was read."""
        self._scope = Scope(PLATFORM)
        self._register = BillingRegister()
        self._landed = LandedEvents()
        self._outdated: set[tuple[int, str]] = set()
        """Owner and topic of facts that are to be taken anew, since some no longer count."""
        self.corrected: set[str] = set()
        """The topics of which an event that everybody hears of was voided."""
        self._voidings: list[tuple[int, Fact]] = []
        """Every ``event.voided`` of whatever tenant, and where it was read."""
        self._changes: dict[str, Changes] = {}
        """By topic."""
        self._exclusions_end = 0
        """Offset after the last record that changed which messages are left out."""
        self._clock: EventClock | None = None

    @property
    def scope(self) -> Scope:
        """The facts of the platform."""
        if self._outdated:
            deque(self.renew(), 0)
        return self._scope

    @property
    def register(self) -> BillingRegister:
        """Who was billed of the whole platform."""
        if self._outdated:
            deque(self.renew(), 0)
        return self._register

    def renew(self) -> Iterator[None]:
        """Bring facts up to date of which some no longer count; as `Tenants.renew`."""
        while self._outdated:
            owner, topic = self._outdated.pop()
            counted = self._landed.counted(owner, topic)
            if owner == _OWN:
                yield from self._scope.renew(topic, counted)
                continue
            self._register = BillingRegister()
            for fact in counted:
                self._register.observe(fact)
                yield

    def observe(self, fact: Fact) -> None:
        """Take a fact of the platform, a billing fact or a voiding of any tenant."""
        gone = fact["type"] == VOIDED and self._landed.void(fact) and self._landed.find(fact)
        if gone:
            self._outdated.add((_owner(gone["tenant_id"]), topic_of(gone)))
            self.corrected.add(topic_of(gone))
        if not _is_shared(fact):
            return
        self._landed.take(fact, _owner)
        if self._landed.counts(fact):
            taker = self._scope if fact["tenant_id"] == PLATFORM else self._register
            taker.observe(fact)
            about_us = changed_since(fact, lambda: self.scope)
            self.since_us = about_us if self.since_us is None else min(about_us, self.since_us)

    def voidings(self, first: int = 0, end: int = FOREVER) -> Iterator[Fact]:
        """Every ``event.voided`` of whoever within offsets ``[first, end)`` of the topic."""
        return (fact for at, fact in self._voidings if first <= at < end)

    def forget(self, before_us: int) -> None:
        """Drop what no month beginning at or after ``before_us`` can need."""
        self.scope.forget(before_us)
        self._landed.forget(before_us)
        for changes in self._changes.values():
            changes.forget(before_us)
        self._voidings = [one for one in self._voidings if matters_until_us(one[1]) >= before_us]

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
            if fact["type"] == VOIDED:
                self._voidings.append((offset, fact))
            self.observe(fact)
        facts = self.with_voided([fact])
        if any(each["type"] in EXCLUSIONS for each in facts):
            self._exclusions_end = offset + 1
        for topic, since_us in self.changed(facts).items():
            self._changes.setdefault(topic, Changes()).note(offset, since_us)
        return fact

    def changed(self, facts: Iterable[Fact]) -> dict[str, int]:
        """Topic → the instant, µs, from which on facts that were read changed anything."""
        since: dict[str, int] = {}
        for fact in facts:
            if fact["type"] == CALENDAR:
                topic, about_us = CALENDARS.name, 0
            elif _is_shared(fact):
                topic, about_us = topic_of(fact), changed_since(fact, lambda: self.scope)
            else:
                continue
            since[topic] = min(about_us, since.get(topic, about_us))
        return since

    def with_voided(self, facts: Iterable[Fact]) -> list[Fact]:
        """Facts that were read, and those that they take out of what everybody hears of."""
        found = list(facts)
        voidings = (fact for fact in found if fact["type"] == VOIDED)
        gone = (self._landed.find(voiding) for voiding in voidings)
        return [*found, *(one for one in gone if one is not None)]

    def changes_after(self, offset: int) -> dict[str, int]:
        """Topic → the instant, µs, from which on records at or beyond an offset changed it."""
        found = {topic: each.since_us(offset) for topic, each in self._changes.items()}
        return {topic: since_us for topic, since_us in found.items() if since_us is not None}

    def excludes_after(self, offset: int) -> bool:
        """Whether records at or beyond an offset changed which messages are left out."""
        return offset < self._exclusions_end

    def reached_us(self, now_s: float) -> int | None:
        """Event time up to which the platform's events are known; ``None`` if there are none."""
        return None if self._clock is None else self._clock.now_us(now_s)


def concerns_platform(fact: Fact) -> bool:
    """Whether a fact must be known to every task: a voiding may be of anybody's event."""
    return _is_shared(fact) or fact["type"] == VOIDED


def _owner(tenant: str) -> int:
    return _OWN if tenant == PLATFORM else _BILL


def _is_shared(fact: Fact) -> bool:
    """Whether a fact counts for every tenant."""
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
