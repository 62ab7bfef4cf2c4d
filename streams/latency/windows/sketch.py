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
    counts: npt.NDArray[np.int64], wanted: tuple[float, ...]
) -> npt.NDArray[np.float64]:
    """Quantiles in seconds of each row of counts.

    Args:
        counts: shape (n, BINS); a row without counts gives 0.
        wanted: quantiles between 0 and 1, such as 0.95.

    Returns:
        Shape (n, len(wanted)), the nearest-rank quantile within `RELATIVE_ERROR`.

    """
    summed = np.cumsum(counts, axis=1, dtype=np.int64)
    total = summed[:, -1]
    result = np.zeros((len(counts), len(wanted)))
    for column, share in enumerate(wanted):
        rank = np.maximum(np.ceil(share * total), 1)
        first = np.argmax(summed >= rank[:, None], axis=1)
        result[:, column] = np.where(total > 0, _MIDDLES_S[first], 0.0)
    return result
