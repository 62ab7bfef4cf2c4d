"""Rolling latency windows of every tenant and direction of one task (contract section 2).

Windows end at the end of a pane: 5m and 1h windows at five-minute marks, 24h windows at full
hours, the month window at the month's end. A window is published while it is the newest of its
kind, and again whenever a later message changes one that was published; while catching up, the
positions in between are skipped. A published value is therefore never left wrong.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from streams.latency.messages import Admitted, MessageStore, Rows
from streams.windows.months import month_bounds_us, months_of
from streams.windows.panes import (
    PANE_BITS,
    PaneRecord,
    Panes,
    PaneSums,
    pane_key,
    split_key,
)
from streams.windows.sketch import quantiles_s

Int64s = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

MINUTE_US: Final = 60_000_000
PANE_US: Final = 5 * MINUTE_US
HOUR_US: Final = 60 * MINUTE_US
PANES_PER_HOUR: Final = 12
HOURS_PER_DAY: Final = 24
QUANTILES: Final = (0.5, 0.95, 0.99)

Folded = tuple[list[PaneRecord], list[PaneRecord]]
"""Sums of forgotten messages per series and month: those that count, and all of them."""

_FEWEST_PANES: Final = 4096


@dataclass(frozen=True)
class Terms:
    """What the windows need to know of a tenant's contract."""

    timezone: str
    max_latency_us: int


@dataclass(frozen=True)
class LatencyWindow:
    """One window ``[start_us, end_us)`` of one series; latencies in seconds."""

    series: int
    window: str
    start_us: int
    end_us: int
    count: int
    sum_us: int
    max_us: int
    exceedances: int
    quantiles_s: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class MonthTotals:
    """Messages of one series in one local month; µs."""

    count: int
    sum_us: int
    max_us: int
    exceedances: int


@dataclass
class _Published:
    """Pane numbers at which this series' windows were published, by kind."""

    panes: set[int] = field(default_factory=set)
    hours: set[int] = field(default_factory=set)


class LatencyWindows:
    """All latency windows of a task, fed by rows of messages.

    ``terms`` tells a series' contract; ``excluded`` says which rows an exclusion leaves out.
    """

    def __init__(
        self,
        terms: Callable[[int], Terms],
        excluded: Callable[[Rows], Mask],
        lateness_us: int,
    ) -> None:
        self.store = MessageStore()
        self.late = 0
        """Messages that came too late for the short windows; the month counts them."""
        self._terms = terms
        self._excluded = excluded
        self._lateness_us = lateness_us
        self._latest_us = 0
        self._panes, self._hours, self._months = Panes(), Panes(), Panes()
        self._all_months = Panes()
        self._folded, self._all_folded = Panes(), Panes()
        self._dirty_panes: set[int] = set()
        self._dirty_hours: set[int] = set()
        self._dirty_months: set[int] = set()
        self._published: dict[int, _Published] = {}
        self._expire_at = _FEWEST_PANES

    def admit(self, rows: Rows) -> Admitted:
        """Take messages in, once each; returns what was new and what it replaced."""
        admitted = self.store.admit(rows)
        added = admitted.added
        if len(added):
            self._latest_us = max(self._latest_us, int(added["finished_us"].max()))
            self._count_everything(added)
            self._count(added[~self.left_out(added)])
            if len(self._panes) + len(self._hours) > self._expire_at:
                self._expire()
        if len(admitted.replaced):
            self._recount(admitted.replaced)
        return admitted

    def recount_series(self, series: list[int]) -> None:
        """Work out again everything of some series, after an exclusion or a contract changed."""
        wanted = np.isin(self.store.rows["series"], series)
        self._recount(self.store.rows[wanted])

    def fold(self, count: int) -> Folded:
        """Forget the messages that came first; only their sums per month stay.

        A repeated message among them is no longer recognised, and an exclusion declared later
        no longer reaches them.

        Returns:
            What must be kept so that `unfold` brings the sums back.

        """
        rows = self.store.drop_oldest(count)
        counted, everything = Panes(), Panes()
        for panes, some in ((counted, rows[~self.left_out(rows)]), (everything, rows)):
            months, limits = self._by_contract(_series(some), some["accepted_us"])
            latency = some["finished_us"] - some["accepted_us"]
            panes.add(_keys(_series(some), months), latency, limits)
        folded = counted.export(), everything.export()
        self._folded.load(folded[0])
        self._all_folded.load(folded[1])
        return folded

    def unfold(self, folded: Folded) -> None:
        """Take up the sums of messages that a former life forgot."""
        counted, everything = folded
        self._folded.load(counted)
        self._all_folded.load(everything)
        self._dirty_months.update(self._months.load(counted))
        self._all_months.load(everything)

    def month_totals(self, series: int, month: int) -> tuple[MonthTotals, MonthTotals]:
        """A local month: what counts, and everything."""
        key = pane_key(series, month)
        return MonthTotals(*self._months.one(key)), MonthTotals(*self._all_months.one(key))

    def publish(self) -> Iterator[LatencyWindow]:
        """The windows that are new or changed since the last call."""
        self._expire()
        short, long, months = self._due()
        yield from _windows(self._panes, "5m", [(s, p, p, PANE_US) for s, p in short.five])
        yield from _windows(
            self._panes, "1h", [(s, p - PANES_PER_HOUR + 1, p, PANE_US) for s, p in short.hour]
        )
        yield from _windows(
            self._hours, "24h", [(s, h - HOURS_PER_DAY + 1, h, HOUR_US) for s, h in long]
        )
        yield from self._month_windows(months)

    def left_out(self, rows: Rows) -> Mask:
        """Which rows count nowhere: the provider is not liable for them."""
        liable: Mask = rows["liable"]
        return liable | self._excluded(rows)

    def _count(self, rows: Rows) -> None:
        if len(rows) == 0:
            return
        series = _series(rows)
        latency = rows["finished_us"] - rows["accepted_us"]
        months, limits = self._by_contract(series, rows["accepted_us"])
        self._dirty_months.update(self._months.add(_keys(series, months), latency, limits))
        finished = rows["finished_us"]
        timely = finished // PANE_US >= self._first_pane()
        self.late += int(len(rows) - np.count_nonzero(timely))
        keys = _keys(series, finished // PANE_US)[timely]
        self._dirty_panes.update(self._panes.add(keys, latency[timely], limits[timely]))
        timely = finished // HOUR_US >= self._first_hour()
        keys = _keys(series, finished // HOUR_US)[timely]
        self._dirty_hours.update(self._hours.add(keys, latency[timely], limits[timely]))

    def _count_everything(self, rows: Rows) -> None:
        latency = rows["finished_us"] - rows["accepted_us"]
        months, limits = self._by_contract(_series(rows), rows["accepted_us"])
        self._all_months.add(_keys(_series(rows), months), latency, limits)

    def _by_contract(self, series: Int64s, accepted_us: Int64s) -> tuple[Int64s, Int64s]:
        """Local month number and exceedance limit of each row, by its series' contract."""
        distinct, inverse = np.unique(series, return_inverse=True)
        terms = [self._terms(one) for one in distinct.tolist()]
        limits = np.array([one.max_latency_us for one in terms], dtype=np.int64)[inverse]
        zones = [one.timezone for one in terms]
        months = np.empty(len(series), dtype=np.int64)
        for zone in set(zones):
            inside = np.array([one == zone for one in zones])[inverse]
            months[inside] = months_of(accepted_us[inside], zone)
        return months, limits

    def _recount(self, rows: Rows) -> None:
        """Empty every pane these rows are or were in and fill it again from the store."""
        living = self.store.rows
        living = living[np.isin(living["series"], np.unique(rows["series"]))]
        everything = living
        living = living[~self.left_out(living)]
        latency = living["finished_us"] - living["accepted_us"]
        stale_months, _ = self._by_contract(_series(rows), rows["accepted_us"])
        months, limits = self._by_contract(_series(living), living["accepted_us"])
        for panes, dirty, first, stale, own in (
            (self._months, self._dirty_months, 0, stale_months, months),
            (
                self._panes,
                self._dirty_panes,
                self._first_pane(),
                rows["finished_us"] // PANE_US,
                living["finished_us"] // PANE_US,
            ),
            (
                self._hours,
                self._dirty_hours,
                self._first_hour(),
                rows["finished_us"] // HOUR_US,
                living["finished_us"] // HOUR_US,
            ),
        ):
            held = np.unique(_keys(_series(rows), stale)[stale >= first])
            panes.reset(held.tolist())
            keys = _keys(_series(living), own)
            inside = np.isin(keys, held)
            panes.add(keys[inside], latency[inside], limits[inside])
            dirty.update(held.tolist())
        touched = np.unique(_keys(_series(rows), stale_months))
        self._all_months.reset(touched.tolist())
        self._all_months.merge(self._all_folded, touched.tolist())
        self._months.merge(self._folded, touched.tolist())
        own_months, _ = self._by_contract(_series(everything), everything["accepted_us"])
        inside = np.isin(_keys(_series(everything), own_months), touched)
        self._count_everything(everything[inside])

    def _first_pane(self) -> int:
        reach = self._latest_us - self._lateness_us
        return reach // PANE_US - PANES_PER_HOUR

    def _first_hour(self) -> int:
        reach = self._latest_us - self._lateness_us
        return reach // HOUR_US - HOURS_PER_DAY

    def _expire(self) -> None:
        first_pane, first_hour = self._first_pane(), self._first_hour()
        self._panes.drop_before(first_pane)
        self._hours.drop_before(first_hour)
        self._expire_at = 2 * (len(self._panes) + len(self._hours)) + _FEWEST_PANES
        for published in self._published.values():
            published.panes = {pane for pane in published.panes if pane >= first_pane}
            published.hours = {hour for hour in published.hours if hour >= first_hour}

    def _due(self) -> tuple["_Short", list[tuple[int, int]], list[int]]:
        panes, hours = _by_series(self._dirty_panes), _by_series(self._dirty_hours)
        months = sorted(self._dirty_months)
        self._dirty_panes, self._dirty_hours, self._dirty_months = set(), set(), set()
        short = _Short([], [])
        for series, changed in panes.items():
            published = self._published.setdefault(series, _Published()).panes
            published.add(max(changed | published))
            short.five.extend((series, pane) for pane in sorted(changed & published))
            short.hour.extend((series, p) for p in _reached(published, changed, PANES_PER_HOUR))
        long: list[tuple[int, int]] = []
        for series, changed in hours.items():
            published = self._published.setdefault(series, _Published()).hours
            published.add(max(changed | published))
            long.extend((series, h) for h in _reached(published, changed, HOURS_PER_DAY))
        return short, long, months

    def _month_windows(self, keys: list[int]) -> Iterator[LatencyWindow]:
        totals = self._months.totals([[key] for key in keys])
        spans = []
        for key in keys:
            series, month = split_key(key)
            start, end = month_bounds_us(self._terms(series).timezone, month)
            spans.append((series, start, end))
        yield from _assemble("month", spans, totals)


@dataclass(frozen=True)
class _Short:
    five: list[tuple[int, int]]
    hour: list[tuple[int, int]]


def _series(rows: Rows) -> Int64s:
    result: Int64s = rows["series"].astype(np.int64)
    return result


def _keys(series: Int64s, panes: Int64s) -> Int64s:
    result: Int64s = (series << PANE_BITS) | panes
    return result


def _by_series(keys: set[int]) -> Mapping[int, set[int]]:
    grouped: dict[int, set[int]] = {}
    for key in keys:
        series, pane = split_key(key)
        grouped.setdefault(series, set()).add(pane)
    return grouped


def _reached(published: set[int], changed: set[int], span: int) -> list[int]:
    """Published window ends whose window of ``span`` panes holds a changed pane."""
    return sorted(end for end in published if any(end - span < pane <= end for pane in changed))


def _windows(
    panes: Panes, name: str, wanted: list[tuple[int, int, int, int]]
) -> Iterator[LatencyWindow]:
    """Windows from (series, first pane, last pane, pane width)."""
    totals = panes.totals(
        [[pane_key(s, pane) for pane in range(first, last + 1)] for s, first, last, _ in wanted]
    )
    spans = [(s, first * width, (last + 1) * width) for s, first, last, width in wanted]
    yield from _assemble(name, spans, totals)


def _assemble(
    name: str, spans: list[tuple[int, int, int]], totals: PaneSums
) -> Iterator[LatencyWindow]:
    # The middle of a bin may lie beyond the largest latency in it.
    quantiles = np.minimum(quantiles_s(totals.bins, QUANTILES), totals.max_us[:, None] / 1e6)
    columns = zip(
        totals.count.tolist(),
        totals.sum_us.tolist(),
        totals.max_us.tolist(),
        totals.exceedances.tolist(),
        strict=True,
    )
    for (series, start, end), values, shares in zip(
        spans, columns, quantiles.tolist(), strict=True
    ):
        yield LatencyWindow(series, name, start, end, *values, (shares[0], shares[1], shares[2]))
