"""Section 2: the transitions that a batch of mail caused, as if looked at after every record.

Means are followed for all tenants at once, at every tick of event time: what turns and turns back
within a tick is no news. Exceedances are few, and followed one by one: each at the instant at which
a message became one, whether it was in flight then or had finished by the time it was heard of.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from heapq import heappop, heappush

import numpy as np
import pyarrow as pa

from mailsla.schemas.facts.ops import EventVoidedFact
from mailsla.schemas.topics import MTA
from mailsla.streams.latency.keyhash import event_keys
from mailsla.streams.latency.messages import ROW, Rows, tenant_of
from mailsla.streams.latency.row_index import Int64s
from mailsla.streams.live.apply.mail import MailChanges, exclude_again, nothing_at, take_out
from mailsla.streams.live.evaluate.assessment import Assessment
from mailsla.streams.live.evaluate.dirty_sections import oldest_open, open_months
from mailsla.streams.live.evaluate.latency.assessments import LatencyAssessments
from mailsla.streams.live.evaluate.latency.exceedances import ExceedanceCounts
from mailsla.streams.live.evaluate.latency.figures import Figures, figures_of
from mailsla.streams.live.evaluate.latency.largest import LargestLatencies
from mailsla.streams.live.evaluate.latency.means import Means, Turn
from mailsla.streams.live.evaluate.states import (
    PAST_US,
    TICK_US,
    IndicatorStates,
    Transition,
    tick_end,
)
from mailsla.streams.live.state.latency_months import COUNTED, LARGEST, MEANS
from mailsla.streams.live.state.tenants import Tenants
from mailsla.streams.time.calendar import SECOND, Month
from mailsla.streams.time.intervals import FOREVER
from mailsla.streams.time.months import surely_this_month_us


class LatencyEvaluation:
    """Follows section 2 of all tenants of a task."""

    def __init__(self, tenants: Tenants, states: IndicatorStates) -> None:
        self._tenants, self._states = tenants, states
        self._latency = tenants.latency
        self._assessments = LatencyAssessments(tenants)
        self._means = Means(self._latency, self._assessments)
        self._largest = LargestLatencies(self._latency, self._assessments)
        self._exceedances = ExceedanceCounts(tenants, self._assessments)
        self._finals: list[tuple[int, int]] = []
        """When means that miss their targets are final, and which (2 * slot + direction): a heap"""
        self.known_us = 0
        """Event time up to which all mail is known."""
        self._dirty = np.zeros(64, dtype=np.bool_)
        self._emptied: dict[int, set[Month]] = {}
        """Months that have no message any more, whose end has still to be published."""

    # What a batch changed.

    def follow(self, changes: MailChanges) -> Iterator[Transition]:
        """The transitions that a batch caused, in the order of the log for each indicator."""
        self._mark_dirty(changes)
        yield from self._turn_all(self._means.follow(changes, self.known_us))
        yield from self._turn_all(self._largest.follow(changes))
        yield from self._turn_all(self._exceedances.follow(changes))
        yield from self._states.mature(self._means.open_tick * TICK_US, mail=True)

    def advance(self, clock_us: int, heard_us: int) -> Iterator[Transition]:
        """What is due at an event time without any record.

        Args:
            clock_us: event time that mail has come to, and that of silent sources is known to.
            heard_us: the present time of the broker's clock.

        """
        if clock_us // TICK_US > self._means.open_tick:
            passed = self._means.follow(nothing_at(clock_us), self.known_us)
            yield from self._turn_all(passed)
            yield from self._states.mature(self._means.open_tick * TICK_US, mail=True)
        self.known_us = max(self.known_us, self._latency.known_us(clock_us, heard_us))
        while self._finals and self._finals[0][0] <= self.known_us:
            _, key = heappop(self._finals)
            slot, way = divmod(key, 2)
            if self._latency.months.stands(slot):
                self._dirty_tenant(self._latency.months.slot(slot).tenant)
                end_us = self._latency.months.slot(slot).governed.period.end_us
                found = self._assessments.present_mean(slot, way)
                yield from self._turn(found, slot, end_us)

    def age(self, sources: Sequence[int]) -> Iterator[Transition]:
        """What comes to an age because more is known of some sources, without a record."""
        known_us = self._latency.sources.all_known_us()
        agings = self._latency.in_flight.go_on(sources, known_us)
        if agings:
            changes = replace(nothing_at(self._latency.clock_us), agings=agings)
            self._mark_dirty(changes)
            yield from self._turn_all(self._exceedances.follow(changes))

    def next_us(self, silent: Sequence[int], clock_us: int, heard_us: int) -> int | None:
        """The next event time at which `advance` or `age` has something to do.

        Args:
            silent: the sources that are taken to go on.
            clock_us: event time that mail has come to.
            heard_us: the present time of the broker's clock.

        """
        hold_us = self._states.next_hold_us(mail=True)
        found = [None if hold_us is None else -(-hold_us // TICK_US) * TICK_US]
        if self._finals and self._finals[0][0] <= self._latency.known_us(clock_us, heard_us):
            found.append(self._finals[0][0])
        found.append((self._means.open_tick + 1) * TICK_US if len(self._means.open) else None)
        found.append(self._latency.in_flight.next_us(silent) if silent else None)
        return min((at for at in found if at is not None), default=None)

    def judge_again(self, tenant: int) -> Iterator[Transition]:
        """Follow a contract of a tenant that has come: everything of it is judged anew."""
        self._tenants.excluded.take_former()
        if not self._tenants.has_mail(tenant, FOREVER):
            return  # nothing has been judged yet
        months = self._latency.judge_again(tenant)
        self._exceedances.note_flights([tenant])
        self._means.drop_forgotten()
        yield from self._look(tenant, months)

    def look_again(self, tenant: int) -> Iterator[Transition]:
        """Judge everything of a tenant as it was restored."""
        yield from self._look(tenant, self._latency.months.months_of(tenant))

    def exclude_again(self, tenants: Collection[int] | None) -> Iterator[Transition]:
        """Follow exclusions that have come or gone.

        Args:
            tenants: whom they concern; all of them where not given.

        """
        clock_us = self._present_us()
        changes = exclude_again(self._latency, self._tenants.excluded.take_former(), clock_us)
        now_us, long_ago_us = tick_end(clock_us), clock_us - PAST_US
        yield from self._correct(changes)
        flights = self._latency.in_flight.flights
        aged = set(tenant_of(flights[flights["age"] > 0]["series"]).tolist())
        old = flights["at_risk_us"] <= long_ago_us
        past = set(tenant_of(flights[old]["series"]).tolist())
        concerned = aged if tenants is None else aged & set(tenants)
        self._latency.count_flights(concerned)
        self._exceedances.note_flights(concerned)
        for tenant in sorted(concerned):
            self._dirty_tenant(tenant)
            for month in self._open(self._latency.months.months_of(tenant)):
                slot = self._latency.months.of_month(tenant, month)
                if slot is not None:
                    found = self._counted(slot)
                    over = self._latency.months.means.final_us[slot] <= now_us
                    yield from self._turn(found, slot, now_us, past=bool(over) or tenant in past)

    def take_out(self, voiding: EventVoidedFact) -> tuple[list[Transition], Rows]:
        """Follow an `event.voided`: what is told, and the rows that say so in the state."""
        names = self._latency.sources.names
        if voiding.voids_topic != MTA.name or voiding.voids_source not in names:
            return [], np.empty(0, dtype=ROW)
        event = int(event_keys(pa.array([voiding.voids_id]))[0])
        source, clock_us = names.index(voiding.voids_source), self._present_us()
        changes, rows = take_out(self._latency, source, event, clock_us)
        return list(self._correct(changes)), rows

    def _correct(self, changes: MailChanges) -> Iterator[Transition]:
        """Follow what is put right: word of the past where it lies long ago."""
        steps, long_ago_us = changes.steps, int(changes.clocks_us[-1]) - PAST_US
        old = steps[steps["accepted_us"] + steps["latency_us"] <= long_ago_us]
        flights = [one.flight for one in changes.agings if one.flight["at_risk_us"] <= long_ago_us]
        at = self._latency.months.locate(
            np.array([int(flight["series"]) // 2 for flight in flights], dtype=np.int64),
            np.array([int(flight["accepted_us"]) for flight in flights], dtype=np.int64),
        )
        slots = np.unique(np.concatenate([old["slot"], at.slots]))
        yield from self.follow(replace(changes, corrected=slots))

    def note_first(self, firsts: Iterable[tuple[int, int]], now_us: int) -> None:
        """In months that are over silence means zero now, also where no message of theirs counts.

        Args:
            firsts: tenants, by number, and the instant since which their mail has spoken.
            now_us: event time of all topics.

        """
        # Mostly all of it is of the present month, wherever a tenant's days begin.
        earliest_us = surely_this_month_us(now_us)
        for tenant, first_us in firsts:
            if first_us >= earliest_us:
                continue
            present = self._tenants.month(self._tenants.names[tenant], now_us)
            self.note_emptied(tenant, open_months(present)[1:])

    def note_emptied(self, tenant: int, months: Iterable[Month]) -> None:
        """Of some months without a message is to be told again, from a tenant's first mail on."""
        first_us = int(self._tenants.mail_since_us(np.array([tenant]))[0])
        if first_us == FOREVER:
            return
        first = self._tenants.month(self._tenants.names[tenant], first_us)
        for month in months:
            if first <= month and self._latency.months.of_month(tenant, month) is None:
                self._emptied.setdefault(tenant, set()).add(month)
                self._dirty_tenant(tenant)

    def _present_us(self) -> int:
        """Event time that mail, or idle time, has come to."""
        return max(self._latency.clock_us, self._means.open_tick * TICK_US)

    def _look(self, tenant: int, months: Collection[Month]) -> Iterator[Transition]:
        """Judge everything of some months as it stands: word of the past, even of this month."""
        self._dirty_tenant(tenant)
        present_us = tick_end(self._present_us())
        for month in sorted(self._open(months)):
            slot = self._latency.months.of_month(tenant, month)
            for assessment in self.assess(tenant, month):
                if slot is not None:
                    yield from self._turn(assessment, slot, present_us, past=True)
                else:
                    # Its contract leaves out the days on which its messages were accepted.
                    over = self.is_over(assessment)
                    yield from self._states.turn(assessment, present_us, over, past=True)
            if slot is None:
                self._emptied.setdefault(tenant, set()).add(month)
            else:
                self._resume(slot)

    def _open(self, months: Iterable[Month]) -> list[Month]:
        """Those of some months that are not given up yet."""
        oldest = oldest_open(self._tenants.month("", self._present_us()))
        return [month for month in months if month >= oldest]

    def _resume(self, slot: int) -> None:
        """Note how the means of a slot stand, as they were published."""
        months = self._latency.months
        of = months.slot(slot)
        for way, indicator in enumerate(MEANS):
            name = self._tenants.names[of.tenant]
            state = self._states.present((name, indicator, of.month.label))
            months.means.failing[slot, way] = state in {"failing", "breached"}
            if state == "failing":
                final_us = int(months.means.final_us[slot])
                heappush(self._finals, (final_us, 2 * slot + way))
        self._largest.note(slot)

    def resume(self, open_tick: int, open_keys: Iterable[tuple[int, str, int]]) -> None:
        """Go on once everything is restored.

        Args:
            open_tick: the tick that is not over, and
            open_keys: tenant, month and direction of the means that changed in it, as `position`
                gave them.

        """
        self._means.open_tick, keys = open_tick, []
        for tenant, label, way in open_keys:
            # The last message of a month may have left it just then.
            slot = self._latency.months.of_first(tenant, Month.parse(label))
            keys.append(2 * slot + way)
        self._means.open = np.array(sorted(keys), dtype=np.int64)
        for slot in self._latency.months.wholes():
            self._resume(slot)
        self._exceedances.note_flights(None)
        for name, indicator, label in self._states.known():
            tenant, month = self._tenants.code(name), Month.parse(label)
            if indicator in (*MEANS, *LARGEST, COUNTED) and (
                self._latency.months.of_month(tenant, month) is None
            ):
                self._emptied.setdefault(tenant, set()).add(month)
                self._dirty_tenant(tenant)

    def position(self) -> tuple[int, list[tuple[int, str, int]]]:
        """The tick that is not over, and the means that changed in it, for the state."""
        keys = []
        for key in self._means.open.tolist():
            slot, way = divmod(key, 2)
            if not self._latency.months.stands(slot):
                continue
            of = self._latency.months.slot(slot)
            keys.append((of.tenant, of.month.label, way))
        return self._means.open_tick, keys

    def take_dirty(self) -> tuple[Int64s, dict[int, set[Month]]]:
        """The tenants, by number, of which anything changed since the last call.

        Also the months of theirs that have no message any more.
        """
        emptied, self._emptied = self._emptied, {}
        changed = np.flatnonzero(self._dirty)
        self._dirty[:] = False
        return changed, emptied

    @property
    def dirty(self) -> bool:
        """Whether `take_dirty` would give any."""
        return bool(self._dirty.any())

    def told(self, tenants: Int64s) -> None:
        """How some tenants stand by now is published: only what changes from now on is news."""
        self._dirty[tenants[tenants < len(self._dirty)]] = False
        for tenant in self._emptied:  # of months without a message a round tells at its beginning
            self._dirty[tenant] = True

    def mark_dirty(self, tenants: Collection[int]) -> None:
        """Some tenants are to be published again."""
        for tenant in tenants:
            self._dirty_tenant(tenant)

    def _mark_dirty(self, changes: MailChanges) -> None:
        tenants = self._latency.months.tenants_of(changes.steps["slot"])
        flights = [int(aging.flight["series"]) // 2 for aging in changes.agings]
        self._hold(max(int(tenants.max(initial=0)), max(flights, default=0)))
        self._dirty[tenants] = True
        self._dirty[flights] = True

    def _dirty_tenant(self, tenant: int) -> None:
        self._hold(tenant)
        self._dirty[tenant] = True

    def _hold(self, tenant: int) -> None:
        if tenant >= len(self._dirty):
            more = max(tenant + 1, 2 * len(self._dirty)) - len(self._dirty)
            self._dirty = np.append(self._dirty, np.zeros(more, dtype=np.bool_))

    def _turn_all(self, turns: Iterable[Turn]) -> Iterator[Transition]:
        for turn in turns:
            yield from self._turn(*turn)

    def _counted(self, slot: int) -> Assessment:
        """The exceedances of a month as they stand, with what they are seen by."""
        found = self._assessments.exceedances(slot)
        return self._exceedances.with_evidence(found, slot)

    def assess(self, tenant: int, month: Month) -> Iterator[Assessment]:
        """Every indicator of section 2 of a tenant-month as it stands."""
        for found, slot in self._assessments.assess(tenant, month):
            if slot is None or found.measure.indicator != COUNTED:
                yield found
            else:
                yield self._exceedances.with_evidence(found, slot)

    def has_spoken(self, tenant: int, month: Month) -> bool:
        """Whether mail of a tenant was heard of by the end of a month: silence means zero then."""
        return self._assessments.has_spoken(tenant, month)

    def present(self, slot: int, number: int) -> Assessment:
        """One indicator of a month as it stands, without evidence.

        Args:
            slot: of a whole month.
            number: of the indicator, in the order of the agreement.

        """
        return self._assessments.present(slot, number)

    def figures(self, slots: Int64s) -> list[Figures]:
        """How whole months stand, by their slots."""
        return figures_of(self._tenants, self._means, slots, self.known_us)

    def _turn(
        self, found: Assessment, slot: int, at_us: int, reached_us: int = 0, past: bool = False
    ) -> Iterator[Transition]:
        final_us = int(self._latency.months.means.final_us[slot])
        over = final_us <= self.known_us
        yield from self._states.turn(found, at_us, over, reached_us, past)
        indicator = found.measure.indicator
        if indicator in MEANS and found.state == "failing" and not over:
            key = 2 * slot + MEANS.index(indicator)
            heappush(self._finals, (final_us, key))

    def is_over(self, assessment: Assessment) -> bool:
        """Whether a mean of section 2 is final."""
        limit_us = assessment.governed.contract.profile.max_latency_s * SECOND
        return assessment.governed.period.end_us + limit_us <= self.known_us
