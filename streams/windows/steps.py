"""What each message changed in the sums of its month, in the order of the log.

A mean that fails and recovers between two looks is told of all the same: the sums as they stand
at the look, taken back step by step, give every value the mean had since the one before.
"""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from streams.latency.messages import LATENCY, ROW, Admitted, Int64s, Mask, Rows, UInt64s

STEP: Final = np.dtype(
    [
        ("series", np.int32),
        ("accepted_us", np.int64),
        ("latency_us", np.int64),
        ("sign", np.int64),
        ("fresh", np.bool_),
        ("clock_us", np.int64),
        ("record", np.int64),
    ]
)
"""A message that counts from a place of the log on (sign 1) or no longer does (-1), the event time
reached there, and the number of the record. It is not ``fresh`` if its wait in flight was an
exceedance already. One record may take a message away and put it back with another latency."""

Steps = npt.NDArray[np.void]

_NONE: Final = np.empty(0, dtype=STEP)
_FEW: Final = 8


class StepLog:
    """The steps of every tenant since it was last looked at."""

    def __init__(self) -> None:
        self._chunks: list[Steps] = []
        self._count = 0
        self._records = 0
        self._taken: dict[int, int] = {}
        self._sorted: tuple[Steps, Int64s, Int64s] | None = None

    def add(self, steps: Steps, records: int) -> None:
        """Append the steps of so many records, which are numbered from 0, in log order."""
        steps["record"] += self._records
        self._records += records
        if len(steps):
            self._chunks.append(steps)
            self._count += len(steps)
            self._sorted = None

    def sort(self, tenants: int) -> None:
        """Prepare to be asked for so many tenants, one after the other."""
        if self._sorted is None and self._chunks and tenants >= _FEW:
            every = np.concatenate(self._chunks)
            codes = every["series"] // 2
            order = np.argsort(codes, kind="stable")
            self._sorted = every[order], order, codes[order]

    def take(self, code: int) -> Steps:
        """The steps of a tenant, by its number, since it was taken last."""
        if not self._chunks:
            return _NONE
        since = self._taken.get(code, 0)
        self._taken[code] = self._count
        if self._sorted is not None:
            steps, places, codes = self._sorted
            low, high = np.searchsorted(codes, np.array([code, code + 1], dtype=codes.dtype))
            found: Steps = steps[low:high]
            return found[places[low:high] >= since] if since else found
        some, start = [], 0
        for chunk in self._chunks:
            if start + len(chunk) > since:
                rest = chunk[max(0, since - start) :]
                some.append(rest[rest["series"] // 2 == code])
            start += len(chunk)
        return np.concatenate(some) if some else _NONE

    def clear(self) -> None:
        """Every tenant was looked at."""
        self._chunks, self._count, self._sorted = [], 0, None
        self._taken.clear()


def ends_of_records(steps: Steps) -> Int64s:
    """The places of the last step of each record: in between nothing can be said."""
    numbers = steps["record"]
    return np.flatnonzero(np.append(numbers[1:] != numbers[:-1], True))


def steps_of(
    rows: Rows, clocks_us: Int64s, admitted: Admitted, left_out: Callable[[Rows], Mask]
) -> tuple[Steps, Int64s]:
    """The steps of a batch that a store has just taken in, and the place of each in the batch.

    Args:
        rows: the batch in log order.
        clocks_us: event time reached at each row.
        admitted: what the store made of it.
        left_out: says which rows count nowhere.

    """
    added = admitted.added
    if len(added) == 0:
        return _NONE, np.empty(0, dtype=np.int64)
    latencies = np.flatnonzero(rows["kind"] == LATENCY)
    again = _told_again(rows["key"][latencies], admitted)
    simple = np.ones(len(added), dtype=np.bool_)
    turns: list[tuple[int, np.void, int]] = []
    if len(again):
        simple = ~np.isin(added["key"], again)
        turns = list(_improvements(rows, admitted, added["key"][~simple]))
    places = np.sort(latencies[admitted.places[simple]])
    taken, signs = rows[places], np.ones(len(places) + len(turns), dtype=np.int64)
    if turns:
        taken = np.concatenate([taken, np.array([row for _, row, _ in turns], ROW)])
        places = np.append(places, [place for place, _, _ in turns])
        signs[-len(turns) :] = [sign for _, _, sign in turns]
    steps = np.empty(len(taken), dtype=STEP)
    steps["series"], steps["accepted_us"] = taken["series"], taken["accepted_us"]
    steps["latency_us"] = taken["finished_us"] - taken["accepted_us"]
    steps["sign"], steps["fresh"], steps["clock_us"] = signs, True, clocks_us[places]
    steps["record"] = places
    excused = left_out(taken)
    if turns or excused.any():
        counted = np.flatnonzero(~excused)
        order = counted[np.argsort(places[counted], kind="stable")]
        return steps[order], places[order]
    return steps, places


def _told_again(keys: UInt64s, admitted: Admitted) -> UInt64s:
    """The keys of messages of which something worse was told before, here or in a former batch."""
    again: UInt64s = admitted.replaced["key"]
    if admitted.repeats:
        distinct, first = np.unique(keys, return_index=True)
        worse = first[np.searchsorted(distinct, admitted.added["key"])] != admitted.places
        again = np.concatenate([again, admitted.added["key"][worse]])
    return again


def _improvements(
    rows: Rows, admitted: Admitted, keys: UInt64s
) -> Iterator[tuple[int, np.void, int]]:
    """The place, row and sign of what messages gain and lose that were told of several times."""
    known = {int(row["key"]): row for row in admitted.replaced}
    for key in keys.tolist():
        best = known.get(key)
        for place in np.flatnonzero((rows["key"] == key) & (rows["kind"] == LATENCY)).tolist():
            row = rows[place]
            if best is None or _rank(row) < _rank(best):
                if best is not None:
                    yield place, best, -1
                yield place, row, 1
                best = row


def _rank(row: np.void) -> tuple[int, int, int]:
    return int(row["finished_us"]), int(row["accepted_us"]), int(row["order"])
