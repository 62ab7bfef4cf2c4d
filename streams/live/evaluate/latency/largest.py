"""The largest latencies that a contract judges, followed at the end of each tick."""

from collections.abc import Iterator

import numpy as np

from mailsla.streams.latency.row_index import Int64s
from mailsla.streams.latency.sorted_sets import grouped
from mailsla.streams.latency.tables import chosen
from mailsla.streams.live.apply.mail import MailChanges, Steps
from mailsla.streams.live.evaluate.latency.assessments import LatencyAssessments
from mailsla.streams.live.evaluate.latency.means import Turn, backwards
from mailsla.streams.live.evaluate.states import tick_end
from mailsla.streams.live.state.latency import Latency


class LargestLatencies:
    """The largest latencies of a task."""

    def __init__(self, latency: Latency, assessments: LatencyAssessments) -> None:
        self._latency, self._assessments = latency, assessments
        self._latest: dict[int, int] = {}
        """2 * slot + direction → the largest latency it was last judged by."""

    def note(self, slot: int) -> None:
        """The largest latencies of a month are judged as its sums stand."""
        for way in (0, 1):
            self._latest[2 * slot + way] = int(self._latency.months.sums.largest_us[slot, way])

    def follow(self, changes: MailChanges) -> Iterator[Turn]:
        """The largest latencies that are judged, at the end of each tick."""
        months = self._latency.months
        if not months.judges_largest:
            return
        judged = np.fromiter(months.judges_largest, np.int64, len(months.judges_largest))
        steps = changes.steps
        steps = chosen(steps, np.isin(steps["slot"], judged))
        keys = 2 * steps["slot"] + steps["way"]
        order = grouped(keys)
        steps, keys = chosen(steps, order), keys[order]
        counts, alls = self._counts(keys, steps)
        counted = steps["counted"]
        steps, keys = chosen(steps, counted), keys[counted]
        counts, alls = counts[counted], alls[counted]
        if len(keys) == 0:
            return
        distinct, starts = np.unique(keys, return_index=True)
        ends = np.append(starts[1:], len(keys))
        for key, start, end in zip(distinct.tolist(), starts.tolist(), ends.tolist(), strict=True):
            own, (slot, way) = steps[start:end], divmod(key, 2)
            turns = []
            largest = self._latest.get(key, 0)
            gone = own["sign"] < 0
            reached = np.maximum.accumulate(np.where(gone, 0, own["latency_us"]))
            grows = np.flatnonzero(np.diff(np.maximum(reached, largest), prepend=largest))
            for one in grows.tolist():
                largest = int(reached[one])
                turns.append((start + one, largest))
            present = int(months.sums.largest_us[slot, way])
            if present != largest:
                turns.append((end - 1, present))
            self._latest[key] = present
            for at, largest in turns:
                values = largest, int(counts[at]), int(alls[at] - counts[at])
                yield self._turn(changes, int(steps["place"][at]), slot, way, values)

    def _counts(self, keys: Int64s, steps: Steps) -> tuple[Int64s, Int64s]:
        """How many messages count after each step, and how many there are."""
        sums, slots, ways = self._latency.months.sums, keys // 2, keys % 2
        last = np.append(keys[1:] != keys[:-1], True)[: len(keys)]
        counts = backwards(sums.count[slots, ways], steps["sign"] * steps["counted"], last)
        alls = backwards(sums.all_count[slots, ways], steps["sign"] * steps["everything"], last)
        return counts, alls

    def _turn(
        self, changes: MailChanges, place: int, slot: int, way: int, values: tuple[int, int, int]
    ) -> Turn:
        at_us = tick_end(int(changes.clocks_us[place]))
        final = self._latency.months.means.final_us[slot] <= at_us
        past = bool(final) or slot in changes.corrected
        return Turn(self._assessments.maximum(slot, way, values), slot, at_us, past=past)
