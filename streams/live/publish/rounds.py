"""Present states and windows of tenants, published some at a time.

Whoever has news is published in a round; who changes meanwhile comes in the next one. So a worker
with very many tenants goes on reading while it says how they stand, and the group's offsets move on
only when everything that followed from a record has been published.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from mailsla.schemas.indicators import INDICATORS
from mailsla.schemas.results import State
from mailsla.streams.clauses.facts.exclusions import CONNECTIVITY, LATENCY
from mailsla.streams.latency.messages import tenant_of
from mailsla.streams.latency.sorted_sets import Int64s, distinct
from mailsla.streams.live.evaluate.dirty_sections import OTHERS, SECTIONS_OF_TOPIC, open_months
from mailsla.streams.live.evaluate.latency.transitions import LatencyEvaluation
from mailsla.streams.live.evaluate.scheduler import Scheduler
from mailsla.streams.live.evaluate.states import IndicatorStates, state_of
from mailsla.streams.live.publish.latency_statuses import LatencyStatuses
from mailsla.streams.live.publish.latency_windows import latency_records
from mailsla.streams.live.publish.statuses import StatusRecords, StatusWording, says_anything
from mailsla.streams.live.publish.times import text_of
from mailsla.streams.live.publish.windows import Observed, ObservedWindows
from mailsla.streams.live.state.tenants import Tenants
from mailsla.streams.runtime.checkpoint.writer import Outgoing
from mailsla.streams.time.calendar import Month

_WINDOWS_OF_TENANTS: Final = 500
"""Whose windows are published in one go."""
_STATES_OF_TENANTS: Final = 250
"""Whose present states of section 2 are."""
_NOTHING: Final[frozenset[int]] = frozenset()
_OF_OUTAGES: Final = frozenset({CONNECTIVITY})
_OBSERVED: Final = frozenset({1, 3})
"""The sections that have windows besides those of mail."""


@dataclass(frozen=True, slots=True)
class _Said:
    """An indicator as it stands for all tenants of a group."""

    wording: StatusWording
    state: State
    observed: float | None
    says_anything: bool


@dataclass(slots=True)
class _Alike:
    """What the tenants of a group have in common, found out once for each piece of a round."""

    said: dict[tuple[int, Month, tuple[int, ...]], tuple[list[_Said], list[_Said]]] = field(
        default_factory=dict
    )
    """By the number of the group, the month, and the sections: all, and those who say anything."""
    present: dict[int, Month] = field(default_factory=dict)
    observed: dict[tuple[int, Month], Observed] = field(default_factory=dict)


class Rounds:
    """Publishes how the tenants of a task stand."""

    def __init__(
        self,
        tenants: Tenants,
        latency: LatencyEvaluation,
        scheduler: Scheduler,
        states: IndicatorStates,
        partition: int,
    ) -> None:
        self._tenants, self._latency, self._scheduler = tenants, latency, scheduler
        self._states, self._partition = states, partition
        self.statuses = StatusRecords(partition)
        self._observed = ObservedWindows(tenants, partition)
        self._of_mail = LatencyStatuses(tenants, latency, states, self.statuses)
        self._waiting: Sequence[tuple[str, Mapping[Month, set[int]]]] = ()
        """Whose sections but 2 are still to be published in this round: months and sections."""
        self._mail: Int64s = np.empty(0, dtype=np.int64)
        """The same of section 2, by number, ascending."""
        self._emptied: dict[int, set[Month]] = {}
        """Tenant, by number → months that have no message any more."""
        self._doubtful: set[str] = set()
        """Tenants of whom a former life may have told what their contracts now leave out."""
        self._taken_back: frozenset[str] = frozenset()
        """Those of this round: what is not known of them is told, too."""
        self.offsets: dict[str, int] = {}
        """Input topic → offset up to which everything that followed has been published."""
        self.committed: dict[str, int] = {}
        """The same, as the last checkpoint committed it in the group."""
        self.marks: dict[str, int] = {}
        """Log of the state → the number of its first record that has not been published."""
        self._begun: tuple[dict[str, int], dict[str, int]] = ({}, {})
        self._now_us = 0
        """Event time that was reached."""

    def agree(self, tenant: str) -> None:
        """A contract of a tenant has come: what it leaves out is taken back, if it was told."""
        now_us = self._scheduler.position_us
        if now_us <= 0 or not self._tenants.has_facts(tenant):
            return  # nothing has been told yet
        for month in open_months(self._tenants.month(tenant, now_us)):
            self._scheduler.unpublished.note(tenant, month, OTHERS)
        if not self.statuses.said_of_others(tenant):
            self._doubtful.add(tenant)

    def take_back(self, tenant: str) -> None:
        """The same of a contract that came in a former life, and of mail."""
        self.agree(tenant)
        self.take_mail_back(tenant)

    def take_mail_back(self, tenant: str) -> None:
        """Of a tenant's mail a former life may have told what no longer counts."""
        now_us = self._scheduler.position_us
        if now_us > 0:
            code = self._tenants.code(tenant)
            months = open_months(self._tenants.month(tenant, now_us))
            self._latency.note_emptied(code, months)
            self._of_mail.may_have_told(code, months)

    def resume(self, marks: dict[str, int]) -> None:
        """Go on from a restored state, and from the marks that came with it."""
        self.marks = marks
        self._of_mail.resume()

    @property
    def under_way(self) -> bool:
        """Whether tenants of this round are still to be published."""
        return bool(self._waiting) or len(self._mail) > 0

    @property
    def has_news(self) -> bool:
        """Whether there is anything for a round."""
        return (
            self.under_way
            or self._latency.dirty
            or bool(self._scheduler.unpublished)
            or bool(self.statuses.turned)
            or self._tenants.latency.windows.is_dirty
        )

    def take_offsets(self) -> dict[tuple[str, int], int]:
        """What the group has still to be told: (topic, partition) → offset."""
        told, self.committed = self.committed, dict(self.offsets)
        return {
            (topic, self._partition): offset
            for topic, offset in self.offsets.items()
            if told.get(topic) != offset
        }

    def begin(self, offsets: Mapping[str, int], marks: Mapping[str, int]) -> None:
        """Begin a round with everything that has news by now.

        Args:
            offsets: input topic → offset up to which records have been applied.
            marks: log of the state → the number of its next record.

        """
        self._begun = dict(offsets), dict(marks)
        self._waiting = self._scheduler.unpublished.take()
        self._taken_back, self._doubtful = frozenset(self._doubtful), set()
        changed, self._emptied = self._latency.take_dirty()
        # A transition tells the figure of its instant; more may have been published before it.
        turned, self.statuses.turned = self.statuses.turned, set()
        for tenant in turned:
            self._of_mail.news.forget(tenant)
        series = self._tenants.latency.windows.dirty_series()
        codes = np.array(self._tenants.codes(turned), dtype=np.int64)
        self._mail = distinct(changed, tenant_of(series), codes)

    def publish(self, most: int, now_us: int) -> Iterator[list[Outgoing]]:
        """The records of so many tenants of the round.

        Args:
            most: how many tenants at the most have theirs of mail published, and of other topics.
            now_us: event time reached.

        """
        self._come_to(now_us)
        alike, also = _Alike(), list[int]()
        some, self._waiting = self._waiting[-most:], self._waiting[:-most]
        for tenant, months in some:
            if any(LATENCY in sections for sections in months.values()):
                also.append(self._note_mail(tenant, months))
            yield list(self._of_others(alike, tenant, months, now_us))
        codes, self._mail = self._mail[:most], self._mail[most:]
        if also:
            codes = distinct(codes, np.array(also, dtype=np.int64))
        for at in range(0, len(codes), _STATES_OF_TENANTS):
            some = codes[at : at + _STATES_OF_TENANTS].tolist()
            yield list(self._states_of_mail(some, now_us))
        yield from self.present_again()
        yield from self._windows(codes)
        self._latency.told(codes)
        if not self.under_way:
            self.offsets, self.marks = self._begun

    def _come_to(self, now_us: int) -> None:
        self._now_us = max(self._now_us, now_us)
        self.statuses.present = self._tenants.month("", self._now_us).label

    def present_again(self) -> Iterator[list[Outgoing]]:
        """Of each tenant the present states of indicators whose last word was of an earlier month.

        Of each key the topic keeps the last record, which is to say how the indicator stands now:
        so they follow in the checkpoint that tells of the past, also where there is no data yet.
        """
        self._come_to(self._scheduler.position_us)
        alike = _Alike()
        while self.statuses.elsewhere:
            tenant, told = self.statuses.elsewhere.popitem()
            month = self._tenants.month(tenant, self._now_us)
            if past := [one for one, period in told.items() if period < month.label]:
                self.statuses.unsay(tenant, month.label, past)
                sections = {INDICATORS[one].section for one in past}
                yield list(self._stand(alike, tenant, month, sections))

    def _stand(
        self, alike: _Alike, tenant: str, month: Month, sections: Collection[int]
    ) -> Iterator[Outgoing]:
        """How sections of a tenant stand, where that is not what was told."""
        if others := {*sections} - {LATENCY}:
            group = self._scheduler.group_number(tenant)
            yield from self._statuses(alike, group, tenant, month, self._now_us, others)
        if LATENCY in sections:
            code = self._tenants.code(tenant)
            slot = self._tenants.latency.months.of_month(code, month)
            if slot is None:
                yield from self._of_mail.emptied([code], month, self._now_us, always=False)
            else:
                self._of_mail.news.forget(tenant)
                yield from self._of_mail.records(np.array([slot]), self._now_us)

    def _note_mail(self, tenant: str, months: Mapping[Month, Collection[int]]) -> int:
        """A tenant's mail is to be told of, also in later months without any; its number."""
        code, known = self._tenants.code(tenant), self._tenants.latency.months
        for month, sections in months.items():
            if LATENCY not in sections or known.of_month(code, month) is not None:
                continue
            if self._latency.has_spoken(code, month):  # before, there is nothing to say
                self._emptied.setdefault(code, set()).add(month)
        return code

    def _states_of_mail(self, codes: list[int], now_us: int) -> Iterator[Outgoing]:
        months = self._tenants.latency.months
        by_month: dict[Month, list[int]] = {}
        emptied = {code for code in codes if code in self._emptied}
        for code in sorted(emptied):
            for month in {*months.months_of(code), *self._emptied.pop(code)}:
                by_month.setdefault(month, []).append(code)
        # Month after month: of an indicator the topic keeps what is said last.
        for month in sorted(by_month):
            slots = {code: months.of_month(code, month) for code in by_month[month]}
            none = [code for code, slot in slots.items() if slot is None]
            yield from self._of_mail.emptied(none, month, now_us)
            known = [slot for slot in slots.values() if slot is not None]
            yield from self._of_mail.records(np.array(known, dtype=np.int64), now_us)
        others = [code for code in codes if code not in emptied]
        yield from self._of_mail.records(months.slots_of(others), now_us)

    def _of_others(
        self, alike: _Alike, tenant: str, months: Mapping[Month, set[int]], now_us: int
    ) -> Iterator[Outgoing]:
        group = self._scheduler.group_number(tenant)
        for month in sorted(months):
            yield from self._statuses(alike, group, tenant, month, now_us, months[month])
        observed = [month for month in sorted(months) if not _OBSERVED.isdisjoint(months[month])]
        if observed:
            yield from self._windows_of(alike, group, tenant, observed, now_us)

    def _windows_of(
        self, alike: _Alike, group: int, tenant: str, months: Sequence[Month], now_us: int
    ) -> Iterator[Outgoing]:
        """Windows of connectivity and faults of some months, and outages of the present one.

        A month that is over is looked at as it ends, and when something of it becomes known late.
        """
        present = alike.present.get(group)
        if present is None:
            present = alike.present[group] = self._tenants.month(tenant, now_us)
        for month in months:
            if month > present:
                continue
            if (group, month) not in alike.observed:
                alike.observed[group, month] = self._observed.look(tenant, month, now_us)
            seen = alike.observed[group, month]
            if month == present:
                yield from self._observed.records(tenant, seen, now_us)
            else:
                yield from self._observed.past_records(tenant, seen)

    def _statuses(
        self,
        alike: _Alike,
        group: int,
        tenant: str,
        month: Month,
        now_us: int,
        sections: Collection[int],
    ) -> list[Outgoing]:
        """Sections as they stand, but for section 2; tenants that are looked at as one share it."""
        of = group, month, tuple(sorted(sections))
        if of not in alike.said:
            stand = list(self._say(tenant, month, now_us, sections))
            alike.said[of] = stand, [one for one in stand if one.says_anything]
        emptied, known = self._corrected(tenant), self.statuses.said_of_others(tenant)
        every, speaking = alike.said[of]
        found = [
            (
                one.wording,
                one.state,
                one.observed,
                self._states.sequence((tenant, *one.wording.key)),
                one.says_anything or one.wording.section in emptied,
            )
            for one in (every if emptied or known else speaking)
        ]
        return self.statuses.of(tenant, found, now_us)

    def _say(
        self, tenant: str, month: Month, now_us: int, sections: Collection[int]
    ) -> Iterator[_Said]:
        for found in self._scheduler.assess(tenant, month, sections):
            measure = found.measure
            state = state_of(found, now_us >= found.governed.period.end_us)
            wording = StatusWording.of(measure.indicator, found.governed, found.term, month.label)
            observed = measure.observed
            value = None if observed is None else float(observed)
            yield _Said(wording, state, value, says_anything(found, state))

    def _corrected(self, tenant: str) -> frozenset[int]:
        """The sections of which what was known may no longer be so."""
        if tenant in self._taken_back:
            return OTHERS
        topics = self._tenants.corrected(tenant)
        found = _OF_OUTAGES if self._tenants.takes_outages_back(tenant) else _NOTHING
        return found.union(*(SECTIONS_OF_TOPIC[topic] for topic in topics))

    def _windows(self, codes: Int64s) -> Iterator[list[Outgoing]]:
        latency, names = self._tenants.latency, self._tenants.names
        as_of = text_of(max(latency.clock_us, 0))
        for at in range(0, len(codes), _WINDOWS_OF_TENANTS):
            some = codes[at : at + _WINDOWS_OF_TENANTS]
            series = np.concatenate([2 * some, 2 * some + 1])
            # Whole: what is taken from those that changed is among the records at once.
            yield latency_records(latency.windows.publish(series), names, as_of, self._partition)
