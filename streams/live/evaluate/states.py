"""The state of every indicator, and its transitions with their sequence numbers."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, KeysView, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from heapq import heappop, heappush
from typing import Final

from mailsla.schemas.results import BreachType, State
from mailsla.streams.clauses.facts.exclusions import LATENCY
from mailsla.streams.clauses.model.burn_rate import Burn
from mailsla.streams.clauses.model.state_machine import Life
from mailsla.streams.live.evaluate.assessment import Assessment
from mailsla.streams.time.calendar import SECOND
from mailsla.streams.time.intervals import FOREVER

Key = tuple[str, str, str]
"""tenant, indicator, period"""

Values = tuple[int, int, str, list[str]]
"""numerator, denominator, what exclusions took, evidence: of the measure when a change began"""

Entry = tuple[str, str, str, State, int, State, int, list[str], Values | None, bool]
"""A key; the state published last, its sequence number; the present state, and since when, µs; the
levels at which the budget burns; what was measured when a change began that has still to hold; and
whether that is word of the past."""

TICK_US: Final = SECOND
"""What was touched, and what turns a mean, is looked at when event time passes a multiple of it."""
PAST_US: Final = 120 * SECOND
"""What becomes known of an instant so long ago, or longer, is word of the past."""
SETTLE_US: Final = 15 * SECOND
"""Word of the past is told as it stands once no more of it has come for so long."""


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of an indicator's state that is to be published, or of the rate its budget burns.

    ``at_us`` is the event time from which it could be published, ``since_us`` that at which the
    state began; the assessment is that of then.
    """

    type: BreachType
    assessment: Assessment
    state: State
    sequence: int
    at_us: int
    since_us: int
    more: Mapping[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class _Known:
    """What was published of an indicator, and the state it is in.

    ``begun`` is the indicator when the present state began, while that has still to hold; only
    its ``values`` come back after a restart.
    """

    life: Life = field(default_factory=Life)
    sequence: int = 0
    burning: list[str] = field(default_factory=list)
    begun: Assessment | None = None
    values: Values | None = None
    past: bool = False
    """Whether the present state became known as word of the past."""

    def hold_us(self) -> int:
        """How long the present state must hold until it is published."""
        if self.begun is None:
            return 0
        own_us = hold_us(self.begun)
        return max(own_us, SETTLE_US) if self.past else own_us


class IndicatorStates:
    """Remembers what was published, so that only changes are, each with the next sequence number.

    An indicator that has always been ``ok`` takes no room.

    Args:
        assessed: an indicator as it is now, to give the rest of what was restored.

    """

    def __init__(self, assessed: Callable[[Key], Assessment | None]) -> None:
        self._assessed = assessed
        self._known: dict[Key, _Known] = {}
        self._tenants: set[str] = set()
        self._unsaved: set[Key] = set()
        self._holds: dict[bool, list[tuple[int, Key]]] = {True: [], False: []}
        """Whether of section 2 → when a change may have held long enough, and whose, as a heap."""

    def restore(self, entries: Iterable[Entry]) -> None:
        """Take up sequence numbers and states where a former life left them."""
        for (
            tenant,
            indicator,
            period,
            told,
            sequence,
            present,
            since_us,
            burning,
            values,
            *past,
        ) in entries:
            key = tenant, indicator, period
            life = Life(told, present, since_us)
            self._tenants.add(tenant)
            self._known[key] = _Known(life, sequence, list(burning), None, values, any(past))

    def resume(self) -> None:
        """Go on once everything is restored: changes that have still to hold are watched again."""
        for key, known in self._known.items():
            if known.life.present == known.life.told:
                continue
            assessment = self._assessed(key)
            if assessment is not None:
                if known.values is not None:
                    numerator, denominator, excluded, evidence = known.values
                    found = replace(
                        assessment.measure,
                        numerator=numerator,
                        denominator=denominator,
                        excluded=Decimal(excluded),
                        evidence=tuple(evidence),
                    )
                    assessment = replace(assessment, measure=found)
                known.begun = assessment
                self._watch(key, known)

    def take_unsaved(self, everything: bool = False) -> list[Entry]:
        """The states and sequence numbers that the state does not have yet, or all."""
        entries: list[Entry] = []
        for key in sorted(self._known if everything else self._unsaved):
            known = self._known[key]
            life, begun = known.life, known.begun
            values: Values | None = None
            if begun is not None and life.present != life.told:
                found = begun.measure
                values = (
                    found.numerator,
                    found.denominator,
                    str(found.excluded),
                    list(found.evidence),
                )
            state = (life.told, known.sequence, life.present, life.since_us)
            entries.append((*key, *state, known.burning, values, known.past))
        self._unsaved.clear()
        return entries

    def forget(self, before: str) -> None:
        """Drop the states of periods before a month (``YYYY-MM``)."""
        for key in [key for key in self._known if key[2] < before]:
            del self._known[key]
            self._unsaved.discard(key)
        self._tenants = {tenant for tenant, *_ in self._known}

    def count(self) -> Counter[str]:
        """How many indicators are in each state; those that have always been ``ok`` are not."""
        return Counter(known.life.present for known in self._known.values())

    def present(self, key: Key) -> State:
        """The state an indicator was last seen in."""
        known = self._known.get(key)
        return "ok" if known is None else known.life.present

    def sequence(self, key: Key) -> int:
        """The sequence number of the last transition."""
        known = self._known.get(key)
        return 0 if known is None else known.sequence

    def brief(self, key: Key) -> tuple[State, State, int]:
        """What was published last of an indicator, the present state, and since when, µs."""
        known = self._known.get(key)
        life = Life() if known is None else known.life
        return life.told, life.present, life.since_us

    def knows(self, tenant: str) -> bool:
        """Whether any indicator of a tenant was ever anything but ``ok``."""
        return tenant in self._tenants

    def known(self) -> KeysView[Key]:
        """The indicators that were ever anything but ``ok``."""
        return self._known.keys()

    def next_hold_us(self, mail: bool) -> int | None:
        """When a change may next have held long enough, of section 2 or of the others."""
        holds = self._holds[mail]
        while holds:
            due_us, key = holds[0]
            known = self._known.get(key)
            if known and known.begun and known.life.due_us(known.hold_us()) == due_us:
                return due_us
            heappop(holds)
        return None

    def hold_bound_us(self, mail: bool) -> int:
        """Before it no change has held long enough; cheaper than `next_hold_us`."""
        return self._holds[mail][0][0] if self._holds[mail] else FOREVER

    def mature(self, to_us: int, mail: bool) -> Iterator[Transition]:
        """Publish the changes that have held long enough by an event time, in their order."""
        while (due_us := self.next_hold_us(mail)) is not None and due_us <= to_us:
            _, key = heappop(self._holds[mail])
            yield from self._mature(key, self._known[key], due_us)

    def _mature(self, key: Key, known: _Known, at_us: int) -> Iterator[Transition]:
        begun, life = known.begun, known.life
        if begun is None:
            return
        for type_, told, told_us in life.mature(at_us, known.hold_us()):
            known.sequence += 1
            known.begun = None
            self._unsaved.add(key)
            yield Transition(type_, begun, told, known.sequence, told_us, life.since_us)

    def turn(
        self,
        assessment: Assessment,
        at_us: int,
        over: bool,
        reached_us: int = 0,
        past: bool = False,
    ) -> Iterator[Transition]:
        """What is to be published of an indicator that is found in a state.

        Args:
            assessment: the indicator; what is not judged has no states.
            at_us: since when it is in that state, event time, µs.
            over: whether its month is over, so that a mean that misses its target has breached.
            reached_us: the event time reached before it was known to be so, if later.
            past: that it is word of the past, published once it has held for `SETTLE_US`.

        """
        if not assessment.term.judged:
            return
        key, state = key_of(assessment), state_of(assessment, over)
        known = self._known.get(key)
        if known is None:
            if state == "ok":
                return
            self._tenants.add(assessment.tenant_id)
            known = self._known[key] = _Known()
        life = known.life
        # Word of something earlier comes later at times; what was published stays in order.
        at_us = max(at_us, life.since_us)
        yield from self._mature(key, known, max(at_us, reached_us))
        before = (life.told, life.present, life.since_us)
        past = past and (known.past or state != life.present)
        own_us = hold_us(assessment)
        turns = list(life.turn(state, assessment.firm, at_us, max(own_us, past * SETTLE_US), past))
        if before == (life.told, life.present, life.since_us):
            return
        self._unsaved.add(key)
        if life.present != before[1]:
            known.begun, known.past = assessment, past
            self._watch(key, known)
        for type_, told, told_us in turns:
            known.sequence += 1
            yield Transition(type_, assessment, told, known.sequence, told_us, life.since_us)
            known.begun = None

    def _watch(self, key: Key, known: _Known) -> None:
        if known.begun is None:
            return
        due_us = known.life.due_us(known.hold_us())
        if due_us is not None:
            heappush(self._holds[known.begun.term.section == LATENCY], (due_us, key))

    def burn(
        self, assessment: Assessment, levels: Iterable[Burn], at_us: int
    ) -> Iterator[Transition]:
        """The levels at which a budget has begun to burn, or no longer does."""
        key = key_of(assessment)
        known = self._known.get(key) or _Known()
        for level in levels:
            if level.active == (level.long in known.burning):
                continue
            if level.active:
                known.burning.append(level.long)
            else:
                known.burning.remove(level.long)
            known.sequence += 1
            self._tenants.add(assessment.tenant_id)
            self._known[key] = known
            self._unsaved.add(key)
            burn = {
                "long": level.long,
                "short": level.short,
                "long_rate": round(float(level.long_rate), 6),
                "short_rate": round(float(level.short_rate), 6),
                "threshold": float(level.threshold),
                "active": level.active,
            }
            yield Transition(
                "sla.budget.burn",
                assessment,
                assessment.state,
                known.sequence,
                at_us,
                at_us,
                {"burn": burn},
            )

    def burning(self, assessment: Assessment) -> Sequence[str]:
        """The levels that were published to have begun and not to have ended."""
        known = self._known.get(key_of(assessment))
        return () if known is None else known.burning


def key_of(assessment: Assessment) -> Key:
    """Under which an indicator of a tenant-month is remembered."""
    return assessment.tenant_id, assessment.measure.indicator, assessment.month.label


def tick_begin(at_us: int) -> int:
    """The begin of the tick in which an instant lies, µs."""
    return at_us // TICK_US * TICK_US


def tick_end(at_us: int) -> int:
    """The end of the tick in which an instant lies, µs."""
    return (at_us // TICK_US + 1) * TICK_US


def hold_us(assessment: Assessment) -> int:
    """How long a change that may turn back must hold until it is published."""
    return assessment.governed.contract.profile.feed_hold_s * SECOND


def state_of(assessment: Assessment, over: bool) -> State:
    """The live state; once the month is over a failing mean has breached."""
    if assessment.state == "failing" and over:
        return "breached" if assessment.verdict == "breached" else "ok"
    return assessment.state
