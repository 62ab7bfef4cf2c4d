"""The states section 2 went through between two looks, message by message."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from functools import cache
from math import floor
from typing import Final

import numpy as np
import numpy.typing as npt

from schemas.results import State
from streams.clauses.contracts import Governed
from streams.live.evaluate.assessment import Finding, found
from streams.windows.calendar import SECOND
from streams.windows.margins import Margins
from streams.windows.steps import Steps, ends_of_records

Mask = npt.NDArray[np.bool_]
Int64s = npt.NDArray[np.int64]

WAYS: Final = {"latency.send.mean": 0, "latency.receive.mean": 1}
"""The means, and which of a tenant's two series each is of."""
_COMPARED: Final = {"<": np.less, "<=": np.less_equal, ">=": np.greater_equal, "=": np.equal}
_COUNTED: Final = "latency.exceedances"
_MOST: Final = 2**62


def path(finding: Finding, steps: Steps, before: State) -> Iterator[tuple[Finding, int]]:
    """An indicator of section 2 as it was after the steps that mattered, each with its event time.

    Args:
        finding: as it is now, after all of them.
        steps: the tenant's, in log order, since the last look.
        before: the state it had then.

    """
    indicator = finding.measure.indicator
    promised = finding.term.target is not None or len(finding.parts) > 0
    if not finding.term.judged or not promised or len(steps) == 0:
        return
    if indicator in WAYS:
        steps = steps[(steps["series"] % 2 == WAYS[indicator]) & _within(steps, finding.governed)]
        if len(steps):
            yield from _means(finding, steps, before)
    elif indicator == _COUNTED:
        yield from _counts(finding, steps)


def note_margin(margins: Margins, series: int, finding: Finding) -> None:
    """Remember how much later messages may take until a mean, that of a series, may turn."""
    measure, term, period = finding.measure, finding.term, finding.governed.period
    target_us, left_us = 0, 0
    if not term.judged or term.target is None:
        target_us = left_us = _MOST
    elif term.comparator in {"<", "<="} and finding.state == "ok":
        target = _in_us(term.target)
        target_us = floor(target)
        left_us = floor(target * (measure.denominator // SECOND)) - measure.numerator
    margins.note(series, target_us, left_us, period.start_us, period.end_us)


def _means(finding: Finding, steps: Steps, before: State) -> Iterator[tuple[Finding, int]]:
    """The mean at the turns that lasted, and at the last two."""
    measure = finding.measure
    sums = _backwards(measure.numerator, steps["sign"] * steps["latency_us"])
    counts = _backwards(measure.denominator // SECOND, steps["sign"])
    ends = ends_of_records(steps)
    steps, sums, counts = steps[ends], sums[ends], counts[ends]
    failing = _fails(finding, sums, counts)
    turns = np.flatnonzero(np.concatenate([[True], failing[1:] != failing[:-1]]))
    if len(turns) == 1 and before == ("failing" if failing[0] else "ok"):
        return
    clocks = steps["clock_us"][turns]
    hold_us = finding.governed.contract.profile.feed_hold_s * SECOND
    lasted = np.append(np.diff(clocks), _MOST) >= hold_us
    lasted[-2:] = True
    # After the month's end nothing is held back.
    lasted |= clocks >= finding.governed.period.end_us
    for place, at_us in zip(turns[lasted].tolist(), clocks[lasted].tolist(), strict=True):
        total, count = int(sums[place]), int(counts[place])
        yield (
            finding.at(replace(measure, numerator=total, denominator=count * SECOND)),
            at_us,
        )


def _counts(finding: Finding, steps: Steps) -> Iterator[tuple[Finding, int]]:
    """The number of exceedances, in the month and each part of it, where it changed the state."""
    of_all = (finding.whole, *finding.parts)
    over = np.array([_exceed(steps, each.governed) for each in of_all])
    some = over.any(axis=0)
    if not some.any():
        return
    steps, over = steps[some], over[:, some]
    counts = np.array(
        [
            _backwards(each.measure.numerator, steps["sign"] * own)
            for each, own in zip(of_all, over, strict=True)
        ]
    )
    ends = ends_of_records(steps)
    steps, counts = steps[ends], counts[:, ends]
    states: dict[tuple[int, ...], Finding] = {}
    before = None
    for count, at_us in zip(map(tuple, counts.T.tolist()), steps["clock_us"].tolist(), strict=True):
        if count not in states:
            whole, *parts = (each.at(number) for each, number in zip(of_all, count, strict=True))
            states[count] = found(finding.tenant_id, finding.month, whole, tuple(parts))
        then = states[count]
        if before is None or (then.state, then.firm) != (before.state, before.firm):
            yield then, at_us
        before = then


def _exceed(steps: Steps, governed: Governed) -> Mask:
    """Which steps add to the exceedances that a contract judges, or take from them."""
    limit_us = governed.contract.profile.max_latency_s * SECOND
    result: Mask = steps["fresh"] & (steps["latency_us"] > limit_us) & _within(steps, governed)
    return result


def _within(steps: Steps, governed: Governed) -> Mask:
    accepted_us, period = steps["accepted_us"], governed.period
    result: Mask = (accepted_us >= period.start_us) & (accepted_us < period.end_us)
    return result


def _backwards(last: int, changes: Int64s) -> Int64s:
    """The values after each change, given the one after the last."""
    reached = np.cumsum(changes)
    result: Int64s = last - (reached[-1] - reached)
    return result


def _fails(finding: Finding, sums_us: Int64s, counts: Int64s) -> Mask:
    """Where a mean misses its target; without a message it does not."""
    target = _in_us(finding.term.target or Decimal(0))
    largest = max(1, int(np.abs(sums_us).max()), int(counts.max()))
    whole = np.int64 if largest * max(target.numerator, target.denominator) < _MOST else object
    value = sums_us.astype(whole) * target.denominator
    limit = counts.astype(whole) * target.numerator
    holds = _COMPARED[finding.term.comparator or "<="](value, limit)
    result: Mask = (counts > 0) & ~np.asarray(holds, dtype=np.bool_)
    return result


@cache
def _in_us(seconds: Decimal) -> Fraction:
    return Fraction(seconds) * SECOND
