"""What every task must know: facts of the platform (``*``), who was billed, working days.

The task that meets such an event passes it on through the broadcast topic; every worker reads
that topic from its beginning. Facts do not depend on order or repetition, so neither does this.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import orjson

from mailsla.schemas.calendars import Calendars, WorkingCalendar
from mailsla.schemas.codec.identifiers import PLATFORM
from mailsla.schemas.facts.billing import BillingErrorConfirmedFact, CustomerChargedFact
from mailsla.schemas.facts.fact import Fact
from mailsla.schemas.facts.lines import encode_fact, fact_of
from mailsla.schemas.facts.ops import EventVoidedFact, SourceProgressFact
from mailsla.schemas.topics import BROADCAST, CALENDARS
from mailsla.streams.clauses.facts.billing import BillingRegister
from mailsla.streams.clauses.invalidation import (
    EXCLUSIONS,
    ChangesSince,
    changed_since,
    may_be_quiet,
)
from mailsla.streams.clauses.registry import Scope
from mailsla.streams.live.state.landed import LandedEvents, matters_until_us
from mailsla.streams.live.state.progress import Progress
from mailsla.streams.runtime.checkpoint.writer import Outgoing
from mailsla.streams.time.clock import EventClock
from mailsla.streams.time.intervals import FOREVER

_CALENDAR: Final = "calendar"
_MARK: Final = "clock.mark"
"""Records of the broadcast topic that are no facts: a calendar was published; how far the
platform's events have come."""
_HEARD: Final = "heard_us"
"""In the record of a fact: when the broker received it."""
_BEFORE_HEARD: Final = b',"%b":' % _HEARD.encode()
_OWN: Final = 0
_BILL: Final = 1
"""Who the events that everybody hears of belong to: the platform, or the register of bills."""
_BILLED: Final = (CustomerChargedFact, BillingErrorConfirmedFact)


class Broadcast(NamedTuple):
    """What a record of the broadcast topic tells: a fact, or else that a calendar was published.

    ``heard_us`` is when the broker received the fact, µs; ``changes`` what it changed of what
    everybody hears of: a topic, from which instant on, µs, and the fact that has come, if one has.
    """

    fact: Fact | None
    heard_us: int = 0
    changes: Sequence[tuple[str, int, Fact | None]] = ()


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
        self.progress: dict[str, Progress] = {}
        """Source → what it said last of how far its log is published."""
        self.heard = 0
        """Offset in the broadcast topic up to which it was read."""
        self._scope = Scope(PLATFORM)
        self._register = BillingRegister()
        self._landed = LandedEvents(_owner)
        self._voidings: list[tuple[int, EventVoidedFact]] = []
        """Every ``event.voided`` of whatever tenant, and where it was read."""
        self._changes: dict[str, ChangesSince] = {}
        """By topic."""
        self._exclusions_end = 0
        """Offset after the last record that changed which messages are left out."""
        self._clock: EventClock | None = None

    @property
    def scope(self) -> Scope:
        """The facts of the platform."""
        if self._landed.outdated:
            deque(self.renew(), 0)
        return self._scope

    @property
    def register(self) -> BillingRegister:
        """Who was billed of the whole platform."""
        if self._landed.outdated:
            deque(self.renew(), 0)
        return self._register

    @property
    def corrected(self) -> set[str]:
        """The topics of which an event that everybody hears of was voided."""
        return self._landed.corrected(_OWN) | self._landed.corrected(_BILL)

    def renew(self) -> Iterator[None]:
        """Bring facts up to date of which some no longer count (`LandedEvents.renew`)."""
        return self._landed.renew(self._take_anew)

    def _take_anew(self, owner: int, topic: str, facts: Iterable[Fact]) -> Iterator[None]:
        if owner == _OWN:
            yield from self._scope.renew(topic, facts)
            return
        self._register = BillingRegister()
        for fact in facts:
            self._register.observe(fact)
            yield

    def observe(self, fact: Fact, line: bytes | None = None) -> None:
        """Take a fact of the platform, a billing fact or a voiding of any tenant.

        Args:
            fact: what was heard.
            line: the same as `encode_fact` writes it, where that is known.

        """
        if isinstance(fact, EventVoidedFact):
            self._landed.void(fact)
        if not _is_shared(fact):
            return
        line = line or encode_fact(fact)
        if self._landed.take(fact, line).is_new and self._landed.counts(fact):
            taker = self._scope if fact.tenant_id == PLATFORM else self._register
            taker.observe(fact)
            about_us = changed_since(fact, lambda: self.scope)
            self.since_us = about_us if self.since_us is None else min(about_us, self.since_us)

    def voidings(self, first: int = 0, end: int = FOREVER) -> Iterator[EventVoidedFact]:
        """Every ``event.voided`` of whoever within offsets ``[first, end)`` of the topic."""
        return (fact for at, fact in self._voidings if first <= at < end)

    def forget(self, before_us: int) -> None:
        """Drop what no month beginning at or after ``before_us`` can need."""
        self.scope.forget(before_us)
        self._landed.forget(before_us)
        for changes in self._changes.values():
            changes.forget(before_us)
        self._voidings = [one for one in self._voidings if matters_until_us(one[1]) >= before_us]

    def read(self, value: bytes, offset: int, now_s: float) -> Broadcast | None:
        """Take a record of the broadcast topic; what it tells, unless it is a mark of the clock."""
        self.heard = offset + 1
        document: dict[str, Any] = orjson.loads(value)
        if document["type"] == _MARK:
            if self._clock is None:
                self._clock = EventClock(quiet_s=0.0)
            self._clock.observe(document["time"], now_s)
            return None
        if document["type"] == _CALENDAR:
            self.calendars.publish(WorkingCalendar.model_validate(document["document"]))
            told = Broadcast(None, changes=[(CALENDARS.name, 0, None)])
        else:
            fact, heard_us = fact_of(document), document.get(_HEARD, 0)
            if isinstance(fact, SourceProgressFact):
                # It moves time, and says nothing of operations.
                self._note_progress(Progress(fact.of, fact.time, heard_us))
                return Broadcast(fact, heard_us)
            if isinstance(fact, EventVoidedFact):
                self._voidings.append((offset, fact))
            self.observe(fact, _line_of(value))
            if self.excludes(fact):
                self._exclusions_end = offset + 1
            told = Broadcast(fact, heard_us, list(self._changes_of(fact)))
        for topic, since_us, _ in told.changes:
            self._changes.setdefault(topic, ChangesSince()).note(offset, since_us)
        return told

    def _note_progress(self, said: Progress) -> None:
        known = self.progress.get(said.of)
        if known is None or said.to_us >= known.to_us:
            self.progress[said.of] = said

    def _changes_of(self, fact: Fact) -> Iterator[tuple[str, int, Fact | None]]:
        """What a fact takes out of what everybody hears of changes as much as when it came."""
        for one, come in ((fact, fact), (self._voided_by(fact), None)):
            if one is not None and _is_shared(one):
                yield one.topic, changed_since(one, lambda: self.scope), come

    def excludes(self, fact: Fact) -> bool:
        """Whether a fact that was read changes which messages are left out, or what it voids."""
        return isinstance(self._voided_by(fact) or fact, EXCLUSIONS)

    def _voided_by(self, fact: Fact) -> Fact | None:
        """What a fact that was read takes out of what everybody hears of, if anything."""
        return self._landed.find(fact) if isinstance(fact, EventVoidedFact) else None

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


def earliest_changes(read: Iterable[Broadcast]) -> Iterable[tuple[str, int, Fact | None]]:
    """The earliest of the `Broadcast.changes` of every topic.

    Of each type of facts that may change no state (`may_be_quiet`) there is one of its own, with
    its fact: if that changes none, no later one does.
    """
    found: dict[tuple[str, str | None], tuple[str, int, Fact | None]] = {}
    for told in read:
        for topic, since_us, come in told.changes:
            quiet = come if may_be_quiet(come) else None
            key = topic, None if quiet is None else quiet.type
            if key not in found or since_us < found[key][1]:
                found[key] = topic, since_us, quiet
    return found.values()


def concerns_platform(fact: Fact) -> bool:
    """Whether a fact must be known to every task: a voiding may be of anybody's event."""
    return _is_shared(fact) or isinstance(fact, EventVoidedFact)


def _owner(tenant: str) -> int:
    return _OWN if tenant == PLATFORM else _BILL


def _is_shared(fact: Fact) -> bool:
    """Whether a fact counts for every tenant."""
    return fact.tenant_id == PLATFORM or isinstance(fact, _BILLED)


def _line_of(value: bytes) -> bytes:
    """The line of the fact in a record that `broadcast_record` has made."""
    return value[: value.rindex(_BEFORE_HEARD)] + b"}" if _BEFORE_HEARD in value else value


def broadcast_record(fact: Fact, heard_us: int) -> Outgoing:
    """The record that tells every task of a fact, and when the broker received it."""
    # The fact's own JSON with one more member.
    value = b"%b%b%d}" % (encode_fact(fact)[:-1], _BEFORE_HEARD, heard_us)
    return Outgoing(BROADCAST.name, fact.tenant_id.encode(), value, 0)


def calendar_record(document: bytes) -> Outgoing:
    """The record that tells every task of a calendar's document."""
    calendar = {"tenant_id": PLATFORM, "type": _CALENDAR, "document": orjson.Fragment(document)}
    return Outgoing(BROADCAST.name, PLATFORM.encode(), orjson.dumps(calendar), 0)


def mark_record(instant_us: int) -> Outgoing:
    """The record that tells every task how far the platform's events have come."""
    mark = {"tenant_id": PLATFORM, "type": _MARK, "time": instant_us}
    return Outgoing(BROADCAST.name, PLATFORM.encode(), orjson.dumps(mark), 0)
