"""A provider's past month: what to publish in which order, and the truth about it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from random import Random
from typing import Final

from schemas.topics import MTA
from streams.simulate.bad import BAD_KINDS, bad_record
from streams.simulate.provider import (
    PLATFORM_ADJUSTMENT_S,
    PLATFORM_FAULT_S,
    PLATFORM_OUTAGE_S,
    monitoring,
    own_probes,
    platform_events,
    platform_probes,
    tenant_events,
)
from streams.simulate.record import HOUR, SECOND, Draft, SimulatedRecord, Span, Timed
from streams.simulate.stories import OUTAGE_S, Story, story_of
from streams.simulate.traffic import CHUNK_HOURS, Traffic, write
from streams.simulate.truth import TenantTruth, Truth

DUPLICATE_SHARE: Final = 0.005
LATE_SHARE: Final = 0.001
MISKEYED_SHARE: Final = 0.0002
BAD_SHARE: Final = 0.001
_LATE_US: Final = (5 * 60 * SECOND, 6 * HOUR)
_DUPLICATE_US: Final = (0, 0, 30 * SECOND, 10 * 60 * SECOND, 26 * HOUR)


def plan(
    seed: int, tenants: int, month: str, messages: int, *, billing_error: bool = False
) -> "Plan":
    """A simulated month.

    Args:
        seed: equal arguments give equal records, byte for byte.
        tenants: how many, at least 1; 28 tell every story.
        month: ``YYYY-MM``, a past month of this century, in the default time zone.
        messages: ordinary messages; each makes two events.
        billing_error: whether one bill of the month is wrong, which breaches
            ``operations.billing_error_rate`` for every tenant.

    Raises:
        ValueError: fewer than one tenant, or a negative number of messages.

    """
    if tenants < 1 or messages < 0:
        raise ValueError("simulate at least one tenant and no negative number of messages")
    names = tuple(f"tenant-{number:03d}" for number in range(1, tenants + 1))
    return Plan(seed, names, date.fromisoformat(f"{month}-01"), messages, billing_error)


@dataclass(frozen=True)
class Plan:
    """A month that can be published any number of times; nothing is kept but the truth."""

    seed: int
    tenants: tuple[str, ...]
    first_day: date
    messages: int
    billing_error: bool = False

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
        """Every record in publishing order, a few hours of traffic in memory at a time."""
        waiting: list[Timed] = []
        spoiler = _Spoiler(self)
        thin = self._thin()
        upcoming = next(thin, None)
        traffic = self.traffic
        counts, factors = traffic.counts(), traffic.slow_hours()
        for number in range(traffic.chunks):
            until = self.span.start_us + (number + 1) * CHUNK_HOURS * HOUR
            fresh = write(traffic.chunk(number, counts, factors), self.tenants, self.seed)
            while upcoming is not None and upcoming.arrival_us < until:
                fresh.append(upcoming)
                upcoming = next(thin, None)
            waiting += spoiler.disturbed(fresh, until)
            waiting.sort()
            ready = _place(waiting, until)
            yield from (timed.record for timed in waiting[:ready])
            del waiting[:ready]
        yield from (timed.record for timed in waiting)

    def _thin(self) -> Iterator[Timed]:
        """Everything but the ordinary messages, by time; ids count up."""
        number = 0
        rest = sorted(self._stories_told(), key=lambda draft: draft.time_us)
        place = 0
        for day in range(1, self.span.days + 1):
            drafts = [
                *platform_probes(self.span, day),
                *own_probes(self.span, day, self.tenants, self.stories),
                *monitoring(self.span, day),
            ]
            end = self.span.at(day + 1)
            while place < len(rest) and rest[place].time_us < end:
                drafts.append(rest[place])
                place += 1
            for draft in sorted(drafts, key=lambda draft: draft.time_us):
                number += 1
                yield Timed(draft.time_us, draft.written(f"s{number}"))

    def _stories_told(self) -> Iterator[Draft]:
        yield from platform_events(self.span)
        for tenant, story in zip(self.tenants, self.stories, strict=True):
            yield from story.tell(self.span, tenant)
            yield from tenant_events(self.span, tenant, story, self.billing_error)

    @cached_property
    def truth(self) -> Truth:
        """What the records hold; costs one silent run through them."""
        kinds: Counter[str] = Counter()
        topics: Counter[str] = Counter()
        for record in self.records():
            kinds[record.kind] += 1
            if record.kind in {"event", "late", "miskeyed"}:
                topics[record.topic] += 1
        bad = {kind: kinds[f"bad:{kind}"] for kind in BAD_KINDS}
        return Truth(
            month=f"{self.first_day:%Y-%m}",
            tenants=self._tenant_truths(),
            events=dict(topics),
            bad=bad,
            duplicates=kinds["duplicate"],
            late=kinds["late"],
            miskeyed=kinds["miskeyed"],
            tombstones=kinds["tombstone"],
        )
