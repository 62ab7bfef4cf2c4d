"""How fast a budget of time is being spent, over a long and a short window each.

1 spends exactly what the month allows. A level begins when both of its windows spend at its
threshold or faster, the long one so that it matters and the short one so that it is still going
on; it ends when one of them no longer does. A budget that is used up does not burn any more.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from streams.clauses.base import Budget, Measure
from streams.clauses.contracts import Governed
from streams.windows.calendar import DAY, HOUR
from streams.windows.intervals import FOREVER

_MINUTE: Final = HOUR // 60
MARK_US: Final = 5 * _MINUTE
"""Burn rates are looked at at these marks of event time."""

LEVELS: Final = (
    ("1h", HOUR, "5m", 5 * _MINUTE),
    ("6h", 6 * HOUR, "30m", 30 * _MINUTE),
    ("1d", DAY, "2h", 2 * HOUR),
    ("3d", 3 * DAY, "6h", 6 * HOUR),
)
"""Long and short windows by name and length; their thresholds stand in the contract's profile."""


@dataclass(frozen=True, slots=True)
class Burn:
    """One level at an instant."""

    long: str
    short: str
    long_rate: Fraction
    short_rate: Fraction
    threshold: Fraction
    active: bool
    """Whether both windows spend at the threshold or faster, and there is something left."""


def burns(measure: Measure, governed: Governed, at_us: int) -> tuple[Burn, ...]:
    """Every level of a budget of time at an instant; none where nothing may be spent.

    What was spent before the month does not count.
    """
    term = governed.contract.term(measure.indicator)
    budget = Budget.of(measure, term)
    if measure.spent is None or budget is None or budget.allowed <= 0 or not term.judged:
        return ()
    whole_us, spent = governed.period.length_us, measure.spent

    def rate(window_us: int) -> Fraction:
        burned_us = spent.within(at_us - window_us, at_us)
        return Fraction(burned_us * whole_us, window_us * budget.allowed)

    left = budget.spent <= budget.allowed
    found = []
    for (long, long_us, short, short_us), threshold in zip(
        LEVELS, map(Fraction, governed.contract.profile.burn_rates), strict=True
    ):
        rates = rate(long_us), rate(short_us)
        found.append(Burn(long, short, *rates, threshold, left and min(rates) >= threshold))
    return tuple(found)


def next_mark_us(measure: Measure, governed: Governed, burning: bool, at_us: int) -> int | None:
    """The next mark, if anything is being spent, or a level has to begin or to end."""
    levels = burns(measure, governed, at_us)
    budget = Budget.of(measure, governed.contract.term(measure.indicator))
    if measure.spent is None or budget is None:
        return None
    # At the instant at which it is first known there is nothing yet that it is a share of.
    begins = measure.denominator == 0
    if not (levels or begins):
        return None
    left = begins or budget.spent <= budget.allowed
    going_on = left and len(measure.spent.clip(at_us, FOREVER)) > 0
    if going_on or burning or any(each.active for each in levels):
        return (at_us // MARK_US + 1) * MARK_US
    return None
