"""Section 2: the verdict on send and receive latency; the arithmetic is done in columns elsewhere.

A message belongs to the month in which the system accepted it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from mailsla.streams.clauses.model.measure import Measure, first_evidence
from mailsla.streams.time.calendar import SECOND

INDICATORS = (
    "latency.send.mean",
    "latency.receive.mean",
    "latency.exceedances",
    "latency.send.max",
    "latency.receive.max",
)


@dataclass(frozen=True, slots=True)
class LatencyTotals:
    """The finished messages of one direction in one month; ``largest_us`` needs a message."""

    sum_us: int = 0
    count: int = 0
    largest_us: int = 0


@dataclass(frozen=True, slots=True)
class DirectionTotals:
    """One direction: all messages, and those that exclusions and liability do not leave out."""

    counted: LatencyTotals = LatencyTotals()
    everything: LatencyTotals = LatencyTotals()


@dataclass(frozen=True, slots=True)
class Exceedances:
    """Messages over the maximum latency, both directions, unfinished ones included.

    ``impending`` are those in flight for a share of it; ``next_us`` is when the next unfinished
    message will matter.
    """

    counted: int = 0
    everything: int = 0
    evidence: Sequence[str] = ()
    impending: int = 0
    next_us: int | None = None


def measure(
    send: DirectionTotals, receive: DirectionTotals, exceedances: Exceedances, spoken: bool
) -> list[Measure]:
    """The indicators of section 2 in the order of the agreement.

    Args:
        send: outbound messages of the month.
        receive: inbound messages of the month.
        exceedances: messages over the profile's maximum.
        spoken: whether ``mail.mta`` carried an event of the tenant before the month's end.

    """
    return [
        _mean("latency.send.mean", send),
        _mean("latency.receive.mean", receive),
        Measure(
            indicator="latency.exceedances",
            trend="rises",
            numerator=exceedances.counted,
            denominator=int(spoken),
            raw_numerator=exceedances.everything,
            raw_denominator=int(spoken),
            excluded=Decimal(exceedances.everything - exceedances.counted),
            evidence=first_evidence(exceedances.evidence),
            evidence_count=exceedances.counted,
            impending=exceedances.impending,
            next_us=exceedances.next_us,
        ),
        _largest("latency.send.max", send),
        _largest("latency.receive.max", receive),
    ]


def _mean(indicator: str, totals: DirectionTotals) -> Measure:
    counted, everything = totals.counted, totals.everything
    return Measure(
        indicator=indicator,
        trend="moves",
        numerator=counted.sum_us,
        denominator=counted.count * SECOND,
        raw_numerator=everything.sum_us,
        raw_denominator=everything.count * SECOND,
        excluded=Decimal(everything.count - counted.count),
        evidence_count=counted.count,
    )


def _largest(indicator: str, totals: DirectionTotals) -> Measure:
    counted, everything = totals.counted, totals.everything
    return Measure(
        indicator=indicator,
        trend="rises",
        numerator=counted.largest_us,
        denominator=SECOND if counted.count else 0,
        raw_numerator=everything.largest_us,
        raw_denominator=SECOND if everything.count else 0,
        excluded=Decimal(everything.count - counted.count),
        evidence_count=min(1, counted.count),
    )
