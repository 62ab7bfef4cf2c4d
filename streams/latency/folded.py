"""What is kept of the finished messages of a month that are no longer known one by one."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

import numpy as np

from mailsla.streams.latency.row_index import Int64s, Mask
from mailsla.streams.time.calendar import HOUR

QUARTER_US: Final = HOUR // 4
"""Local days begin and end at whole ones, whatever their time zone."""

Sums = list[int]
"""Count, sum and largest latency in µs, exceedances."""
Quarter = list[int]
"""A quarter of an hour, counted from 1970 UTC; exceedances accepted in it that count, and all."""
Folded = tuple[int, str, Sums, Sums, Sums, Sums, list[Quarter]]
"""Tenant, month label, sums of what counts sent, received, and of everything sent, received; the
exceedances by the terms of the contract segment. States of before have no quarters."""


def sums_of(latency_us: Int64s, over: Mask) -> Sums:
    """The sums of some messages, given which are exceedances."""
    return [
        len(latency_us),
        int(latency_us.sum()),
        int(latency_us.max(initial=0)),
        int(np.count_nonzero(over)),
    ]


def quarters_of(accepted_us: Int64s, counted: Mask) -> list[Quarter]:
    """Exceedances by when they were accepted, given which of them count."""
    quarters, inverse = np.unique(accepted_us // QUARTER_US, return_inverse=True)
    every = np.bincount(inverse, minlength=len(quarters))
    some = np.bincount(inverse[counted], minlength=len(quarters))
    return [
        list(each) for each in zip(*(one.tolist() for one in (quarters, some, every)), strict=True)
    ]


class FoldedMonth:
    """Of a tenant's month."""

    def __init__(self) -> None:
        self.sums: list[Sums] = [[0] * 4 for _ in range(4)]
        self._quarters: dict[int, tuple[int, int]] = {}

    def add(self, sums: Iterable[Sums], quarters: Iterable[Quarter]) -> None:
        """Take up further messages."""
        self.sums = [
            [old[0] + new[0], old[1] + new[1], max(old[2], new[2]), old[3] + new[3]]
            for old, new in zip(self.sums, sums, strict=True)
        ]
        for quarter, counted, every in quarters:
            known = self._quarters.get(quarter, (0, 0))
            self._quarters[quarter] = known[0] + counted, known[1] + every

    def exceedances(self, start_us: int, end_us: int) -> tuple[int, int]:
        """Those accepted in ``[start_us, end_us)`` that count, and all of them."""
        first, end = start_us // QUARTER_US, end_us // QUARTER_US
        inside = [each for quarter, each in self._quarters.items() if first <= quarter < end]
        return sum(each[0] for each in inside), sum(each[1] for each in inside)

    def everything(self) -> tuple[Sums, Sums, Sums, Sums, list[Quarter]]:
        """All of it, as it is kept after tenant and month."""
        sent, received, all_sent, all_received = self.sums
        quarters = [[quarter, *each] for quarter, each in sorted(self._quarters.items())]
        return sent, received, all_sent, all_received, quarters


class FoldedMonths:
    """Of all months of a task, by tenant and label."""

    def __init__(self) -> None:
        self._months: dict[tuple[int, str], FoldedMonth] = {}

    def __iter__(self) -> Iterator[tuple[tuple[int, str], FoldedMonth]]:
        return iter(self._months.items())

    def add(self, folded: Iterable[Folded]) -> None:
        """Take up what `everything` or a fold gave."""
        for tenant, label, sent, received, all_sent, all_received, *quarters in folded:
            month = self._months.setdefault((tenant, label), FoldedMonth())
            month.add((sent, received, all_sent, all_received), chain(*quarters))

    def largest_us(self, tenant: int, label: str, way: int) -> tuple[int, int]:
        """The largest latency one way of what counts, and of everything."""
        month = self._months.get((tenant, label))
        return (month.sums[way][2], month.sums[2 + way][2]) if month else (0, 0)

    def everything(self) -> list[Folded]:
        """All of it."""
        return [(*of, *month.everything()) for of, month in self._months.items()]

    def forget(self, oldest: str) -> None:
        """Drop the months before one."""
        for of in [of for of in self._months if of[1] < oldest]:
            del self._months[of]
