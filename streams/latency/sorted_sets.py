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
