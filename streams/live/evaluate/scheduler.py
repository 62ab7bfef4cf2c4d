"""When to look at which sections, and the transitions found: all sections but 2.

A section is looked at when a fact has touched it and event time passes a tick, and when event time
reaches an instant at which a value changes by itself (a deadline, a day's end, the month's end).
Word of the past waits for what belongs to it (`SETTLE_US`), and is told as it stands then. All are
places of the log, so the same log gives the same feed however it is cut into batches.

Tenants of whom nothing but mail was ever heard, under equal contracts, see the same of these
sections: one look serves all of them (`Group`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from mailsla.schemas.facts.fact import Fact
from mailsla.streams.clauses.facts.exclusions import CONNECTIVITY
from mailsla.streams.clauses.invalidation import is_quiet
from mailsla.streams.live.evaluate.assessment import Assessment
from mailsla.streams.live.evaluate.burning import burned, mark_after, may_burn
from mailsla.streams.live.evaluate.dirty_sections import (
    KNOWLEDGE,
    OTHERS,
    PATIENT,
    PROMPT,
    DirtySections,
    open_months,
)
from mailsla.streams.live.evaluate.dues import Timers
from mailsla.streams.live.evaluate.groups import Group, Grouping, Standing, standing
from mailsla.streams.live.evaluate.sections import assess_sections
from mailsla.streams.live.evaluate.states import (
    PAST_US,
    IndicatorStates,
    Transition,
    tick_begin,
    tick_end,
)
from mailsla.streams.live.evaluate.unpublished import Unpublished
from mailsla.streams.live.state.tenants import Tenants
from mailsla.streams.time.calendar import SECOND, Month
from mailsla.streams.time.intervals import FOREVER

PATIENCE_US: Final = 15 * SECOND
"""How long: what is absent is told within 30 s of its deadline; to this come the time after which
a partition is idle, the platform's clock and the checkpoint."""


class Scheduler:
    """Looks at the tenants of a task.

    ``position_us`` is the event time of the place of the log that was reached: that of its
    records, or of the last instant since at which something was due. ``patient_us`` is that up
    to which nothing is expected to come any more.
    """

    def __init__(self, tenants: Tenants, states: IndicatorStates) -> None:
        self._tenants, self._states = tenants, states
        self.position_us = self.patient_us = 0
        self._grouping = Grouping(tenants)
        self._groups, self._group_of = self._grouping.groups, self._grouping.number_of
        self._stale: set[int] = set()
        self.unpublished = Unpublished(self._groups)
        self._timers = Timers(self._groups)

    # 1. Who is looked at together.

    def meet(self, tenant: str, stand: dict[int, Standing] | None = None) -> Iterator[Transition]:
        """A tenant has come up, or has another contract or its first fact: find its group."""
        known, number = self._group_of.get(tenant), self._grouping.find(tenant)
        if number == known:
            return
        if known is not None:
            self._groups[number].dirty.take_along(self._groups[known].dirty)
            self._timers.watch_settling(number)
            self._stale.add(number)
            self._leave(known, tenant)
        group = self._groups[number]
        group.tenants[tenant] = None
        self._group_of[tenant] = number
        if number not in self._grouping.shared or len(group.tenants) == 1:
            self._mark_everything(number)
        elif group.dirty.present is not None and self.position_us > 0:
            stand = {} if stand is None else stand  # the groups whose standing is known
            if number not in stand:
                clocks = list(self._clocks(tick_begin(self.position_us)))
                stand[number] = standing(self._tenants, tenant, group.dirty, clocks)
            yield from self._join(tenant, stand[number])

    def _leave(self, number: int, tenant: str) -> None:
        group = self._groups[number]
        self.unpublished.leave(tenant, number)
        del group.tenants[tenant]
        if not group.tenants:
            # Nothing is due or dirty of nobody; who comes later is looked at from the start.
            self._groups[number] = Group()
            self._stale.discard(number)

    def _join(self, tenant: str, stand: Standing) -> Iterator[Transition]:
        """Bring a tenant to where the others of its group stand."""
        for month in stand.months:
            self.unpublished.note(tenant, month, OTHERS)
        # Most stand well and have never stood otherwise: nothing turns.
        for found, over in stand.found if self._states.knows(tenant) else stand.not_well:
            own = replace(found, tenant_id=tenant)
            yield from self._states.turn(own, tick_begin(self.position_us), over)

    # 2. What is dirty.

    def touch(
        self, tenant: str, sections: Iterable[int], instant_us: int, quiet: bool = False
    ) -> None:
        """A fact changed some sections from an instant on, which may lie in an earlier month.

        Args:
            tenant: whose fact it is.
            sections: which.
            instant_us: from when on.
            quiet: that it changes values, but no state: nothing has to be looked at for it.

        """
        number = self._group_of[tenant]
        chosen, months = frozenset(sections) & OTHERS, self._tenants.months(tenant, instant_us)
        if quiet:
            self._note_quiet(number, months, chosen)
        else:
            self._mark(number, months[0], chosen, self._is_past(instant_us))

    def touch_since(self, tenant: str, month: Month) -> None:
        """Everything of a tenant may have changed from a month on."""
        past = month < self._tenants.month(tenant, self.position_us)
        self._mark(self._group_of[tenant], month, OTHERS, past)

    def touch_all(self, sections: Iterable[int], instant_us: int, come: Fact | None = None) -> None:
        """Something about the platform changed from an instant on, which concerns every tenant.

        Args:
            sections: which.
            instant_us: from when on.
            come: the fact by which, if nothing has to be looked at where it is quiet.

        """
        chosen, past = frozenset(sections) & OTHERS, self._is_past(instant_us)
        for number, group in enumerate(self._groups):
            if group.tenants:
                months = self._tenants.months(group.one, instant_us)
                if come is not None and self._is_quiet(group, come):
                    self._note_quiet(number, months, chosen)
                else:
                    self._mark(number, months[0], chosen, past)

    def _note_quiet(self, number: int, months: Sequence[Month], sections: frozenset[int]) -> None:
        """Values changed, but no state, also of later months; what was not known may be known."""
        present = (dirty := self._groups[number].dirty).present or months[0]
        for each in {*months, present, *(one for one in open_months(present) if one > months[0])}:
            self.unpublished.note_group(number, each, sections)
        if CONNECTIVITY in sections and KNOWLEDGE not in dirty.due_us.get(present, ()):
            self._await_end_of_knowledge(number, present)

    def _is_past(self, instant_us: int) -> bool:
        return instant_us <= self.position_us - PAST_US

    def _mark(
        self, number: int, month: Month, sections: frozenset[int], past: bool = False
    ) -> None:
        if sections:
            dirty = self._groups[number].dirty
            dirty.mark(month, sections)
            dirty.mark_since(month, sections)
            if past:
                self._timers.settle(number, sections, self.position_us)
            else:
                self._stale.add(number)

    def _mark_everything(self, number: int) -> None:
        if (first := self._first(self._groups[number])) is not None:
            self._mark(number, first, OTHERS)
        self._stale.add(number)

    def is_quiet(self, tenant: str, fact: Fact) -> bool:
        """Whether a fact just applied changes values at most: nothing is to be looked at for it."""
        return self._is_quiet(self._groups[self._group_of[tenant]], fact)

    def _is_quiet(self, group: Group, fact: Fact) -> bool:
        seen = self.position_us, group.down_until_us
        was_looked_at = group.dirty.present is not None
        return was_looked_at and is_quiet(fact, *seen, partial(self._tenants.is_watched, group.one))

    # 3. When to look.

    def next_us(self, reach_us: int) -> int | None:
        """The next event time at which there is something to look at, or to publish.

        What may be absent is not looked at beyond ``reach_us``, where the platform is known up to.
        """
        tick = tick_end(self.position_us) if self._stale else None
        found = tick, self._timers.top(reach_us), self._states.next_hold_us(mail=False)
        return min((at for at in found if at is not None), default=None)

    def begin(self, first_us: int) -> None:
        """Begin at the first event; contracts may have come before it."""
        if self.position_us <= 0 < first_us:
            self.position_us = first_us - 1

    def advance(self, to_us: int, reach_us: int) -> Iterator[Transition | None]:
        """Look at everything that is due up to an event time, one instant after the other.

        Yields ``None`` after each look, where others may have a turn.
        """
        # With most facts nothing is due: these bounds say so at less cost than `next_us`.
        tick_us = tick_end(self.position_us) if self._stale else FOREVER
        bound_us = min(tick_us, self._timers.bound(), self._states.hold_bound_us(mail=False))
        if to_us >= bound_us:
            for _ in self._tenants.renew():
                yield None
            self._timers.put_off_knowledge(to_us, self._known_until_us)
        while to_us >= bound_us and (at := self.next_us(reach_us)) is not None and at <= to_us:
            for _ in self._tenants.renew():
                yield None
            tick = self._stale and at >= tick_end(self.position_us)
            self.position_us = max(self.position_us, at)
            yield from self._states.mature(at, mail=False)
            chosen = set(self._stale) if tick else set()
            for number, month, section in self._timers.take(at, reach_us):
                if section == KNOWLEDGE:
                    if self._await_end_of_knowledge(number, month):
                        continue  # results have come since, and all were good
                    section = CONNECTIVITY
                self._groups[number].dirty.mark(month, {section})
                chosen.add(number)
            chosen.update(self._timers.take_settled(at))
            self._stale -= chosen
            for number in sorted(chosen):
                yield from self._look(number, self.position_us, reach_us)
                yield None
        self.position_us = max(self.position_us, to_us)

    # 4. Looking.

    def _look(self, number: int, now_us: int, reach_us: int) -> Iterator[Transition]:
        taken = self._take_dirty(number, now_us)
        self.patient_us = max(self.patient_us, min(now_us, reach_us) - PATIENCE_US)
        for found, at_us in self._measure(number, taken, now_us):
            yield from self._turn(number, found, at_us)
            self._note_due(number, found, at_us)

    def _take_dirty(self, number: int, now_us: int) -> dict[Month, set[int]]:
        group = self._groups[number]
        dirty, present = group.dirty, self._tenants.month(group.one, now_us)
        first, platform_us = self._first(group), self._tenants.platform.since_us
        if first is not None and (dirty.first is None or first < dirty.first):
            # Its months begin earlier than was known: every section of them is to be looked at.
            dirty.first = first
            dirty.mark(first, OTHERS)
            dirty.mark_since(first, OTHERS)
        platform = None if platform_us is None else self._tenants.months(group.one, platform_us)[0]
        known = min(each for each in (first, platform, present) if each is not None)
        return dirty.take(present, known)

    def _measure(
        self, number: int, taken: dict[Month, set[int]], now_us: int
    ) -> Iterator[tuple[Assessment, int]]:
        """What was dirty as it stands, and the event time up to which each is known."""
        group = self._groups[number]
        for month, sections in taken.items():
            self.unpublished.note_group(number, month, sections)
            dues = group.dirty.due_us.get(month, {})
            for section in sections:
                dues.pop(section, None)
            if CONNECTIVITY in sections:
                dues.pop(KNOWLEDGE, None)
                self._await_end_of_knowledge(number, month)
            for chosen, at_us in self._clocks(now_us):
                some = sections & chosen
                for found in assess_sections(self._tenants, group.one, month, at_us, some):
                    yield found, at_us
            if not group.dirty.due_us.get(month, True):
                del group.dirty.due_us[month]
        self._await_next_month(number, self._tenants.month(group.one, now_us), now_us)

    def _turn(self, number: int, found: Assessment, at_us: int) -> Iterator[Transition]:
        """Publish what one look has found, for every tenant of the group."""
        group, over = self._groups[number], found.is_over(at_us)
        key = (found.measure.indicator, found.month.label)
        before = self._states.brief((group.one, *key))
        turned = [*self._states.turn(found, self.position_us, over), *self._burn(number, found)]
        yield from turned
        if len(group.tenants) == 1 or (
            not turned and before == self._states.brief((group.one, *key))
        ):
            return
        for tenant in list(group.tenants)[1:]:
            own = replace(found, tenant_id=tenant)
            yield from self._states.turn(own, self.position_us, over)
            yield from self._burn(number, own)

    def _burn(self, number: int, found: Assessment) -> Iterator[Transition]:
        """How fast a budget of time is spent, at marks of event time while it may be."""
        if may_burn(self._groups[number], self._states, found):
            yield from burned(self._states, found, self.position_us)
            self._note_mark(number, found)

    def _note_mark(self, number: int, found: Assessment) -> None:
        """Remember the next mark at which it matters how fast a budget is spent."""
        mark_us = mark_after(self._states, found, self.position_us)
        if mark_us is not None:
            self._timers.note(number, found.month, found.term.section, mark_us)

    def _note_due(self, number: int, found: Assessment, at_us: int) -> None:
        """Remember when an indicator changes by itself."""
        section = found.term.section
        patience_us = PATIENCE_US if section in PATIENT else 0
        # What is absent is not missed before its source has ever spoken.
        missed = found.measure.has_data or section in PROMPT
        turn = found.measure.next_us if missed else None
        for due_us in (turn, found.governed.period.end_us):
            if due_us is not None and due_us > at_us:
                self._timers.note(number, found.month, section, due_us + patience_us)

    def _await_end_of_knowledge(self, number: int, month: Month) -> bool:
        """Look again when the last probe result no longer holds, if any holds now."""
        until_us = self._known_until_us(number, month)
        if until_us <= self.position_us:
            return False
        self._timers.note(number, month, KNOWLEDGE, until_us)
        return True

    def _known_until_us(self, number: int, month: Month) -> int:
        return self._tenants.probed_until_us(self._groups[number].one, month)

    def _await_next_month(self, number: int, present: Month, now_us: int) -> None:
        """Look again when the next month begins, whatever its zone by then."""
        for begins_us in self._tenants.ends_us(self._groups[number].one, present):
            if begins_us > now_us:
                self._timers.note(number, present, CONNECTIVITY, begins_us)

    def _clocks(self, now_us: int) -> Iterator[tuple[frozenset[int], int]]:
        """Sections, and the event time up to which they are known."""
        yield PROMPT, now_us
        yield PATIENT, self.patient_us

    def _first(self, group: Group) -> Month | None:
        """The month of the earliest event of the tenants' own."""
        if len(group.tenants) != 1:
            return None  # mail alone tells nothing of these sections
        first_us = self._tenants.first_us(group.one)
        return None if first_us is None else self._tenants.months(group.one, first_us)[0]

    # 5. What is to be published.

    def assess(self, tenant: str, month: Month, sections: Iterable[int]) -> Iterator[Assessment]:
        """Some sections of a tenant-month as they stand."""
        for clock, at_us in self._clocks(self.position_us):
            some = clock & frozenset(sections)
            yield from assess_sections(self._tenants, tenant, month, at_us, some)

    def group_number(self, tenant: str) -> int:
        """The number of those a tenant is looked at with: the same sections stand alike."""
        return self._group_of[tenant]

    # 6. A restart.

    def open_since(self) -> Month | None:
        """The earliest month in which something is still to change by itself."""
        return min((month for group in self._groups for month in group.dirty.due_us), default=None)

    def stale(self) -> Iterator[dict[str, Any]]:
        """What was touched, and is to be looked at when event time passes a tick, or it settles."""
        for number, group in enumerate(self._groups):
            if number in self._stale or group.dirty.settling:
                fields = {"tenant": group.one, "at_tick": number in self._stale}
                yield {**fields, "down_until_us": group.down_until_us, **group.dirty.export()}

    def resume(self, open_since: str | None, stale: Iterable[Mapping[str, Any]]) -> None:
        """Take up a former life with its `open_since` and `stale`: all is measured once more.

        Nothing turns.
        """
        touched = {self._group_of[one["tenant"]]: one for one in stale}
        for number, group in enumerate(self._groups):
            if not group.tenants or self.position_us <= 0:
                continue  # nothing was looked at yet
            since = self._tenants.month(group.one, self.position_us).previous()
            if open_since is not None:
                group.dirty.measured = Month.parse(open_since)
                since = min(since, group.dirty.measured)
            group.dirty.first = self._first(group)
            group.dirty.mark_since(since, OTHERS)
            taken = self._take_dirty(number, self.position_us)
            for found, at_us in self._measure(number, taken, self.position_us):
                if may_burn(group, self._states, found):
                    self._note_mark(number, found)
                self._note_due(number, found, at_us)
        self._stale = {number for number, one in touched.items() if one.get("at_tick", True)}
        for number, one in touched.items():
            group = self._groups[number]
            # As it was when it was looked at last, before it was touched.
            group.down_until_us, group.dirty = one["down_until_us"], DirtySections.read(one)
            self._timers.watch(number)
