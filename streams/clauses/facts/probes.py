"""Facts of ``mail.probe``: probe results and page loads of one scope."""

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from mailsla.schemas.facts.fact import Fact
from mailsla.schemas.facts.probe import PageLoadedFact, ProbeResultFact
from mailsla.streams.clauses.facts.base import Facts, Samples, micros
from mailsla.streams.time.calendar import DAY, SECOND
from mailsla.streams.time.intervals import BEFORE_ALL, EMPTY, FOREVER, IntervalSet, splice, union

MILLISECOND: Final = SECOND // 1_000

Capability = tuple[str, str]
CAPABILITIES: Final[tuple[Capability, ...]] = (
    ("send", "internal"),
    ("send", "external"),
    ("receive", "internal"),
    ("receive", "external"),
)
"""What a connected mailbox can do, inside and outside its domain (contract section 1)."""

_LONGEST_HOLD: Final = 400 * DAY
"""Bounds a hold, so that hostile intervals stay within 64 bits; longer than a year."""


class ProbeSeries:
    """The results of one probe identity in time order; one result per instant.

    Of several results at one instant a good one counts, among equals the one that holds longest.
    """

    def __init__(self) -> None:
        self._times = array("q")
        self._intervals = array("q")
        self._good = array("b")
        self._failures: dict[int, str] = {}

    def add(self, time_us: int, interval_us: int, good: bool, label: str) -> bool:
        """Take a result; whether it changed anything."""
        place = len(self._times)
        if place and self._times[-1] >= time_us:
            place = bisect_left(self._times, time_us)
        if place < len(self._times) and self._times[place] == time_us:
            return self._replace(place, interval_us, good, label)
        self._times.insert(place, time_us)
        self._intervals.insert(place, interval_us)
        self._good.insert(place, good)
        if not good:
            self._failures[time_us] = label
        return True

    def _replace(self, place: int, interval_us: int, good: bool, label: str) -> bool:
        time_us = self._times[place]
        known = (self._good[place], self._intervals[place])
        if not good and not known[0]:
            self._failures[time_us] = min(label, self._failures[time_us])
        if (int(good), interval_us) <= known:
            return False
        self._good[place], self._intervals[place] = good, interval_us
        if good:
            self._failures.pop(time_us, None)
        return True

    def held(self, since_us: int, factor: int) -> tuple[IntervalSet, IntervalSet]:
        """When a good and when a bad result holds, from ``since_us`` on.

        A result holds until the next one and at most ``factor`` of its intervals.
        """
        first = max(0, bisect_right(self._times, since_us) - 1)
        times = np.array(self._times[first:], dtype=np.int64)
        limit = _LONGEST_HOLD // factor
        holds = np.minimum(np.array(self._intervals[first:], dtype=np.int64), limit) * factor
        good = np.array(self._good[first:], dtype=np.bool_)
        ends = np.minimum(times + holds, np.append(times[1:], FOREVER))
        starts = np.maximum(times, since_us)
        return (
            IntervalSet.of_arrays(starts[good], ends[good]),
            IntervalSet.of_arrays(starts[~good], ends[~good]),
        )

    def failures(self, start_us: int, end_us: int) -> Iterator[tuple[int, str]]:
        """The bad results in ``[start, end)`` as ``(time, label)``."""
        low, high = bisect_left(self._times, start_us), bisect_left(self._times, end_us)
        for place in range(low, high):
            if not self._good[place]:
                yield self._times[place], self._failures[self._times[place]]

    def forget(self, before_us: int) -> bool:
        """Drop what cannot hold at or after an instant; whether nothing is left."""
        last = bisect_right(self._times, before_us) - 1
        keep = max(0, last)
        if last >= 0 and self._times[last] + _LONGEST_HOLD < before_us:
            keep = last + 1
        for time_us in self._times[:keep]:
            self._failures.pop(time_us, None)
        del self._times[:keep], self._intervals[:keep], self._good[:keep]
        return not self._times


@dataclass(frozen=True, slots=True)
class HeldResult:
    """Per capability, in the order of `CAPABILITIES`: when a good and a bad result holds."""

    good: tuple[IntervalSet, ...]
    bad: tuple[IntervalSet, ...]

    def from_(self, since_us: int) -> "HeldResult":
        """The part from an instant on."""
        return HeldResult(
            tuple(each.clip(since_us, FOREVER) for each in self.good),
            tuple(each.clip(since_us, FOREVER) for each in self.bad),
        )


NOTHING_HELD: Final = HeldResult((EMPTY,) * len(CAPABILITIES), (EMPTY,) * len(CAPABILITIES))


class ProbeChanges:
    """From which instant on something has changed since an earlier look.

    Keeps the last few thousand versions; an older look has everything changed.
    """

    MOST: Final = 8_192

    def __init__(self) -> None:
        self._versions = array("q")
        self._since = array("q")
        self._complete_from = 0

    def note(self, version: int, since_us: int) -> None:
        """Remember that everything from ``since_us`` on may differ from ``version`` on."""
        while self._since and self._since[-1] >= since_us:
            self._since.pop()
            self._versions.pop()
        self._versions.append(version)
        self._since.append(since_us)
        if len(self._since) > 2 * self.MOST:
            self._complete_from = self._versions[self.MOST]
            del self._versions[: self.MOST], self._since[: self.MOST]

    def since(self, version: int) -> int:
        """The instant from which on something may differ from what ``version`` showed."""
        if version < self._complete_from:
            return BEFORE_ALL
        # Instants grow along the list, so the first later version has the smallest one.
        place = bisect_right(self._versions, version)
        return self._since[place] if place < len(self._since) else FOREVER


class ProbeFacts(Facts):
    """Probe results (section 1) and page loads (section 3) of one scope.

    What holds when is kept from look to look; a look redoes only what changed since.
    """

    topic: ClassVar[str] = "mail.probe"

    def __init__(self) -> None:
        super().__init__()
        self.pages: dict[str, Samples] = {"narrowband": Samples(), "broadband": Samples()}
        self.changes = ProbeChanges()
        self._series: dict[tuple[str, ...], ProbeSeries] = {}
        self._held: dict[int, tuple[int, HeldResult]] = {}
        self._latest: dict[tuple[str, ...], tuple[int, int]] = {}
        """Probe → time and interval of its latest result, µs."""

    def start_over(self) -> None:
        """Forget everything, as if no event had come yet; those that count are to come again."""
        super().start_over()
        self.changes.note(self.version, BEFORE_ALL)

    @property
    def probed(self) -> bool:
        """Whether there is any probe result."""
        return bool(self._series)

    def held(self, factor: int) -> HeldResult:
        """When results hold, if each holds at most ``factor`` of its intervals."""
        version, held = self._held.get(factor, (-1, NOTHING_HELD))
        if version < self.version:
            since_us = self.changes.since(version)
            if since_us < FOREVER:
                held = self._renewed(held, since_us, factor)
            self._held[factor] = (self.version, held)
        return held

    def known_until_us(self, factor: int) -> int:
        """Until when the latest results hold, if each holds at most ``factor`` of its intervals."""
        return max((at + factor * every for at, every in self._latest.values()), default=BEFORE_ALL)

    def failures(self, capability: Capability, start_us: int, end_us: int) -> list[tuple[int, str]]:
        """The bad results of a capability in ``[start, end)`` as ``(time, reference)``."""
        return [
            failure
            for identity, series in self._series.items()
            if identity[-2:] == capability
            for failure in series.failures(start_us, end_us)
        ]

    def _renewed(self, held: HeldResult, since_us: int, factor: int) -> HeldResult:
        good: defaultdict[tuple[str, ...], list[IntervalSet]] = defaultdict(list)
        bad: defaultdict[tuple[str, ...], list[IntervalSet]] = defaultdict(list)
        for identity, series in self._series.items():
            well, badly = series.held(since_us, factor)
            good[identity[-2:]].append(well)
            bad[identity[-2:]].append(badly)
        return HeldResult(
            tuple(_joined(old, since_us, good[capability])
                  for old, capability in zip(held.good, CAPABILITIES, strict=True)),
            tuple(_joined(old, since_us, bad[capability])
                  for old, capability in zip(held.bad, CAPABILITIES, strict=True)),
        )  # fmt: skip

    def _take(self, fact: Fact) -> None:
        match fact:
            case ProbeResultFact():
                self._take_result(fact)
            case PageLoadedFact():
                self.pages[fact.bandwidth].add(fact.time, micros(fact.load_ms, MILLISECOND))

    def _take_result(self, fact: ProbeResultFact) -> None:
        identity = (fact.source, fact.probe, fact.channel, fact.capability, fact.scope)
        series = self._series.setdefault(identity, ProbeSeries())
        interval_us = min(micros(fact.interval_s, SECOND), _LONGEST_HOLD)
        if fact.time >= self._latest.get(identity, (BEFORE_ALL, 0))[0]:
            self._latest[identity] = fact.time, interval_us
        if series.add(fact.time, interval_us, fact.ok, fact.reference):
            self.changes.note(self.version, fact.time)

    def _drop(self, horizon_us: int) -> None:
        for pages in self.pages.values():
            pages.forget(horizon_us)
        for identity in [key for key, each in self._series.items() if each.forget(horizon_us)]:
            del self._series[identity]
            self._latest.pop(identity, None)
        self.changes.note(self.version + 1, BEFORE_ALL)


def _joined(old: IntervalSet, since_us: int, renewed: list[IntervalSet]) -> IntervalSet:
    return splice(old, since_us, union(renewed))
