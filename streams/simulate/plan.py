"""A provider's past month: what to publish in which order, and the truth about it."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Final

from mailsla.streams.simulate.bad import BAD_KINDS
from mailsla.streams.simulate.disturbance import Disturbance, by_arrival, place_of
from mailsla.streams.simulate.latencies import Sum, latencies
from mailsla.streams.simulate.provider import (
    PLATFORM_ADJUSTMENT_S,
    PLATFORM_FAULT_S,
    PLATFORM_OUTAGE_S,
    monitoring,
    own_probes,
    platform_events,
    platform_probes,
    tenant_events,
)
from mailsla.streams.simulate.record import HOUR, SECOND, Draft, SimulatedRecord, Span, Timed
from mailsla.streams.simulate.stories import OUTAGE_S, Story, story_of
from mailsla.streams.simulate.traffic import CHUNK_HOURS, Traffic, write
from mailsla.streams.simulate.truth import TenantTruth, Truth

_MONTH: Final = re.compile(r"20[0-9]{2}-(?:0[1-9]|1[0-2])")
_THIN_DISORDER_S: Final = 90
_MEAN_LIMIT_S: Final = 60


def plan(
    seed: int, tenants: int, month: str, messages: int, *, billing_error: bool = False
) -> "SimulationPlan":
    """A simulated month.

    Args:
        seed: equal arguments give equal records, byte for byte.
        tenants: how many, at least 1; as many as there are stories tell every one.
        month: ``YYYY-MM``, a past month of this century, in the default time zone.
        messages: ordinary messages; each makes two events.
        billing_error: whether one bill of the month is wrong, which breaches
            ``operations.billing_error_rate`` for every tenant.

    Raises:
        ValueError: fewer than one tenant, a negative number of messages, or no such month.

    """
    if tenants < 1 or messages < 0:
        raise ValueError("simulate at least one tenant and no negative number of messages")
    if not _MONTH.fullmatch(month):
        raise ValueError(f"{month!r} is no month of this century; write it like 2025-10")
    names = tuple(f"tenant-{number:03d}" for number in range(1, tenants + 1))
    return SimulationPlan(seed, names, date.fromisoformat(f"{month}-01"), messages, billing_error)


@dataclass
class _Tally:
    """What one run through the records counted."""

    kinds: Counter[str] = field(default_factory=Counter)
    topics: Counter[str] = field(default_factory=Counter)
    complete: bool = False


@dataclass(frozen=True)
class SimulationPlan:
    """A month that can be published any number of times; only the counts of a run are kept."""

    seed: int
    tenants: tuple[str, ...]
    first_day: date
    messages: int
    billing_error: bool = False
    _tally: _Tally = field(default_factory=_Tally, compare=False, repr=False)

    @property
    def span(self) -> Span:
        """The month."""
        return Span(self.first_day)

    @property
    def stories(self) -> tuple[Story, ...]:
        """The story of each tenant."""
        return tuple(story_of(place) for place in range(len(self.tenants)))

    @property
    def traffic(self) -> Traffic:
        """The ordinary messages."""
        slow = tuple(story.slow_s for story in self.stories)
        return Traffic(self.seed, self.span, self.tenants, slow, self.messages)

    def records(self) -> Iterator[SimulatedRecord]:
        """Every record in publishing order; some hours of traffic are in memory at a time."""
        disturbance = Disturbance(self.seed, self.tenants)
        waiting: list[Timed] = []
        for until, fresh in self._pieces():
            waiting += disturbance.apply(fresh)
            waiting.sort(key=by_arrival)
            ready = place_of(waiting, until)
            yield from (timed.record for timed in waiting[:ready])
            del waiting[:ready]
        yield from (timed.record for timed in waiting)
        self._tally.kinds, self._tally.topics = disturbance.kinds, disturbance.topics
        self._tally.complete = True

    def _pieces(self) -> Iterator[tuple[int, list[Timed]]]:
        """Chunk by chunk, its end and the events of its hours, undisturbed."""
        traffic, thin = self.traffic, self._thin()
        upcoming = next(thin, None)
        counts, factors = traffic.counts(), traffic.slow_hours()
        for number in range(traffic.chunks):
            until = self.span.start_us + (number + 1) * CHUNK_HOURS * HOUR
            fresh = write(traffic.chunk(number, counts, factors), self.tenants, self.seed)
            while upcoming is not None and upcoming.arrival_us < until:
                fresh.append(upcoming)
                upcoming = next(thin, None)
            yield until, fresh
        # What the last minutes of the month publish after its end.
        yield self.span.end_us, [*([upcoming] if upcoming else []), *thin]

    def _thin(self) -> Iterator[Timed]:
        """Everything but the ordinary messages, by time but for some disorder; ids count up."""
        told = sorted(self._told(), key=lambda draft: draft.time_us)
        place = number = 0
        for day in range(1, self.span.days + 1):
            drafts = [
                *platform_probes(self.span, day),
                *own_probes(self.span, day, self.tenants, self.stories),
                *monitoring(self.span, day),
            ]
            while place < len(told) and told[place].time_us < self.span.at(day + 1):
                drafts.append(told[place])
                place += 1
            for draft in sorted(drafts, key=lambda draft: draft.time_us):
                number += 1
                delay = number * 31 % _THIN_DISORDER_S * SECOND
                yield Timed(draft.time_us + delay, draft.written(f"s{number}"))

    def _told(self) -> Iterator[Draft]:
        yield from platform_events(self.span)
        for tenant, story in zip(self.tenants, self.stories, strict=True):
            yield from story.tell(self.span, tenant)
            yield from tenant_events(self.span, tenant, story, self.billing_error)

    @cached_property
    def truth(self) -> Truth:
        """What the records hold. Free after a complete run; else it costs a silent one."""
        if not self._tally.complete:
            for _ in self.records():
                pass
        kinds = self._tally.kinds
        return Truth(
            month=f"{self.first_day:%Y-%m}",
            tenants=self._tenant_truths(),
            events=dict(self._tally.topics),
            bad={kind: kinds[f"bad:{kind}"] for kind in BAD_KINDS},
            duplicates=kinds["duplicate"],
            late=kinds["late"],
            miskeyed=kinds["miskeyed"],
            tombstones=kinds["tombstone"],
        )

    def _tenant_truths(self) -> dict[str, TenantTruth]:
        sums = latencies(self.traffic, list(self._told()))
        return {
            tenant: self._tenant_truth(tenant, story, sums[tenant, True], sums[tenant, False])
            for tenant, story in zip(self.tenants, self.stories, strict=True)
        }

    def _tenant_truth(self, tenant: str, story: Story, sent: Sum, received: Sum) -> TenantTruth:
        breached = set(story.breached)
        if self.billing_error:
            breached.add("operations.billing_error_rate")
        if sent.over(_MEAN_LIMIT_S):
            breached.add("latency.send.mean")
        if received.over(_MEAN_LIMIT_S):
            breached.add("latency.receive.mean")
        return TenantTruth(
            tenant_id=tenant,
            story=story.name,
            sent=sent.messages,
            received=received.messages,
            unfinished=story.unfinished,
            send_mean_s=sent.mean_s,
            receive_mean_s=received.mean_s,
            exceedances=story.exceedances,
            exceedances_left_out=story.exceedances_left_out,
            outage_s=PLATFORM_OUTAGE_S + (OUTAGE_S if story.outage else 0),
            excused_s=story.excused_s,
            fault_s=PLATFORM_FAULT_S + story.fault_s,
            adjustment_s=PLATFORM_ADJUSTMENT_S + story.adjustment_s,
            breached=frozenset(breached),
        )
