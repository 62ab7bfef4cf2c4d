"""Quantiles of latencies from counts in logarithmic bins (as DDSketch, Masson et al. 2019).

A quantile read from the bins is within `RELATIVE_ERROR` of the exact one between 1 ms and
about 13 days; anything shorter than a millisecond is reported as one. Bins add up, so a
window's quantiles come from the sum of its panes.
"""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

RELATIVE_ERROR: Final = 0.02
BINS: Final = 524
"""Bin 0 holds what is at most a millisecond; the last one everything beyond the range."""

_GAMMA: Final = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GAMMA: Final = math.log(_GAMMA)
_UNIT_US: Final = 1000.0

_MIDDLES_S: Final = np.concatenate(
    [[_UNIT_US / 1e6], 2 * _GAMMA ** np.arange(1, BINS) / (_GAMMA + 1) * _UNIT_US / 1e6]
)


def bin_of(latency_us: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The bin of each latency, µs."""
    scaled = np.maximum(latency_us, 1) / _UNIT_US
    bins = np.ceil(np.log(scaled) / _LOG_GAMMA)
    result: npt.NDArray[np.int64] = np.clip(bins, 0, BINS - 1).astype(np.int64)
    return result


def middle_us(bins: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The latency, µs, that stands for all latencies of a bin."""
    result: npt.NDArray[np.int64] = np.rint(_MIDDLES_S[bins] * 1e6).astype(np.int64)
    return result


def quantiles_s(
    owners: npt.NDArray[np.int64],
    bins: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    size: int,
    wanted: tuple[float, ...],
) -> npt.NDArray[np.float64]:
    """Quantiles in seconds of several sketches, each told by some of its bins.

    Args:
        owners: the number of the sketch that each entry belongs to; entries may repeat a bin.
        bins: which one it is.
        counts: how many latencies are in it.
        size: how many sketches there are; one without counts gives 0.
        wanted: quantiles between 0 and 1, such as 0.95.

    Returns:
        Shape (size, len(wanted)), the nearest-rank quantile within `RELATIVE_ERROR`.

    """
    result = np.zeros((size, len(wanted)))
    if len(owners) == 0:
        return result
    order = np.argsort(owners * BINS + bins)
    summed = np.cumsum(counts[order])
    total = np.zeros(size, dtype=np.int64)
    np.add.at(total, owners, counts)
    before = np.cumsum(total) - total
    for column, share in enumerate(wanted):
        rank = np.maximum(np.ceil(share * total), 1).astype(np.int64)
        # The first entry with so many latencies up to it, those of former sketches included.
        first = np.minimum(np.searchsorted(summed, before + rank), len(summed) - 1)
        result[:, column] = np.where(total > 0, _MIDDLES_S[bins[order[first]]], 0.0)
    return result
