"""Sets of integers as ascending arrays.

numpy's own `unique` hashes integers, which takes ten times as long on series that follow each
other; sorting does not depend on the values.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_NONE = np.zeros(0, dtype=np.int64)


def group_starts(values: npt.NDArray[Any]) -> Int64s:
    """Where runs of equal values begin."""
    first = np.ones(len(values), dtype=np.bool_)
    if len(values):
        np.not_equal(values[1:], values[:-1], out=first[1:])
    return np.flatnonzero(first)


def are_distinct(values: npt.NDArray[Any]) -> bool:
    """Whether no value stands twice."""
    ascending = np.sort(values)
    return not (ascending[1:] == ascending[:-1]).any()


def firsts_of(values: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], Int64s]:
    """The values, ascending, each once, and where each stands first."""
    order = np.argsort(values)
    values = values[order]
    starts = group_starts(values)
    return values[starts], np.minimum.reduceat(order, starts) if len(order) else order


def grouped(numbers: Int64s) -> Int64s:
    """The places of numbers, equal ones together and in their order; the lesser ones first."""
    if len(numbers) and numbers.min() >= 0 and numbers.max() < 2**16:
        # Of so few digits numpy sorts without comparing, ten times as fast.
        return np.argsort(numbers.astype(np.uint16), kind="stable")
    return np.argsort(numbers, kind="stable")


def distinct(*parts: npt.NDArray[Any]) -> Int64s:
    """The values of some arrays, ascending, each once."""
    values = np.concatenate([_NONE, *parts])
    # The arrays mostly ascend: a stable sort merges them in one pass.
    values.sort(kind="stable")
    return values[group_starts(values)]


def differing(first: Int64s, second: Int64s) -> Int64s:
    """What is in one of two ascending arrays and not in the other, ascending."""
    values = np.concatenate([first, second])
    values.sort(kind="stable")  # two runs: merged in one pass
    alone = np.ones(len(values) + 1, dtype=np.bool_)
    if len(values):
        np.not_equal(values[1:], values[:-1], out=alone[1:-1])
    found: Int64s = values[alone[1:] & alone[:-1]]
    return found


def members(values: Int64s, wanted: Int64s) -> Mask:
    """Which values are in ``wanted``, an ascending array."""
    if len(wanted) == 0:
        return np.zeros(len(values), dtype=np.bool_)
    at = np.minimum(np.searchsorted(wanted, values), len(wanted) - 1)
    result: Mask = wanted[at] == values
    return result
