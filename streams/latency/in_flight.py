"""Messages accepted and not finished yet (contract section 2).

The finish may be heard of before the acceptance, so finished messages are remembered too.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from streams.latency.keyhash import turned
from streams.latency.messages import (
    ACCEPTED,
    ROW,
    SETTLED,
    Mask,
    MessageStore,
    Rows,
    UInt64s,
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message in flight: when it was accepted, µs, and whether its event excuses the provider.

    ``time_us`` and ``order`` (`ROW`) decide between acceptances of the same instant; ``reference``
    names the event that told of it, ``source#id``.
    """

    accepted_us: int
    liable: bool
    time_us: int
    order: int
    reference: str = ""

    @property
    def place(self) -> tuple[int, int, int]:
        """The least of a message's acceptances counts."""
        return self.accepted_us, self.time_us, self.order


class KeySet:
    """A growing set of keys in sorted runs."""

    def __init__(self) -> None:
        self._runs: list[UInt64s] = []

    def add(self, keys: UInt64s) -> None:
        """Add keys; those it has already do no harm."""
        if len(keys) == 0:
            return
        self._runs.append(np.unique(keys))
        while len(self._runs) > 1 and len(self._runs[-2]) <= 2 * len(self._runs[-1]):
            last, previous = self._runs.pop(), self._runs.pop()
            self._runs.append(np.union1d(previous, last))

    def has(self, keys: UInt64s) -> Mask:
        """Which of the keys are in the set."""
        found = np.zeros(len(keys), dtype=np.bool_)
        for run in self._runs:
            at = np.searchsorted(run, keys)
            at[at == len(run)] = 0
            found |= run[at] == keys
        return found


class InFlight:
    """What every series of a task has in flight.

    ``finished`` is the store of messages that have a latency; those that ended without one are
    kept here. Keys are without direction.
    """

    def __init__(self, finished: MessageStore) -> None:
        self._finished = finished
        self._settled = KeySet()
        self._open: dict[int, dict[int, Waiting]] = {}
        self._series_of: dict[int, set[int]] = {}

    def observe(self, rows: Rows, name: Callable[[int], str]) -> tuple[Rows, list[str], Rows]:
        """Take a batch's rows of every kind, after those with a latency are in the store.

        Args:
            rows: a batch.
            name: the reference of the event of a row, by its place.

        Returns:
            The rows of other kinds that said something new, to be kept with the state; the
            references of those among them that say a message was accepted; and as rows the
            messages that are no longer in flight.

        """
        keys = without_direction(rows)
        ended = rows["kind"] != ACCEPTED
        settled = rows["kind"] == SETTLED
        news = settled & ~self._settled.has(keys)
        self._settled.add(keys[settled])
        closed: list[tuple[int, int, Waiting]] = []
        if self._series_of:
            known = self._series_of
            for key in [each for each in keys[ended].tolist() if each in known]:
                closed.extend(self._close(key))
        arrived = np.flatnonzero(~ended)
        names: list[str] = []
        if len(arrived):
            waiting = arrived[~self.is_finished(keys[arrived])]
            for place in waiting.tolist():
                reference = name(place)
                news[place] = self._open_one(int(keys[place]), rows[place], reference)
                if news[place]:
                    names.append(reference)
        kept: Rows = rows[news]
        return kept, names, _as_rows(closed)

    def waiting_for(self, rows: Rows) -> Iterator[tuple[int, int, Waiting]]:
        """The places of rows that end a message in flight, its series and its wait."""
        known = self._series_of
        if not known:
            return
        ended = np.flatnonzero(rows["kind"] != ACCEPTED)
        keys = without_direction(rows[ended]).tolist()
        for at in [at for at, key in enumerate(keys) if key in known]:
            for series in known[keys[at]]:
                if keys[at] in self._open[series]:
                    yield int(ended[at]), series, self._open[series][keys[at]]

    def of(self, series: int) -> Iterator[Waiting]:
        """The messages of a series in flight."""
        yield from self._open.get(series, {}).values()

    def rows(self) -> tuple[Rows, list[str]]:
        """Every message in flight as a row, and its reference."""
        held = [
            (key, series, each) for series, some in self._open.items() for key, each in some.items()
        ]
        return _as_rows(held), [each.reference for _, _, each in held]

    def is_finished(self, keys: UInt64s) -> Mask:
        """Which messages, by keys without direction, are known to be finished."""
        out, into = np.zeros(len(keys), dtype=np.bool_), np.ones(len(keys), dtype=np.bool_)
        result: Mask = (
            self._settled.has(keys)
            | self._finished.knows(turned(keys, out))
            | self._finished.knows(turned(keys, into))
        )
        return result

    def _open_one(self, key: int, row: np.void, reference: str) -> bool:
        series = int(row["series"])
        arrived = Waiting(
            int(row["accepted_us"]),
            bool(row["liable"]),
            int(row["finished_us"]),
            int(row["order"]),
            reference,
        )
        held = self._open.setdefault(series, {})
        known = held.get(key)
        if known is not None and known.place <= arrived.place:
            return False
        held[key] = arrived
        self._series_of.setdefault(key, set()).add(series)
        return True

    def _close(self, key: int) -> Iterator[tuple[int, int, Waiting]]:
        for series in self._series_of.pop(key, ()):
            waiting = self._open[series].pop(key, None)
            if waiting is not None:
                yield key, series, waiting


def without_direction(rows: Rows) -> UInt64s:
    """The keys of rows' messages, whatever the direction of the event."""
    return turned(rows["key"], (rows["series"] % 2).astype(np.bool_))


def _as_rows(held: Sequence[tuple[int, int, Waiting]]) -> Rows:
    """Messages in flight, given as key, series and wait, in the form of rows."""
    rows = np.zeros(len(held), dtype=ROW)
    for place, (key, series, each) in enumerate(held):
        inbound = np.array([series % 2], dtype=np.bool_)
        rows[place] = (
            turned(np.array([key], dtype=np.uint64), inbound)[0],
            series,
            each.accepted_us,
            each.time_us,
            each.liable,
            ACCEPTED,
            each.order,
        )
    return rows
