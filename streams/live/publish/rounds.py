"""Present states and windows of tenants, published some at a time.

Whoever has news is published in a round; who changes meanwhile comes in the next one. So a worker
with very many tenants goes on reading while it says how they stand, and the group's offsets move on
only when everything that followed from a record has been published.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mailsla.schemas.results import State
from mailsla.streams.clauses.facts.exclusions import LATENCY
from mailsla.streams.latency.row_index import Int64s
from mailsla.streams.live.evaluate.assessment import Assessment
from mailsla.streams.live.evaluate.dirty_sections import SECTIONS_OF_TOPIC
from mailsla.streams.live.evaluate.latency.transitions import LatencyEvaluation
from mailsla.streams.live.evaluate.scheduler import Scheduler
from mailsla.streams.live.evaluate.states import IndicatorStates, state_of
from mailsla.streams.live.publish.breach_feed import StatusRecords
from mailsla.streams.live.publish.latency_news import LatencyNews
from mailsla.streams.live.publish.latency_windows import latency_record
from mailsla.streams.live.publish.times import text_of
from mailsla.streams.live.publish.windows import ObservedWindows
from mailsla.streams.live.state.tenants import Tenants
from mailsla.streams.runtime.checkpoint.writer import Outgoing
from mailsla.streams.time.calendar import Month

Alike = dict[tuple[int, Month, frozenset[int]], list[tuple[Assessment, State]]]
"""Number of a group, month, sections → what they come to, for any of its tenants"""

News = dict[int, list[int]]
"""Slot of a month → the indicators of section 2, by number, that are to be published"""

Waiting = dict[str, dict[Month, set[int]]]
"""Tenant → month → sections that have news"""


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
        self._news = LatencyNews(tenants)
        self._waiting: Waiting = {}
        self.offsets: dict[str, int] = {}
        """Input topic → offset up to which everything that followed has been published."""
        self.committed: dict[str, int] = {}
        """The same, as the last checkpoint committed it in the group."""
        self.marks: dict[str, int] = {}
        """Log of the state → the number of its first record that has not been published."""
        self._begun: tuple[dict[str, int], dict[str, int]] = ({}, {})

    @property
    def under_way(self) -> bool:
        """Whether tenants of this round are still to be published."""
        return bool(self._waiting)

    @property
    def has_news(self) -> bool:
        """Whether there is anything for a round."""
        return (
            self.under_way
            or self._latency.dirty
            or bool(self._scheduler.unpublished)
            or len(self._tenants.latency.windows.dirty_series()) > 0
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
        for tenant, months in self._scheduler.unpublished.take().items():
            own = self._waiting.setdefault(tenant, {})
            for month, sections in months.items():
                own.setdefault(month, set()).update(sections)
        windows = self._tenants.latency.windows.dirty_series()
        changed = self._latency.take_dirty()
        for tenant in self.statuses.take_turned():
            self._news.forget(tenant)
        for code in {*changed, *(windows // 2).tolist()}:
            own = self._waiting.setdefault(self._tenants.names[code], {})
            for month in changed.get(code, ()):
                own.setdefault(month, set()).add(LATENCY)

    def publish(self, most: int, now_us: int) -> Iterator[list[Outgoing]]:
        """The records of so many tenants of the round, tenant by tenant, then their windows.

        Args:
            most: how many tenants at the most.
            now_us: event time reached.

        """
        chosen = list(self._waiting)[:most]
        codes = [self._tenants.code(tenant) for tenant in chosen]
        alike: Alike = {}
        news = self._news_of(chosen, codes)
        for tenant in chosen:
            yield list(self._tenant(alike, news, tenant, self._waiting.pop(tenant), now_us))
        yield list(self._windows(np.array(codes, dtype=np.int64)))
        if not self._waiting:
            self.offsets, self.marks = self._begun

    def _news_of(self, tenants: Sequence[str], codes: Sequence[int]) -> News:
        """What is news of section 2 of some tenants."""
        slots = [
            slot
            for tenant, code in zip(tenants, codes, strict=True)
            for month, sections in self._waiting[tenant].items()
            if LATENCY in sections
            and (slot := self._tenants.latency.months.of_month(code, month)) is not None
        ]
        found = self._news.take(np.array(slots, dtype=np.int64), self._latency.known_us)
        return {slot: np.flatnonzero(row).tolist() for slot, row in zip(slots, found, strict=True)}

    def _tenant(
        self,
        alike: Alike,
        news: News,
        tenant: str,
        months: Mapping[Month, set[int]],
        now_us: int,
    ) -> Iterator[Outgoing]:
        for month in sorted(months):
            sections = months[month]
            yield from self._statuses(alike, tenant, month, now_us, sections)
            if LATENCY in sections:
                yield from self._latency_statuses(news, tenant, month, now_us)
        present = self._tenants.month(tenant, now_us)
        if months.get(present, set()) & {1, 3}:
            yield from self._observed.records(tenant, present, now_us)

    def _statuses(
        self, alike: Alike, tenant: str, month: Month, now_us: int, sections: set[int]
    ) -> Iterator[Outgoing]:
        """Sections as they stand, but for section 2; tenants that are looked at as one share it."""
        of = self._scheduler.group_number(tenant), month, frozenset(sections)
        if of not in alike:
            alike[of] = [
                (found, state_of(found, now_us >= found.governed.period.end_us))
                for found in self._scheduler.assess(tenant, month, sections)
            ]
        label, emptied = month.label, self._emptied(tenant)
        for found, state in alike[of]:
            sequence = self._states.sequence((tenant, found.measure.indicator, label))
            record = self.statuses.record(
                tenant, found, state, sequence, now_us, found.term.section in emptied
            )
            if record is not None:
                yield record

    def _emptied(self, tenant: str) -> frozenset[int]:
        """The sections of which what was known may have been voided."""
        topics = self._tenants.corrected(tenant)
        return frozenset().union(*(SECTIONS_OF_TOPIC[topic] for topic in topics))

    def _latency_statuses(
        self, news: News, tenant: str, month: Month, now_us: int
    ) -> Iterator[Outgoing]:
        code, label = self._tenants.code(tenant), month.label
        slot = self._tenants.latency.months.of_month(code, month)
        emptied = slot is None
        if slot is None:
            found = self._latency.assess(code, month)
        else:
            found = (self._latency.present(slot, number) for number in news[slot])
        for one in found:
            state = state_of(one, self._latency.is_over(one))
            sequence = self._states.sequence((tenant, one.measure.indicator, label))
            record = self.statuses.record(tenant, one, state, sequence, now_us, emptied)
            if record is not None:
                yield record

    def _windows(self, codes: Int64s) -> Iterator[Outgoing]:
        latency = self._tenants.latency
        as_of = text_of(max(latency.clock_us, 0))
        series = np.concatenate([2 * codes, 2 * codes + 1])
        for window in latency.windows.publish(series):
            yield latency_record(
                window,
                self._tenants.names[window.series // 2],
                as_of,
                self._partition,
            )
