"""When a tenant's mailboxes were down, unknown or connected (contract section 1).

A capability works where any result holding is good, fails where one holds and none is good, and
is unknown where none holds. The tenant's own results come first; where none of them holds for
a capability, the platform's speak. The tenant is down while any capability fails.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from mailsla.streams.clauses.facts.probes import CAPABILITIES, NOTHING_HELD, HeldResult, ProbeFacts
from mailsla.streams.time.intervals import EMPTY, FOREVER, IntervalSet, splice, union

Condition = Literal["up", "down", "unknown"]


@dataclass(frozen=True, slots=True)
class Reading:
    """When which capability failed (in the order of `CAPABILITIES`), and when any was known."""

    failing: tuple[IntervalSet, ...]
    known: IntervalSet
    down: IntervalSet

    def condition(self, instant_us: int) -> Condition:
        """Whether the tenant was connected at an instant."""
        if self.down.covers(instant_us):
            return "down"
        return "up" if self.known.covers(instant_us) else "unknown"

    def with_outages(self, declared: Iterable[tuple[int, int]]) -> "Reading":
        """The same with declared outages ``[start, end)``, in which every capability failed."""
        outages = IntervalSet.of(declared)
        return Reading(
            tuple(failing | outages for failing in self.failing),
            self.known | outages,
            self.down | outages,
        )


_NOTHING_READ: Final = Reading((EMPTY,) * len(CAPABILITIES), EMPTY, EMPTY)


def read(own: HeldResult, platform: HeldResult) -> Reading:
    """Combine what holds of the tenant's own probes and of the platform's."""
    failing: list[IntervalSet] = []
    known: list[IntervalSet] = []
    for place in range(len(CAPABILITIES)):
        spoken = own.good[place] | own.bad[place]
        good = own.good[place] | (platform.good[place] - spoken)
        bad = own.bad[place] | (platform.bad[place] - spoken)
        failing.append(bad - good)
        known.append(good | bad)
    return Reading(tuple(failing), union(known), union(failing))


class Timeline:
    """The reading of one tenant, kept from look to look and redone only from where it changed."""

    def __init__(self, own: ProbeFacts, platform: ProbeFacts, factor: int) -> None:
        self._own = own
        self._platform = platform
        self._factor = factor
        self._versions = (-1, -1)
        self._reading = _NOTHING_READ

    def reads(self, own: ProbeFacts, platform: ProbeFacts) -> bool:
        """Whether it is made from these facts."""
        return self._own is own and self._platform is platform

    def reading(self) -> Reading:
        """The reading by all results observed so far."""
        versions = (self._own.version, self._platform.version)
        if versions != self._versions:
            since_us = min(
                self._own.changes.since(self._versions[0]),
                self._platform.changes.since(self._versions[1]),
            )
            if since_us < FOREVER:
                self._reading = self._renewed(since_us)
            self._versions = versions
        return self._reading

    def _renewed(self, since_us: int) -> Reading:
        platform = self._platform.held(self._factor).from_(since_us)
        own = self._own.held(self._factor).from_(since_us) if self._own.probed else NOTHING_HELD
        fresh, old = read(own, platform), self._reading
        return Reading(
            tuple(
                splice(before, since_us, after)
                for before, after in zip(old.failing, fresh.failing, strict=True)
            ),
            splice(old.known, since_us, fresh.known),
            splice(old.down, since_us, fresh.down),
        )


class TimelineCache:
    """The timelines of one scope, one for each factor by which contracts let results hold."""

    def __init__(self) -> None:
        self._timelines: dict[int, Timeline] = {}

    def reading(self, own: ProbeFacts, platform: ProbeFacts, factor: int) -> Reading:
        """What the results of a tenant and of the platform say by now."""
        timeline = self._timelines.get(factor)
        if timeline is None or not timeline.reads(own, platform):
            timeline = self._timelines[factor] = Timeline(own, platform, factor)
        return timeline.reading()
