"""How fast a budget of time is being spent, over a long and a short window each.

1 spends exactly what the month allows. A level begins when both of its windows spend at its
threshold or faster, the long one so that it matters and the short one so that it is still going
on; it ends when one of them no longer does. A budget that is used up does not burn any more.
"""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final

import numpy as np

from mailsla.streams.clauses.model.contracts import Governed
from mailsla.streams.clauses.model.measure import Budget, Measure
from mailsla.streams.time.calendar import DAY, HOUR
from mailsla.streams.time.intervals import FOREVER, Instants, IntervalSet

_MINUTE: Final = HOUR // 60
MARK_US: Final = 5 * _MINUTE
"""Burn rates are looked at at these marks of event time."""
_LOOK_AHEAD: Final = 288
"""So many marks are looked ahead: a day."""
_NEAR: Final = 1e-9

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
    budget = _budget(measure, governed)
    if budget is None or measure.spent is None or budget.allowed <= 0:
        return ()
    whole_us, left = governed.period.length_us, budget.spent <= budget.allowed
    burned = _burned(measure.spent, np.array([at_us], dtype=np.int64))
    found = []
    for number, ((long, long_us, short, short_us), threshold) in enumerate(
        zip(LEVELS, _thresholds(governed), strict=True)
    ):
        long_rate, short_rate = (
            Fraction(int(burned[2 * number + one, 0]) * whole_us, window_us * budget.allowed)
            for one, window_us in enumerate((long_us, short_us))
        )
        active = left and min(long_rate, short_rate) >= threshold
        found.append(Burn(long, short, long_rate, short_rate, threshold, active))
    return tuple(found)


def next_mark_us(
    measure: Measure, governed: Governed, burning: Collection[str], at_us: int
) -> int | None:
    """The next mark at which a level has to begin or to end, if nothing else comes.

    Args:
        measure: the budget; what is being spent goes on.
        governed: the month.
        burning: the levels that burn, by their long windows.
        at_us: the present, µs.

    """
    budget, spent = _budget(measure, governed), measure.spent
    if spent is None or budget is None:
        return None
    first = at_us // MARK_US + 1
    # At the instant at which it is first known there is nothing yet that it is a share of.
    if measure.denominator == 0:
        return first * MARK_US if len(spent.clip(at_us, FOREVER)) > 0 or burning else None
    if budget.allowed <= 0:
        return None
    left = budget.spent <= budget.allowed
    ends_us = (first + _LOOK_AHEAD - 1) * MARK_US
    spending = left and len(spent.meeting(ends_us, FOREVER)) > 0
    if not burning and not (left and _may_begin(spent, governed, budget, first * MARK_US, ends_us)):
        return ends_us if spending else None
    marks = np.arange(first, first + _LOOK_AHEAD, dtype=np.int64) * MARK_US
    burned = _burned(spent, marks).astype(np.float64)
    changes = np.zeros(len(marks), dtype=np.bool_)
    for number, ((long, long_us, _, short_us), threshold) in enumerate(
        zip(LEVELS, _thresholds(governed), strict=True)
    ):
        windows_us = np.array([[long_us], [short_us]], dtype=np.float64)
        rates = burned[2 * number : 2 * number + 2] * governed.period.length_us
        rates = (rates / (windows_us * float(budget.allowed))).min(axis=0)
        active = left & (rates >= float(threshold))
        # Where it is too close for floating point, a look decides.
        changes |= active != (long in burning)
        changes |= left & (np.abs(rates - float(threshold)) <= _NEAR)
    found = np.flatnonzero(changes)
    if len(found):
        return int(marks[found[0]])
    return ends_us if spending or burning else None


def _may_begin(
    spent: IntervalSet, governed: Governed, budget: Budget, first_us: int, last_us: int
) -> bool:
    """Whether a level might burn at a mark in ``[first, last]``; mostly far too little was spent.

    No long window there has spent more than all of them together.
    """
    return any(
        spent.within(first_us - long_us, last_us) * governed.period.length_us
        >= (float(threshold) - 2 * _NEAR) * long_us * float(budget.allowed)
        for (_, long_us, _, _), threshold in zip(LEVELS, _thresholds(governed), strict=True)
    )


def _budget(measure: Measure, governed: Governed) -> Budget | None:
    term = governed.contract.term(measure.indicator)
    return Budget.of(measure, term) if term.judged else None


def _thresholds(governed: Governed) -> tuple[Fraction, ...]:
    return _fractions(governed.contract.profile.burn_rates)


@lru_cache(maxsize=256)
def _fractions(rates: tuple[Decimal, ...]) -> tuple[Fraction, ...]:
    return tuple(map(Fraction, rates))


def _burned(spent: IntervalSet, instants: Instants) -> Instants:
    """What was spent in each window before each instant, µs: shape (2 * levels, instants)."""
    lengths = [one for level in LEVELS for one in (level[1], level[3])]
    until = spent.before(instants)
    return np.stack([until - spent.before(instants - length) for length in lengths])
