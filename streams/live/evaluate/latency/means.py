"""The means of section 2, followed for all tenants at once, tick by tick of event time."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from mailsla.streams.latency.row_index import Int64s, Mask
from mailsla.streams.latency.sorted_sets import group_starts, grouped
from mailsla.streams.live.apply.mail import MailChanges
from mailsla.streams.live.evaluate.assessment import Assessment
from mailsla.streams.live.evaluate.latency.assessments import LatencyAssessments
from mailsla.streams.live.evaluate.states import TICK_US
from mailsla.streams.live.state.latency import Latency


class Turn(NamedTuple):
    """An indicator in another state, the slot of its month, and since when.

    ``reached_us`` is the event time that had been reached when it was known, where that is later:
    what had to hold until then, and did, is told before. ``past`` says that it is word of the past.
    """

    found: Assessment
    slot: int
    at_us: int
    reached_us: int = 0
    past: bool = False


_COMPARED: Final = (np.less, np.less_equal, np.greater_equal, np.equal)
_NEAR: Final = 1e-9
"""Relative distance of a mean from its target below which floating point does not decide."""
_NONE: Final = np.empty(0, dtype=np.int64)


class Means:
    """The means of a task; ``open`` are those (2 * slot + direction) whose tick is not over."""

    def __init__(self, latency: Latency, assessments: LatencyAssessments) -> None:
        self._latency, self._assessments = latency, assessments
        self.open_tick = 0
        self.open = _NONE

    def drop_forgotten(self) -> None:
        """Some slots stand for nothing any more."""
        months = self._latency.months
        stands = np.array([months.stands(key // 2) for key in self.open.tolist()], dtype=np.bool_)
        self.open = self.open[stands]

    def follow(self, changes: MailChanges, known_us: int) -> Iterator[Turn]:
        """The turns of means in a batch, in order of time.

        Args:
            changes: what the batch changed.
            known_us: event time up to which all mail is known.

        """
        steps, months = changes.steps, self._latency.months
        # 1. The means with a step, in the order of the log; a mean that is open from the last
        #    batch leads with a step that changes nothing.
        opened, tick = self.open, self.open_tick
        keys = np.concatenate([opened, 2 * steps["slot"] + steps["way"]])
        ticks = changes.clocks_us[steps["place"]] // TICK_US
        ticks = np.concatenate([np.full(len(opened), tick, dtype=np.int64), ticks])
        zeros = np.zeros(len(opened), dtype=np.int64)
        counted = np.concatenate([zeros, steps["sign"] * steps["counted"]])
        sums = np.concatenate([zeros, steps["sign"] * steps["counted"] * steps["latency_us"]])
        everything = np.concatenate([zeros, steps["sign"] * steps["everything"]])
        now = int(changes.clocks_us[-1]) // TICK_US
        self.open_tick = max(now, tick)
        if len(keys) == 0:
            return
        order = grouped(keys)
        keys, ticks = keys[order], ticks[order]
        # 2. The sums after each step: as they are now, less what came after it.
        slots, ways = keys // 2, keys % 2
        last = np.append(keys[1:] != keys[:-1], True)
        counts = backwards(months.sums.count[slots, ways], counted[order], last)
        totals = backwards(months.sums.sum_us[slots, ways], sums[order], last)
        alls = backwards(months.sums.all_count[slots, ways], everything[order], last)
        # 3. Where each tick ends that is over; what changed in the present one stays open.
        ends = last | np.append(ticks[1:] != ticks[:-1], True)
        open_ = (ticks >= self.open_tick) & ~np.isin(slots, changes.corrected)
        still = keys[ends & open_]
        self.open = still[group_starts(still)]
        chosen = np.flatnonzero(ends & ~open_ & months.means.judged[slots, ways])
        if len(chosen) == 0:
            return
        keys, slots, ways = keys[chosen], slots[chosen], ways[chosen]
        counts, totals, alls, ticks = (
            counts[chosen], totals[chosen], alls[chosen], ticks[chosen]
        )  # fmt: skip
        # 4. Where a mean begins or ceases to miss its target.
        turned = self._turned(keys, ticks, totals, counts, known_us)
        for one in turned[np.argsort(ticks[turned], kind="stable")].tolist():
            values = (int(totals[one]), int(counts[one]), int(alls[one] - counts[one]))
            slot, at_us = int(slots[one]), (int(ticks[one]) + 1) * TICK_US
            past = bool(months.means.final_us[slot] <= at_us) or slot in changes.corrected
            yield Turn(self._assessments.mean(slot, int(ways[one]), values), slot, at_us, past=past)

    def _turned(
        self, keys: Int64s, ticks: Int64s, totals: Int64s, counts: Int64s, known_us: int
    ) -> Int64s:
        """The places at which means turn, and do so for long enough, mean by mean."""
        slots, ways, months = keys // 2, keys % 2, self._latency.months
        failing = self.fails(slots, ways, totals, counts)
        before = np.empty(len(failing), dtype=np.bool_)
        before[1:] = failing[:-1]
        first = np.append(True, keys[1:] != keys[:-1])
        before[first] = months.means.failing[slots[first], ways[first]]
        last = np.append(keys[1:] != keys[:-1], True)
        months.means.failing[slots[last], ways[last]] = failing[last]
        turned = np.flatnonzero(failing != before)
        result: Int64s = turned[self._lasting(keys[turned], slots[turned], ticks[turned], known_us)]
        return result

    def fails(self, slots: Int64s, ways: Int64s, sums_us: Int64s, counts: Int64s) -> Mask:
        """Where a mean misses its target; without a message it does not."""
        means = self._latency.months.means
        targets = means.target_us[slots, ways] * counts
        comparators = means.comparator[slots, ways]
        values = sums_us.astype(np.float64)
        holds = np.ones(len(slots), dtype=np.bool_)
        for number, compare in enumerate(_COMPARED):
            own = comparators == number
            holds[own] = compare(values[own], targets[own])
        near = np.abs(values - targets) <= _NEAR * np.maximum(np.abs(values), np.abs(targets))
        for one in np.flatnonzero(near & (counts > 0)).tolist():
            target = self._latency.months.mean_target_us(int(slots[one]), int(ways[one]))
            compare = _COMPARED[int(comparators[one])]
            exact = target * int(counts[one])
            holds[one] = bool(compare(int(sums_us[one]) * exact.denominator, exact.numerator))
        return (counts > 0) & ~holds

    def _lasting(self, keys: Int64s, slots: Int64s, ticks: Int64s, known_us: int) -> Mask:
        """Which turns of each mean lasted, and its last two, whose end is not known."""
        hold = self._latency.months.means.hold_us[slots] // TICK_US
        following = np.append(keys[1:] == keys[:-1], False)
        lasted = np.ones(len(keys), dtype=np.bool_)
        lasted[:-1] = ticks[1:] - ticks[:-1] >= hold[:-1]
        lasted |= ~following
        lasted[:-1] |= ~following[1:]
        return lasted | (self._latency.months.means.final_us[slots] <= known_us)


def backwards(now: Int64s, changes: Int64s, last: Mask) -> Int64s:
    """The values after each change of several series, one after the other.

    Args:
        now: the value after the last change of the series of each row.
        changes: what each row adds.
        last: where a series ends.

    """
    reached = np.cumsum(changes)
    ends = np.flatnonzero(last)
    sizes = np.diff(ends, prepend=-1)
    result: Int64s = now - (np.repeat(reached[ends], sizes) - reached)
    return result
