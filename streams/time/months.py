"""Local months as numbers: month n of a zone is n natural months after January 1970."""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]

_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 2200
_FURTHEST_EAST: Final = timedelta(hours=14)
_FURTHEST_WEST: Final = timedelta(hours=12)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def month_number(first: date) -> int:
    """The number of the month a day is in."""
    return (first.year - _FIRST_YEAR) * 12 + first.month - 1


def month_first(number: int) -> date:
    """The first day of a month."""
    years, months = divmod(number, 12)
    return date(_FIRST_YEAR + years, months + 1, 1)


def month_starts_us(zone: str, numbers: Int64s) -> Int64s:
    """First µs of each local month."""
    result: Int64s = _bounds(zone)[np.maximum(numbers, 0)]
    return result


def months_of(instants_us: Int64s, zone: str) -> Int64s:
    """Number of the local month each instant falls into."""
    result: Int64s = np.searchsorted(_bounds(zone), instants_us, side="right") - 1
    return np.maximum(result, 0)


def surely_this_month_us(now_us: int) -> int:
    """An instant from which on nothing is of an earlier month than the present one, in any zone."""
    furthest = _EPOCH + timedelta(microseconds=now_us) + _FURTHEST_EAST
    begins = datetime(furthest.year, furthest.month, 1, tzinfo=UTC) + _FURTHEST_WEST
    return int((begins - _EPOCH).total_seconds()) * 1_000_000


@cache
def _bounds(zone: str) -> Int64s:
    info = ZoneInfo(zone)
    starts = [
        datetime(year, month, 1, tzinfo=info).astimezone(UTC) - _EPOCH
        for year in range(_FIRST_YEAR, _LAST_YEAR + 1)
        for month in range(1, 13)
    ]
    return np.array([(s.days * 86_400 + s.seconds) * 1_000_000 for s in starts], dtype=np.int64)
