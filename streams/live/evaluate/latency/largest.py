"""The largest latencies that a contract judges, followed at the end of each tick."""

from collections.abc import Iterator

import numpy as np

from mailsla.streams.live.apply.mail import MailChanges
from mailsla.streams.live.evaluate.latency.assessments import LatencyAssessments
from mailsla.streams.live.evaluate.latency.means import Turn
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
        steps = steps[np.isin(steps["slot"], judged) & steps["counted"]]
        keys = 2 * steps["slot"] + steps["way"]
        if len(keys) == 0:
            return
        order = np.argsort(keys, kind="stable")
        steps, keys = steps[order], keys[order]
        distinct, starts = np.unique(keys, return_index=True)
        for key, own in zip(distinct.tolist(), np.split(steps, starts[1:]), strict=True):
            slot, way = divmod(key, 2)
            largest = self._latest.get(key, 0)
            gone = own["sign"] < 0
            reached = np.maximum.accumulate(np.where(gone, 0, own["latency_us"]))
            grows = np.flatnonzero(np.diff(np.maximum(reached, largest), prepend=largest))
            for one in grows.tolist():
                largest = int(reached[one])
                yield self._turn(changes, int(own["place"][one]), slot, way, largest)
            present = int(months.sums.largest_us[slot, way])
            if present != largest:
                yield self._turn(changes, int(own["place"][-1]), slot, way, present)
            self._latest[key] = present

    def _turn(self, changes: MailChanges, place: int, slot: int, way: int, largest_us: int) -> Turn:
        at_us = tick_end(int(changes.clocks_us[place]))
        final = self._latency.months.means.final_us[slot] <= at_us
        past = bool(final) or slot in changes.corrected
        return Turn(self._assessments.maximum(slot, way, largest_us), slot, at_us, past=past)
