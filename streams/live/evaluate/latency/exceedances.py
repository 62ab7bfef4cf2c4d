"""The exceedances of section 2, and what is at risk of becoming one, followed one by one.

They are few. Each counts from the instant at which a message became one, whether it was in flight
then or had finished by the time it was heard of.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import groupby

import numpy as np

from mailsla.streams.clauses.model.measure import first_evidence
from mailsla.streams.latency.flights import AT_RISK, OVER, Aging
from mailsla.streams.latency.keyhash import turned
from mailsla.streams.latency.messages import tenant_of
from mailsla.streams.latency.row_index import Mask
from mailsla.streams.live.apply.mail import MailChanges
from mailsla.streams.live.evaluate.assessment import Assessment
from mailsla.streams.live.evaluate.latency.assessments import LatencyAssessments
from mailsla.streams.live.evaluate.latency.means import Turn
from mailsla.streams.live.evaluate.states import PAST_US, tick_end
from mailsla.streams.live.state.stretches import NOWHERE
from mailsla.streams.live.state.tenants import Tenants
from mailsla.streams.time.calendar import SECOND

_Aged = tuple[int, int, int, int, str]
"""older first: negative age, then acceptance, time and id bytes of its event; its reference"""
_Numbers = tuple[int, int, int]
"""exceedances that count, all exceedances, and messages that may become one"""


class ExceedanceCounts:
    """The exceedances of a task."""

    def __init__(self, tenants: Tenants, assessments: LatencyAssessments) -> None:
        self._tenants, self._assessments = tenants, assessments
        self._latency = tenants.latency
        self._aged: dict[int, dict[int, _Aged]] = {}
        """Slot of a month → key → the messages in flight that are at risk or over, and count."""

    def follow(self, changes: MailChanges) -> Iterator[Turn]:
        """The exceedances, and what is at risk of becoming one, one after the other."""
        steps = changes.steps
        over = steps[steps["over"] | steps["part_over"]]
        agings = changes.open_agings()
        if len(over) == 0 and not agings:
            return
        at = self._latency.months.locate(
            np.array([int(one.flight["series"]) // 2 for one in agings], dtype=np.int64),
            np.array([int(one.flight["accepted_us"]) for one in agings], dtype=np.int64),
        )
        events: list[tuple[int, int, int, int, np.void | Aging]] = []
        for number, step in enumerate(over):
            events.append((int(step["slot"]), int(step["place"]), number, int(step["part"]), step))
        for number, slot, part in zip(
            at.rows.tolist(), at.slots.tolist(), at.parts.tolist(), strict=True
        ):
            if slot != NOWHERE:
                aging = agings[number]
                # What ages does so before the record, what ends at it.
                rank = number - len(agings) if aging.age is not None else number + len(over)
                events.append((slot, aging.place, rank, part, aging))
        events.sort(key=lambda event: event[:3])
        for slot, own in groupby(events, key=lambda event: event[0]):
            yield from self._count(slot, [event[1:] for event in own], changes)

    def _count(
        self,
        slot: int,
        events: list[tuple[int, int, int, np.void | Aging]],
        changes: MailChanges,
    ) -> Iterator[Turn]:
        """The exceedances of one month.

        Args:
            slot: of the whole month.
            events: record, rank, slot of the contract segment, and what happens there.
            changes: the batch.

        """
        judged: dict[tuple[_Numbers, ...], Assessment] = {}
        before = self._counted(slot, judged)
        lasting = all(event[3]["sign"] > 0 for event in events if isinstance(event[3], np.void))
        lasting &= all(e[3].age is not None for e in events if isinstance(e[3], Aging))
        # What ages comes before the record, instant by instant.
        for (place, instant), group in groupby(events, key=lambda one: (one[0], _instant(one[3]))):
            clock_us = at_us = int(changes.clocks_us[min(place, len(changes.clocks_us) - 1)])
            reached_us = changes.reached_us(place, instant is not None)
            past = slot in changes.corrected
            for _, _, part, event in group:
                if isinstance(event, Aging):
                    at_us = self._take_aging(slot, part, event, at_us)
                else:
                    at_us = self._take_step(slot, part, event, at_us, changes)
                    finished_us = int(event["accepted_us"] + event["latency_us"])
                    past |= finished_us <= clock_us - PAST_US
            if lasting and before.state == "breached":
                continue  # more of the same changes nothing
            after = self._counted(slot, judged)
            if (after.state, after.firm) != (before.state, before.firm):
                at_us = tick_end(clock_us) if past else at_us
                yield Turn(self.with_evidence(after, slot), slot, at_us, reached_us, past)
            before = after

    def _take_aging(self, slot: int, part: int, aging: Aging, at_us: int) -> int:
        """Count what a flight that ages, or ends, was and is; the instant of it."""
        sums = self._latency.months.sums
        of_month, of_part = (bool(one[0]) for one in self._count_flights(np.array([aging.flight])))
        noted = of_month or (of_part and part != NOWHERE)
        self._note_aged(slot, aging.flight, aging.age if noted else None, aging.reference)
        for some, counted in ((slot, of_month), (part, of_part)):
            if some == NOWHERE:
                continue
            for age, sign in ((aging.before, -1), (aging.age, 1)):
                sums.all_flying_over[some] += sign * (age == OVER)
                sums.flying_over[some] += sign * (age == OVER) * counted
                sums.at_risk[some] += sign * (age == AT_RISK) * counted
        instant = _instant(aging)
        return at_us if instant is None else instant

    def _note_aged(self, slot: int, flight: np.void, age: int | None, reference: str) -> None:
        aged, key = self._aged.setdefault(slot, {}), int(flight["key"])
        if age is None:
            aged.pop(key, None)
        else:
            aged[key] = (-age, *_rank(flight), reference)
        if not aged:
            del self._aged[slot]

    def note_flights(self, tenants: Collection[int] | None) -> None:
        """Note the aged messages in flight of some tenants, or of all, anew."""
        months = self._latency.months
        for slot in [
            slot
            for slot in self._aged
            if tenants is None or not months.stands(slot) or months.slot(slot).tenant in tenants
        ]:
            del self._aged[slot]
        aged = self._latency.in_flight.aged(tenants)
        if not aged:
            return
        flights = np.array([flight for flight, _ in aged])
        at = months.locate(tenant_of(flights["series"]).astype(np.int64), flights["accepted_us"])
        of_month, of_part = self._count_flights(flights)
        for row, slot, part in zip(
            at.rows.tolist(), at.slots.tolist(), at.parts.tolist(), strict=True
        ):
            counted = of_month[row] or (of_part[row] and part != NOWHERE)
            if counted and slot != NOWHERE:
                flight, reference = aged[row]
                self._note_aged(slot, flight, int(flight["age"]), reference)

    def _count_flights(self, flights: np.ndarray) -> tuple[Mask, Mask]:
        """Which messages in flight count in their months, and which in the parts of these."""
        left_out = self._latency.left_out(flights)
        return ~left_out, ~self._latency.left_out_of_parts(flights, left_out)

    def _take_step(
        self, slot: int, part: int, step: np.void, at_us: int, changes: MailChanges
    ) -> int:
        """Count a finished message that took too long, or no longer does; the instant of it."""
        sums, sign, counts = self._latency.months.sums, int(step["sign"]), False
        for some, over, counted in (
            (slot, step["over"], bool(step["counted"])),
            (part, step["part_over"], bool(step["part_counted"])),
        ):
            if some != NOWHERE and over:
                sums.all_over[some] += sign * bool(step["everything"])
                sums.over[some] += sign * counted
                counts |= counted
        if step["everything"] and not step["liable"]:
            self._note_slow(slot, step, changes)
        return int(step["accepted_us"] + step["limit_us"]) + 1 if sign > 0 and counts else at_us

    def _note_slow(self, slot: int, step: np.void, changes: MailChanges) -> None:
        """Remember the reference of a message that took too long, whether excluded or not."""
        if step["sign"] < 0:
            self._latency.slow.drop(int(step["key"]))
            return
        accepted_us = int(step["accepted_us"])
        finished_us = accepted_us + int(step["latency_us"])
        series, reference = self._series(slot, int(step["way"])), self._reference(step, changes)
        entry = (series, int(step["key"]), accepted_us, finished_us, reference)
        self._latency.slow.add(entry)

    def _reference(self, step: np.void, changes: MailChanges) -> str:
        """The event that first told of a slow message: of its acceptance, or of its finish."""
        key = turned(np.array([step["key"]]), np.array([step["way"] == 1]))
        place = int(step["place"])
        return changes.acceptance(int(key[0]), place) or changes.name(place)

    def _series(self, slot: int, way: int) -> int:
        return 2 * self._latency.months.slot(slot).tenant + way

    # What has become of an indicator.

    def _counted(self, slot: int, judged: dict[tuple[_Numbers, ...], Assessment]) -> Assessment:
        """The exceedances of a month as its sums stand; equal sums are judged once."""
        sums = self._latency.months.sums
        slots = (slot, *self._latency.months.parts(slot))
        numbers = tuple(
            (
                int(sums.over[one] + sums.flying_over[one]),
                int(sums.all_over[one] + sums.all_flying_over[one]),
                int(sums.at_risk[one]),
            )
            for one in slots
        )
        if numbers not in judged:
            judged[numbers] = self._assessments.exceedances(slot)
        return judged[numbers]

    def with_evidence(self, assessment: Assessment, slot: int) -> Assessment:
        """The exceedances of a month with what they are seen by."""
        evidence = self._evidence(slot)
        return replace(
            assessment, measure=replace(assessment.measure, evidence=first_evidence(evidence))
        )

    def _evidence(self, slot: int) -> list[str]:
        """The references of a month's exceedances, finished ones first, then of what impends."""
        of = self._latency.months.slot(slot)
        period, series = of.governed.period, (2 * of.tenant, 2 * of.tenant + 1)
        limit_us = of.governed.contract.profile.max_latency_s * SECOND
        slow = list(self._latency.slow.of(series, period.start_us, period.end_us))
        accepted_us = np.array([one.accepted_us for one in slow], dtype=np.int64)
        finished_us = np.array([one.finished_us for one in slow], dtype=np.int64)
        spans = np.full(len(slow), of.tenant), accepted_us, finished_us
        left_out, parts = self._tenants.excluded.messages(*spans), self._latency.months.parts(slot)
        named = ~left_out & (finished_us - accepted_us > limit_us)
        if parts:
            named = ~(left_out & self._tenants.excluded.in_parts(left_out, *spans))
        names = [one.reference for one, is_named in zip(slow, named, strict=True) if is_named]
        aged = sorted(self._aged.get(slot, {}).values())
        return [*names, *(reference for *_, reference in aged)]


def _instant(event: np.void | Aging) -> int | None:
    """The instant at which a flight came to an age; none of what a record says."""
    if not isinstance(event, Aging) or event.age is None:
        return None
    return int(event.flight["at_risk_us" if event.age == AT_RISK else "over_us"])


def _rank(flight: np.void) -> tuple[int, int, int]:
    return int(flight["accepted_us"]), int(flight["time_us"]), int(flight["order"])
