"""Section 9: whether customer service could be reached, 7x24."""

from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mailsla.schemas.facts.fact import Fact
from mailsla.schemas.facts.support import ChannelDownFact, ChannelUpFact
from mailsla.streams.clauses.facts.base import Facts
from mailsla.streams.clauses.kinds.durations import remaining_measure
from mailsla.streams.clauses.model.measure import MOST_EVIDENCE, Measure, View
from mailsla.streams.time.intervals import EMPTY, FOREVER, IntervalSet, span, union

INDICATORS = ("support.availability",)


@dataclass(frozen=True, slots=True)
class Reachability:
    """When any channel was known, and when every known one was down."""

    known: IntervalSet
    unreachable: IntervalSet


class ChannelStates:
    """What was said of one channel in time order; of several at one instant *up* counts."""

    def __init__(self) -> None:
        self.times = array("q")
        self.ups = array("b")

    def add(self, time_us: int, up: bool) -> None:
        """Take one event."""
        place = bisect_left(self.times, time_us)
        if place < len(self.times) and self.times[place] == time_us:
            self.ups[place] |= up
        else:
            self.times.insert(place, time_us)
            self.ups.insert(place, up)

    def forget(self, before_us: int) -> None:
        """Drop states that were over by an instant; the last one stays in force."""
        keep = max(0, bisect_right(self.times, before_us) - 1)
        del self.times[:keep], self.ups[:keep]


class SupportFacts(Facts):
    """States of the service channels in one scope; tickets are tracked elsewhere."""

    topic: ClassVar[str] = "mail.support"

    def __init__(self) -> None:
        super().__init__()
        self.channels: dict[str, ChannelStates] = {}
        self._reading: tuple[object, tuple[int, int], Reachability] | None = None

    def reachability(self, platform: "SupportFacts") -> Reachability:
        """When service could be reached, by these facts and the platform's together."""
        versions = (self.version, platform.version)
        if self._reading is None or self._reading[:2] != (platform, versions):
            self._reading = (platform, versions, _reachability((self, platform)))
        return self._reading[2]

    def _take(self, fact: Fact) -> None:
        if isinstance(fact, ChannelUpFact | ChannelDownFact):
            states = self.channels.setdefault(fact.channel, ChannelStates())
            states.add(fact.time, isinstance(fact, ChannelUpFact))

    def _drop(self, horizon_us: int) -> None:
        for states in self.channels.values():
            states.forget(horizon_us)


def measure(own: SupportFacts, platform: SupportFacts, view: View) -> list[Measure]:
    """The share of the month in which some known channel was up, or none was known."""
    reading = own.reachability(platform)
    down = reading.unreachable
    known = reading.known.within(view.start_us, view.known_us) > 0
    spent = down.clip(view.start_us, view.known_us)
    evidence = [f"unreachable-{start_us}" for start_us in spent.starts[:MOST_EVIDENCE].tolist()]
    return [remaining_measure("support.availability", down, down, view, known, evidence)]


def _reachability(scopes: tuple[SupportFacts, ...]) -> Reachability:
    known: list[IntervalSet] = []
    reachable: list[IntervalSet] = []
    for channel in sorted({name for facts in scopes for name in facts.channels}):
        states = [facts.channels[channel] for facts in scopes if channel in facts.channels]
        times, ups = _merged(states)
        ends = np.append(times[1:], FOREVER)
        known.append(span(int(times[0]), FOREVER) if len(times) else EMPTY)
        reachable.append(IntervalSet.of_arrays(times[ups], ends[ups]))
    return Reachability(union(known), union(known) - union(reachable))


def _merged(states: list[ChannelStates]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The states of one channel in several scopes as one, in time order."""
    times = np.concatenate([np.array(each.times, dtype=np.int64) for each in states])
    ups = np.concatenate([np.array(each.ups, dtype=np.bool_) for each in states])
    # Up comes last at its instant; an empty interval before it holds nothing.
    order = np.lexsort((ups, times))
    return times[order], ups[order]
