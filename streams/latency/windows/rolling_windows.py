"""Rolling latency windows of every series of one task (contract section 2).

A window ends with a pane and is the sum of its panes; its value is a function of the messages
alone, however they were cut into batches:

    panes  ...|  p-12 |  p-11 |  ...  |  p-1  |   p   |
                                              |- 5m --|      one five-minute pane
                      |------------ 1h ---------------|      twelve of them
    hours  24h: 24 hour panes; month: the one month pane of the acceptances

Life of a pane, in event time:

    |-- pane --|-- lateness --|---------- one window ----------|
               end            ^ later messages are late        ^ forgotten

A pane is kept for one window's length beyond its lateness, because until then a later end that
can still change contains it. An end is published while it is the newest of its series with
messages, and again whenever its value differs from the one published last.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import repeat
from typing import Final

import numpy as np
import numpy.typing as npt

from mailsla.streams.latency.sorted_sets import Int64s, distinct
from mailsla.streams.latency.windows.changes import HOUR_US, PANE_US, Changes
from mailsla.streams.latency.windows.dirty import END_BITS, END_MASK, MARK, DirtyPanes
from mailsla.streams.latency.windows.panes import (
    FILLED_BIN,
    SUMS,
    Panes,
    SortedMessages,
    WindowSums,
    cells_of,
    in_cells,
    sort_messages,
)
from mailsla.streams.latency.windows.published import RECORD, Published, digests_of
from mailsla.streams.latency.windows.sketch import bin_of, quantiles_s
from mailsla.streams.latency.windows.window_kinds import (
    KINDS,
    RETAINED_BEHIND,
    WIDTH_US,
    LatencyWindow,
    PaneWidth,
    WindowKind,
)

QUANTILES: Final = (0.5, 0.95, 0.99)

LargestLatency = Callable[[PaneWidth, Int64s, Int64s], Int64s]
"""Largest latency, µs, among the messages that count in some panes, after the changes applied.

Gets the width, the series and the pane numbers (finish // width in µs, or the local month);
returns -1 where it does not know. It is asked when the largest one of a pane was taken away;
messages that were folded need not be known to it.
"""
MonthBounds = Callable[[Int64s, Int64s], tuple[Int64s, Int64s]]
"""First µs of local months and of the months after, from series and month numbers."""


@dataclass
class _Store:
    """The panes of one width and what is known of them."""

    width: PaneWidth
    first: int | None
    """The first pane number that is retained; None before the first batch."""
    panes: Panes
    dirty: DirtyPanes = field(default_factory=DirtyPanes)

    def retain_from(self, first: int) -> None:
        """Forget what lies before; what is forgotten does not come back."""
        self.first = first if self.first is None else max(first, self.first)
        self.panes.drop_before(self.first)
        self.dirty.drop_before(self.first)


_UNKNOWN: Final = -(1 << 62)
_CHUNK: Final = 4096
"""Windows summed up at a time."""


class RollingWindows:
    """All latency windows of a task.

    Args:
        lateness_us: how long a pane is open to messages after its end, in event time; µs.
        largest: looks up the largest latency of panes from which it was taken away.
        month_bounds: where local months begin and end.

    After a restart: `restore_published` with every piece in order, then `unfold` with every
    piece, then `rebuild` with all messages still known and the last frontier; only then `publish`.

    A message that is taken away after its pane was closed corrects those ends that are still
    retained; until then every published end is right, whenever `publish` is called.

    """

    def __init__(
        self, lateness_us: int, largest: LargestLatency, month_bounds: MonthBounds
    ) -> None:
        self.late = 0
        """Messages that came too late for their five-minute pane since this object was made."""
        self._lateness_us = lateness_us
        self._largest = largest
        self._month_bounds = month_bounds
        self._frontier_us: int | None = None
        self._stores = (
            _Store(PaneWidth.FIVE_MINUTES, None, Panes()),
            _Store(PaneWidth.HOUR, None, Panes()),
            _Store(PaneWidth.MONTH, 0, Panes()),
        )
        self._published = Published()
        self._saved_first: list[int] = []
        self._restored = False

    def apply(self, changes: Changes, frontier_us: int) -> None:
        """Count messages, or no longer.

        Args:
            changes: the messages, in any order.
            frontier_us: the frontier after them, µs of event time; one that lies behind an
                earlier one changes nothing.

        """
        known = self._frontier_us
        self._frontier_us = frontier_us if known is None else max(known, frontier_us)
        for store in self._stores:
            if store.first is None:
                store.retain_from(self._first_needed(store.width))
        if len(changes):
            self.late += int(np.count_nonzero(changes.late_pane & (changes.sign > 0)))
            for store, messages in self._parts(changes):
                changed, unsure = store.panes.add(messages)
                if len(unsure):
                    largest = self._largest(store.width, *in_cells(unsure))
                    store.panes.set_largest(unsure, largest)
                store.dirty.mark(*in_cells(changed))
        self._forget()

    def publish(self, series: Int64s | None = None) -> list[LatencyWindow]:
        """The windows that are new, or differ from what was published last for their end.

        Args:
            series: publish these dirty series only; None for all.

        """
        windows: list[LatencyWindow] = []
        for store in self._stores:
            dirty = store.dirty.take(series)
            if len(dirty) == 0:
                continue
            newest = store.panes.newest(distinct(dirty >> END_BITS))
            for kind in KINDS:
                if kind.width == store.width:
                    windows += self._publish_kind(kind, store, dirty, newest)
        self._forget()
        return windows

    @property
    def is_dirty(self) -> bool:
        """Whether there may be something to publish; `dirty_series` says what, and costs more."""
        return any(store.dirty.oldest() is not None for store in self._stores)

    def dirty_series(self) -> Int64s:
        """Series that may have something to publish, ascending."""
        return distinct(*(store.dirty.series() for store in self._stores))

    def forget_months(self, before_number: int) -> None:
        """Forget earlier local months: later changes of them are ignored."""
        self._stores[PaneWidth.MONTH].retain_from(before_number)
        self._forget()

    def take_published(self) -> bytes:
        """What changed in the record of published windows since the last call, for the state.

        It also says which panes are retained and which are still dirty, so that a further life
        publishes the same. Empty if nothing changed.
        """
        first = [_UNKNOWN if store.first is None else store.first for store in self._stores]
        parts = [store.dirty.take_unsaved() for store in self._stores]
        parts.append(self._published.take_unsaved())
        if first == self._saved_first and not any(len(part) for part in parts):
            return b""
        self._saved_first = first
        head = np.array([*first, *(len(part) for part in parts)], dtype="<i8")
        return head.tobytes() + b"".join(part.tobytes() for part in parts)

    def snapshot_published(self) -> bytes:
        """All of the record of published windows, in place of every earlier piece.

        For the state from time to time: it holds retained ends only, the pieces all there were.
        """
        self._published.mark_all_unsaved()
        for store in self._stores:
            store.dirty.mark_all_unsaved()
        self._saved_first = []
        return self.take_published()

    def restore_published(self, piece: bytes) -> None:
        """Take up one piece of `take_published`; pieces come in their order, before the rest."""
        if not piece:
            return
        widths = len(self._stores)
        head = np.frombuffer(piece, dtype="<i8", count=2 * widths + 1).tolist()
        *dirty, published = _split(piece, head[widths:], [MARK] * widths + [RECORD], len(head))
        self._saved_first = head[:widths]
        for store, first, marks in zip(self._stores, self._saved_first, dirty, strict=True):
            store.dirty.restore(marks)
            if first != _UNKNOWN:
                store.retain_from(first)
        self._restored = True
        self._published.restore(published, self._first_ends())
        self._drop_published()

    def rebuild(self, changes: Changes, frontier_us: int) -> None:
        """Count, after a restart, all messages still known; see the class for the order.

        `apply` would do, but everything would be dirty and every value worked out again.
        """
        late = self.late
        self.apply(changes, frontier_us)
        self.late = late
        if self._restored:
            for store in self._stores:
                store.dirty.reset_to_saved()
            self._forget()

    def fold(self, changes: Changes) -> bytes:
        """Sums of messages whose single rows are given up, for the state.

        The messages go on counting here; they can no longer be taken back.
        """
        parts = []
        for store, messages in self._parts(changes):
            given_up = Panes()
            given_up.add(messages)
            sums, bins = given_up.export()
            store.panes.give_up(sums)
            parts += [sums, bins]
        lengths = np.array([len(part) for part in parts], dtype="<i8")
        return lengths.tobytes() + b"".join(part.tobytes() for part in parts)

    def unfold(self, folded: bytes) -> None:
        """Count what a former life gave up; panes that are no longer retained are passed over."""
        lengths = np.frombuffer(folded, dtype="<i8", count=2 * len(self._stores)).tolist()
        dtypes = [SUMS, FILLED_BIN] * len(self._stores)
        parts = _split(folded, lengths, dtypes, len(lengths))
        for store, sums, bins in zip(self._stores, parts[::2], parts[1::2], strict=True):
            first = store.first or 0
            kept_sums, kept_bins = sums[sums["pane"] >= first], bins[bins["pane"] >= first]
            store.dirty.mark(*in_cells(store.panes.load(kept_sums, kept_bins)))

    def _parts(self, changes: Changes) -> Iterator[tuple[_Store, SortedMessages]]:
        """What each store has to count."""
        bins, over = bin_of(changes.latency_us), changes.over.astype(np.int64)
        for store, panes, late in (
            (self._stores[0], changes.finished_us // PANE_US, changes.late_pane),
            (self._stores[1], changes.finished_us // HOUR_US, changes.late_hour),
            (self._stores[2], changes.month, None),
        ):
            cells = cells_of(changes.series, panes)
            columns: tuple[Int64s, ...] = cells, changes.latency_us, bins, over, changes.sign
            counts = panes >= (store.first or 0)
            if late is not None:
                counts &= ~late
            # Mostly everything counts: then nothing needs to be copied.
            if not counts.all():
                columns = tuple(column[counts] for column in columns)
            yield store, sort_messages(*columns)

    def _first_needed(self, width: PaneWidth) -> int:
        """The first pane that a window which can still change contains."""
        if width is PaneWidth.MONTH or self._frontier_us is None:
            return 0
        return (self._frontier_us - self._lateness_us) // WIDTH_US[width] - RETAINED_BEHIND[width]

    def _forget(self) -> None:
        """Forget panes and ends that can no longer change, once nothing of theirs is dirty."""
        for store in self._stores:
            if store.first is None or store.width is PaneWidth.MONTH:
                continue
            first, oldest = self._first_needed(store.width), store.dirty.oldest()
            if oldest is not None:
                # Its ends are still to be published, whole.
                first = min(first, oldest - RETAINED_BEHIND[store.width])
            if first > store.first:
                store.retain_from(first)
        self._drop_published()

    def _first_ends(self) -> dict[int, int]:
        """Per kind the first end of which all panes are retained."""
        return {kind.number: self._first_end(kind) for kind in KINDS}

    def _first_end(self, kind: WindowKind) -> int:
        return (self._stores[kind.width].first or 0) + kind.span - 1

    def _drop_published(self) -> None:
        for number, end in self._first_ends().items():
            self._published.drop_before(number, end)

    def _publish_kind(
        self,
        kind: WindowKind,
        store: _Store,
        dirty: Int64s,
        newest: tuple[Int64s, Int64s],
    ) -> list[LatencyWindow]:
        """Windows of one kind that hold changed panes and are the newest, or were published.

        Of a month every one that changed is published: each stays for itself.
        """
        codes = [newest[0] << END_BITS | newest[1]]
        if kind.width is PaneWidth.MONTH:
            codes.append(dirty)
        else:
            panes, changed = dirty & END_MASK, dirty >> END_BITS
            for end in self._published.ends(kind.number):
                inside = distinct(changed[(panes > end - kind.span) & (panes <= end)])
                codes.append(self._published.among(kind.number, end, inside) << END_BITS | end)
        chosen = distinct(*codes)
        series, ends = chosen >> END_BITS, chosen & END_MASK
        # An end of which a pane is forgotten is not right any more: it stays as it was.
        whole = ends >= self._first_end(kind)
        series, ends = series[whole], ends[whole]
        windows: list[LatencyWindow] = []
        for at in range(0, len(series), _CHUNK):
            part = slice(at, at + _CHUNK)
            sums = store.panes.window_sums(series[part], ends[part], kind.span)
            windows += self._unpublished(kind, series[part], ends[part], sums)
        return windows

    def _unpublished(
        self, kind: WindowKind, series: Int64s, ends: Int64s, sums: WindowSums
    ) -> list[LatencyWindow]:
        # The middle of a bin may lie beyond the largest latency in it.
        found = quantiles_s(*sums.filled, len(series), QUANTILES)
        quantiles = np.minimum(found, sums.max_us[:, None] / 1e6)
        values = [sums.count, sums.sum_us, sums.max_us, sums.over]
        digests = digests_of([*values, *quantiles.T])
        revisions = self._published.update(kind.number, ends, series, digests)
        news = np.flatnonzero(revisions)
        if len(news) == 0:
            return []
        series, ends = series[news], ends[news]
        if kind.width is PaneWidth.MONTH:
            starts_us, ends_us = self._month_bounds(series, ends)
        else:
            width_us = WIDTH_US[kind.width]
            starts_us, ends_us = (ends - kind.span + 1) * width_us, (ends + 1) * width_us
        columns = zip(
            series.tolist(),
            repeat(kind.name),
            starts_us.tolist(),
            ends_us.tolist(),
            *(column[news].tolist() for column in values),
            map(tuple, np.round(quantiles[news], 6).tolist()),
            revisions[news].tolist(),
            strict=False,
        )
        return list(map(LatencyWindow._make, columns))


def _split(
    piece: bytes, lengths: list[int], dtypes: list[np.dtype[np.void]], head: int
) -> list[npt.NDArray[np.void]]:
    """The arrays that follow a head of ``head`` 64-bit numbers."""
    offset, parts = 8 * head, []
    for length, dtype in zip(lengths, dtypes, strict=True):
        parts.append(np.frombuffer(piece, dtype=dtype, count=length, offset=offset))
        offset += length * dtype.itemsize
    return parts
