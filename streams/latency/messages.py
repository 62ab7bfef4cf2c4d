"""The finished messages a task remembers: one row each, columns of numbers.

Per message the earliest dispatch or delivery counts (contract section 2); a repeated one changes
nothing, an earlier one that comes later replaces the row. The event that counts may come again
with other content; that changes nothing either.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from mailsla.streams.latency.row_index import (
    Int64s,
    Mask,
    RowIndex,
    UInt64s,
    dense,
    running_least,
)
from mailsla.streams.latency.sorted_sets import are_distinct
from mailsla.streams.latency.tables import chosen, joined, put
from mailsla.streams.time.intervals import FOREVER

ROW: Final = np.dtype(
    [
        ("key", np.uint64),
        ("series", np.int32),
        ("source", np.int32),
        ("accepted_us", np.int64),
        ("finished_us", np.int64),
        ("order", np.uint64),
        ("liable", np.bool_),
        ("kind", np.uint8),
        ("late", np.uint8),
        ("event", np.uint64),
    ]
)
"""One event of a message: the message's key, its series (`series_of`), the number of its source,
when it was accepted and finished, the first bytes of its id, which decide between events of the
same instants, whether its own event says the provider is not liable, its kind, for which of the
short windows it came too late (`LATE_PANE`, `LATE_HOUR`), and what stands for its whole id
(`event_keys`)."""

LATENCY: Final = 0
"""Kind of a row with a latency: the first dispatch, or the delivery."""
ACCEPTED: Final = 1
"""The message was fully received; nothing has finished."""
ENDED: Final = 2
"""The message is finished without a latency: bounced, expired, discarded, dispatched again."""

VOIDED: Final = 3
"""What rows before it say of its message's latency, or acceptance, no longer counts."""

LATE_PANE: Final = 1
LATE_HOUR: Final = 2

Rows = npt.NDArray[np.void]


def series_of(codes: Int64s, inbound: Mask | bool | int) -> Int64s:
    """The series of tenants: two each, sent and received mail."""
    result: Int64s = 2 * codes + inbound
    return result


def tenant_of(series: Int64s) -> Int64s:
    """The number of the tenant whose series it is."""
    result: Int64s = series // 2
    return result


def spans_of(messages: Rows) -> tuple[Int64s, Int64s, Int64s]:
    """Tenant, acceptance and finish of messages; those in flight finish at no known time."""
    accepted_us = messages["accepted_us"]
    finished = "finished_us" in (messages.dtype.names or ())
    finished_us = messages["finished_us"] if finished else np.full(len(messages), FOREVER)
    return tenant_of(messages["series"]), accepted_us, finished_us


_FEW_ROWS: Final = 65_536
_ROOM: Final = 4_194_304
"""Once there are more than few, there is room for so many: what has not been written to takes no
memory, and moving a million rows to a larger place would hold everybody up for 0.1 s and more."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """What a batch changed, record by record.

    ``rows`` count from then on (``sign`` 1) or no longer do (-1); ``places`` are the records of
    the batch at which they do, ascending. One record may take a row away and put a better one in
    its place. ``added`` are the places of the rows that are in the store afterwards.
    """

    rows: Rows
    signs: Int64s
    places: Int64s
    added: Int64s


@dataclass
class MessageStore:
    """Rows in arrival order, looked up by key; dead rows were replaced by better ones."""

    _rows: Rows = field(default_factory=lambda: np.empty(1024, dtype=ROW))
    _alive: Mask = field(default_factory=lambda: np.zeros(1024, dtype=np.bool_))
    _count: int = 0
    _by_key: RowIndex = field(default_factory=RowIndex)
    _by_series: list[tuple[Int64s, Int64s]] = field(default_factory=list)
    """Series and places of the rows before ``_indexed``, sorted; made when first asked for."""
    _indexed: int = 0

    def __len__(self) -> int:
        return int(np.count_nonzero(self._alive[: self._count]))

    @property
    def rows(self) -> Rows:
        """Every living row, in order of arrival."""
        return chosen(self._rows[: self._count], self._alive[: self._count])

    def admit(self, batch: Rows) -> Admitted:
        """Take in rows of kind `LATENCY` in log order; each message keeps its best row.

        Those that are not late any more, because their message counts already, are marked so.
        """
        count = len(batch)
        known = self._by_key.find(batch["key"], self._alive)
        if (known < 0).all() and are_distinct(batch["key"]):
            # The common case: every message is new, and comes once.
            self._append(batch)
            everything = np.arange(count)
            return Admitted(batch, np.ones(count, dtype=np.int64), everything, everything)
        _, inverse, times = np.unique(batch["key"], return_inverse=True, return_counts=True)
        single = (known < 0) & (times[inverse] == 1)
        again = np.flatnonzero(~single)
        rows, signs, places, added = self._improve(batch, again, known[again])
        fresh = np.flatnonzero(single)
        kept = np.sort(np.concatenate([fresh, added]))
        self._append(chosen(batch, kept))
        rows = joined(chosen(batch, fresh), rows)
        signs = np.concatenate([np.ones(len(fresh), dtype=np.int64), signs])
        places = np.concatenate([fresh, places])
        order = np.argsort(places, kind="stable")
        return Admitted(chosen(rows, order), signs[order], places[order], kept)

    def _improve(
        self, batch: Rows, again: Int64s, known: Int64s
    ) -> tuple[Rows, Int64s, Int64s, Int64s]:
        """Rows of messages that are known, or come several times.

        Args:
            batch: all rows.
            again: places of those rows.
            known: where the message of each stands in the store, or -1.

        Returns:
            What counts or no longer does: rows, signs, places; and the places of the best rows of
            messages whose row in the store is none or worse.

        """
        # 1. The known row of each message leads the rows of the batch, which keep their order.
        keys, first = np.unique(batch["key"][again], return_index=True)
        held = np.flatnonzero(known[first] >= 0)
        former = chosen(self._rows, known[first][held])
        rows = joined(former, chosen(batch, again))
        places = np.concatenate([np.full(len(former), -1, dtype=np.int64), again])
        groups = np.searchsorted(keys, rows["key"])
        order = np.lexsort((places, groups))
        rows, places, groups = chosen(rows, order), places[order], groups[order]
        # 2. An event that comes again under its id is not heard, whatever it says by then: the
        #    first counts, as in closings.
        first_said = ~_said_before(groups, rows["event"])
        rows, places, groups = chosen(rows, first_said), places[first_said], groups[first_said]
        # 3. A row counts where it is better than all before it, and takes their best away.
        ranks = dense(rows["finished_us"], rows["accepted_us"], rows["order"])
        better = ranks < running_least(groups, ranks)
        rows, places, groups = chosen(rows, better), places[better], groups[better]
        follows = np.zeros(len(rows), dtype=np.bool_)
        follows[1:] = groups[1:] == groups[:-1]
        # A message that counted in a window goes on doing so, however late its better row comes.
        for place in np.flatnonzero(follows).tolist():
            rows["late"][place] &= rows["late"][place - 1]
            batch["late"][places[place]] = rows["late"][place]
        gone = np.flatnonzero(follows) - 1
        came = np.flatnonzero(places >= 0)
        last = np.ones(len(rows), dtype=np.bool_)
        last[:-1] = groups[1:] != groups[:-1]
        replaced = rows["key"][gone[places[gone] < 0]]
        self._alive[known[first][held][np.isin(former["key"], replaced)]] = False
        return (
            joined(chosen(rows, gone), chosen(rows, came)),
            np.concatenate([np.full(len(gone), -1, dtype=np.int64), np.ones(len(came), np.int64)]),
            np.concatenate([places[gone + 1], places[came]]),
            places[last & (places >= 0)],
        )

    def take_out(self, source: int, event: int) -> Rows:
        """Forget the row that an event gave its message, if it still counts; that row."""
        rows = self._rows[: self._count]
        same = (rows["event"] == event) & (rows["source"] == source)
        places = np.flatnonzero(same & self._alive[: self._count])
        self._alive[places] = False
        result: Rows = rows[places]
        return result

    def knows(self, keys: UInt64s) -> Mask:
        """Which of the keys (in any order) have a living row."""
        result: Mask = self._by_key.find(keys, self._alive) >= 0
        return result

    def restore(self, rows: Rows) -> None:
        """Take up rows of kind `LATENCY` that a former life kept, in their order."""
        # 1. Of a message's rows the best one lives.
        ranks = dense(rows["finished_us"], rows["accepted_us"], rows["order"])
        order = np.lexsort((ranks, rows["key"]))
        keys = rows["key"][order]
        best = np.ones(len(keys), dtype=np.bool_)
        best[1:] = keys[1:] != keys[:-1]
        self._append(chosen(rows, np.sort(order[best])))

    def drop_oldest(self, count: int) -> Rows:
        """Forget the ``count`` living rows that came first, and return them."""
        living = np.flatnonzero(self._alive[: self._count])
        dropped = chosen(self._rows, living[:count])
        kept = chosen(self._rows, living[count:])
        self._start_over(kept)
        return dropped

    def drop(self, unwanted: Mask) -> None:
        """Forget some of the living rows (`rows`)."""
        if unwanted.any():
            self._start_over(chosen(self.rows, ~unwanted))

    def of_series(self, series: int) -> Rows:
        """The living rows of a series, in order of arrival."""
        if self._indexed < self._count:
            places = np.arange(self._indexed, self._count)
            keys = self._rows["series"][places].astype(np.int64)
            order = np.argsort(keys, kind="stable")
            self._by_series.append((keys[order], places[order]))
            self._indexed = self._count
            self._merge_series()
        found = [np.empty(0, dtype=np.int64)]
        for keys, places in self._by_series:
            low, high = np.searchsorted(keys, (series, series + 1))
            found.append(places[low:high])
        places = np.concatenate(found)
        return chosen(self._rows, places[self._alive[places]])

    def _merge_series(self) -> None:
        runs = self._by_series
        while len(runs) > 1 and len(runs[-2][0]) <= 2 * len(runs[-1][0]):
            last, previous = runs.pop(), runs.pop()
            keys = np.concatenate([previous[0], last[0]])
            places = np.concatenate([previous[1], last[1]])
            order = np.argsort(keys, kind="stable")
            runs.append((keys[order], places[order]))

    def _start_over(self, rows: Rows) -> None:
        self._rows, self._alive, self._count = np.empty(1024, dtype=ROW), np.zeros(1024, bool), 0
        self._by_key, self._by_series, self._indexed = RowIndex(), [], 0
        self._append(rows)

    def _append(self, rows: Rows) -> None:
        if len(rows) == 0:
            return
        end = self._count + len(rows)
        if end > len(self._rows):
            size = max(end, 2 * len(self._rows))
            size = size if size <= _FEW_ROWS else max(size, _ROOM)
            grown, alive = np.empty(size, dtype=ROW), np.zeros(size, dtype=np.bool_)
            put(grown, 0, self._rows[: self._count])
            alive[: self._count] = self._alive[: self._count]
            self._rows, self._alive = grown, alive
        put(self._rows, self._count, rows)
        self._alive[self._count : end] = True
        self._by_key.add(rows["key"], np.arange(self._count, end), self._alive)
        self._count = end


def _said_before(groups: Int64s, events: UInt64s) -> Mask:
    """Which rows are of an event that an earlier row of their group is of; 0 stands for none."""
    order = np.lexsort((events, groups))  # stable: rows of one event stay in their order
    same = (np.diff(groups[order]) == 0) & (events[order][1:] == events[order][:-1])
    repeated = np.zeros(len(groups), dtype=np.bool_)
    repeated[order[1:]] = same
    result: Mask = repeated & (events != 0)
    return result
