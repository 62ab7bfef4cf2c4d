"""The indicators of section 2 with given or present values."""

from collections.abc import Iterator
from decimal import Decimal

from mailsla.streams.clauses.model.measure import Measure
from mailsla.streams.clauses.model.segments import Judged
from mailsla.streams.clauses.sections.latency import (
    DirectionTotals,
    Exceedances,
    LatencyTotals,
    measure,
)
from mailsla.streams.live.evaluate.assessment import Assessment, assess
from mailsla.streams.live.state.latency_months import COUNTED, LARGEST, MEANS, Slot, Totals
from mailsla.streams.live.state.tenants import Tenants
from mailsla.streams.time.calendar import SECOND, Month


class LatencyAssessments:
    """Assesses section 2 of the tenants of a task from the sums of their months."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants, self._latency = tenants, tenants.latency

    def exceedances(self, slot: int) -> Assessment:
        """The exceedances of a month as its sums stand, without evidence."""
        of = self._latency.months.slot(slot)
        parts = tuple(
            self._judged(self._latency.months.slot(part), self._count_measure(part))
            for part in self._latency.months.parts(slot)
        )
        whole = self._judged(of, self._count_measure(slot))
        return assess(self._name(of), of.month, whole, parts)

    def _count_measure(self, slot: int) -> Measure:
        sums, of = self._latency.months.sums, self._latency.months.slot(slot)
        counted = int(sums.over[slot] + sums.flying_over[slot])
        exceedances = Exceedances(
            counted,
            int(sums.all_over[slot] + sums.all_flying_over[slot]),
            impending=int(sums.at_risk[slot]),
        )
        nothing = DirectionTotals()
        spoken = self._tenants.has_mail(of.tenant, of.governed.heard_until_us)
        return measure(nothing, nothing, exceedances, spoken)[2]

    def mean(self, slot: int, way: int, values: tuple[int, int, int]) -> Assessment:
        """A mean with a sum, µs, a count, and how many are left out."""
        sum_us, count, excluded = values
        found = Measure(
            indicator=MEANS[way],
            trend="moves",
            numerator=sum_us,
            denominator=count * SECOND,
            raw_numerator=sum_us,
            raw_denominator=count * SECOND,
            excluded=Decimal(excluded),
            evidence_count=count,
        )
        return self._whole(slot, found)

    def maximum(self, slot: int, way: int, values: tuple[int, int, int]) -> Assessment:
        """A largest latency, µs, of so many messages, and how many are left out."""
        largest_us, count, excluded = values
        found = Measure(
            indicator=LARGEST[way],
            trend="rises",
            numerator=largest_us,
            denominator=SECOND if count else 0,
            raw_numerator=largest_us,
            raw_denominator=SECOND if count else 0,
            excluded=Decimal(excluded),
            evidence_count=min(1, count),
        )
        return self._whole(slot, found)

    def _whole(self, slot: int, found: Measure) -> Assessment:
        of = self._latency.months.slot(slot)
        return assess(self._name(of), of.month, self._judged(of, found))

    def _judged(self, of: Slot, found: Measure) -> Judged:
        term = of.governed.contract.term(found.indicator)
        return Judged.of(of.governed, found, term)

    def _name(self, of: Slot) -> str:
        return self._tenants.names[of.tenant]

    def present_mean(self, slot: int, way: int) -> Assessment:
        """A mean as its sums stand."""
        counted, everything = (self._latency.months.totals(slot, one) for one in (True, False))
        excluded = everything.count[way] - counted.count[way]
        return self.mean(slot, way, (counted.sum_us[way], counted.count[way], excluded))

    def has_spoken(self, tenant: int, month: Month) -> bool:
        """Whether mail of a tenant was heard of by the end of a month: silence means zero then."""
        until_us = self._latency.months.governed(tenant, month).heard_until_us
        return self._tenants.has_mail(tenant, until_us)

    def present(self, slot: int, number: int) -> Assessment:
        """One indicator of a month as its sums stand, without evidence.

        Args:
            slot: of a whole month.
            number: of the indicator, in the order of the agreement.

        """
        if number < 2:
            return self.present_mean(slot, number)
        if number == 2:
            return self.exceedances(slot)
        way = number - 3
        counted, everything = (self._latency.months.totals(slot, one) for one in (True, False))
        count = counted.count[way]
        return self.maximum(
            slot, way, (counted.largest_us[way], count, everything.count[way] - count)
        )

    def assess(self, tenant: int, month: Month) -> Iterator[tuple[Assessment, int | None]]:
        """Every indicator of section 2 of a tenant-month as it stands, without evidence.

        Args:
            tenant: its number.
            month: which.

        Returns:
            Each with the slot of the month, if it has one.

        """
        months = self._latency.months
        slot = months.of_month(tenant, month)
        if slot is None:
            governed = months.governed(tenant, month)
            nothing, spoken = DirectionTotals(), self.has_spoken(tenant, month)
            name = self._tenants.names[tenant]
            for found in measure(nothing, nothing, Exceedances(), spoken):
                term = governed.contract.term(found.indicator)
                parts = tuple(
                    Judged.of(part, found, part.contract.term(found.indicator))
                    for part in governed.parts(found.indicator)
                )
                yield assess(name, month, Judged.of(governed, found, term), parts), None
            return
        counted, everything = (months.totals(slot, one) for one in (True, False))
        sent, received = (
            DirectionTotals(_totals(counted, way), _totals(everything, way)) for way in (0, 1)
        )
        for found in measure(sent, received, Exceedances(), True):
            of_count = found.indicator == COUNTED
            yield self.exceedances(slot) if of_count else self._whole(slot, found), slot


def _totals(totals: Totals, way: int) -> LatencyTotals:
    return LatencyTotals(totals.sum_us[way], totals.count[way], totals.largest_us[way])
