"""How far each source of events is known (contract section 2: absence is judged by who is silent).

A message in flight ages by its own source: the newest event heard of it less the allowed lateness,
or how far the source itself says that its log has been read (``source.progress``). A source that
is silent without saying so is taken to go on after a while in which nothing came.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mailsla.streams.latency.sorted_sets import group_starts, grouped
from mailsla.streams.time.intervals import BEFORE_ALL, FOREVER

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Watermarks:
    """How the watermark of one source grows over the records of a batch.

    Just before record ``places[i]`` it has come to ``known_us[i]``, both ascending; what moves it
    on is the record before that, or time in which nothing came.
    """

    places: Int64s
    known_us: Int64s

    def passes(self, instants_us: Int64s, nowhere: int) -> Int64s:
        """The first record before which it has reached each instant, else ``nowhere``."""
        at = np.searchsorted(self.known_us, instants_us)
        return np.append(self.places, nowhere)[at]


class Sources:
    """The sources of ``mail.mta`` of one task.

    Args:
        lateness_us: how much older than the newest event of its source an event may be, µs.
        silence_us: how long nothing must come of a source until it is taken to go on, µs.

    """

    def __init__(self, lateness_us: int, silence_us: int) -> None:
        self.names: list[str] = []
        self._numbers: dict[str, int] = {}
        self._lateness_us, self._silence_us = lateness_us, silence_us
        self._newest_us = np.full(16, BEFORE_ALL, dtype=np.int64)
        """Newest event time of each source."""
        self._known_us = np.full(16, BEFORE_ALL, dtype=np.int64)
        """Watermark of each source; it never falls."""
        self._heard_us = np.full(16, BEFORE_ALL, dtype=np.int64)
        """When something came of each source last, by the broker's clock."""
        self._progress: dict[str, int] = {}
        self._spoken_us = BEFORE_ALL
        """When any source last said so, by the broker's clock."""
        self._saying: set[str] = set()
        """Names of the sources that say how far their logs are published."""

    def number(self, name: str) -> int:
        """The number of a source; a new source gets the next one."""
        known = self._numbers.get(name)
        if known is None:
            known = self._numbers[name] = len(self.names)
            self.names.append(name)
            if known >= len(self._newest_us):
                for column in ("_newest_us", "_known_us", "_heard_us"):
                    old = getattr(self, column)
                    setattr(
                        self, column, np.append(old, np.full(len(old), BEFORE_ALL, dtype=np.int64))
                    )
            self._known_us[known] = self._progress.get(name, BEFORE_ALL)
        return known

    def numbers(self, names: Sequence[str]) -> list[int]:
        """The numbers of some sources; see `number`."""
        return [self.number(name) for name in names]

    def known_us(self, source: int) -> int:
        """The watermark of a source, event time in µs."""
        return int(self._known_us[source])

    def least_known_us(self, heard_us: int) -> int:
        """The least watermark of the sources that are not silent; `BEFORE_ALL` without one.

        Args:
            heard_us: the present time of the broker's clock.

        """
        # Who speaks for itself is silent when others have spoken long since: its own word comes by
        # another way than mail, and may be on its way.
        present = self._present_us(heard_us, self._spoken_us)
        known = self._known_us[: len(self.names)][self._active(present)]
        return int(known.min()) if len(known) else BEFORE_ALL

    def least_newest_us(self, heard_us: int) -> int:
        """The least newest event time of the sources that are not silent, or `BEFORE_ALL`."""
        count = len(self.names)
        newest = self._newest_us[:count][self._active(heard_us)]
        return int(newest.min()) if len(newest) else BEFORE_ALL

    def all_known_us(self) -> Int64s:
        """The watermark of each source, by its number."""
        return self._known_us[: max(1, len(self.names))].copy()

    def frontiers(self, sources: Int64s, believed_us: Int64s, heard_us: Int64s) -> Int64s:
        """The least of the newest event times of the sources not silent, at each record.

        To be asked before `take`; arguments as there.
        """
        count = len(heard_us)
        found = np.full(count, FOREVER, dtype=np.int64)
        moments = np.arange(count)
        order = grouped(sources)
        starts = group_starts(sources[order])
        names = sources[order[starts]].tolist()
        own = dict(zip(names, np.split(order, starts[1:]), strict=True))
        for source in range(len(self.names)):
            if source not in own:
                if self._heard_us[source] > BEFORE_ALL:
                    active = self._heard_us[source] + self._silence_us >= heard_us
                    np.minimum(found, np.where(active, self._newest_us[source], FOREVER), out=found)
                continue
            places = own[source]
            newest = np.maximum.accumulate(np.append(self._newest_us[source], believed_us[places]))
            heard = np.append(self._heard_us[source], heard_us[places])
            at = np.searchsorted(places, moments, side="right")
            active = (heard[at] > BEFORE_ALL) & (heard[at] + self._silence_us >= heard_us)
            np.minimum(found, np.where(active, newest[at], FOREVER), out=found)
        return np.where(found == FOREVER, BEFORE_ALL, found)

    def _present_us(self, heard_us: int, told_us: int) -> Int64s:
        """By which time each source is silent: by mail's, or by that of what sources say."""
        count = len(self.names)
        present = np.full(count, heard_us, dtype=np.int64)
        if self._saying:
            saying = np.fromiter((name in self._saying for name in self.names), bool, count)
            present[saying] = min(heard_us, told_us)
        return present

    def _active(self, heard_us: int | Int64s) -> npt.NDArray[np.bool_]:
        heard = self._heard_us[: len(self.names)]
        result: npt.NDArray[np.bool_] = (heard > BEFORE_ALL) & (
            heard + self._silence_us >= heard_us
        )
        return result

    def take(
        self, sources: Int64s, believed_us: Int64s, heard_us: Int64s, clocks_us: Int64s
    ) -> dict[int, Watermarks]:
        """Take note of a batch; how each source's watermark grows over its records.

        Args:
            sources: number of the source of each record.
            believed_us: event time of each, 0 where it must not move time.
            heard_us: when the broker received each.
            clocks_us: event time that mail has come to before each, idle time included.

        """
        found: dict[int, Watermarks] = {}
        order = grouped(sources)
        starts = group_starts(sources[order])
        names, ends = sources[order[starts]].tolist(), np.append(starts[1:], len(order))
        for source, start, end in zip(names, starts.tolist(), ends.tolist(), strict=True):
            places = order[start:end]
            newest = np.maximum.accumulate(believed_us[places])
            known = np.maximum(newest - self._lateness_us, self._known_us[source])
            places, known = self._through_silence(source, places, known, heard_us, clocks_us)
            self._newest_us[source] = max(int(newest[-1]), int(self._newest_us[source]))
            self._known_us[source] = known[-1]
            self._heard_us[source] = max(int(heard_us[order[end - 1]]), int(self._heard_us[source]))
            found[source] = Watermarks(places, known)
        return found

    def _through_silence(
        self, source: int, places: Int64s, known: Int64s, heard_us: Int64s, clocks_us: Int64s
    ) -> tuple[Int64s, Int64s]:
        """The same watermarks, moved on with all others' time where the source was silent."""
        if self.names[source] in self._saying:
            return places + 1, known  # what it says comes by another way, maybe later
        since = np.concatenate([self._heard_us[source : source + 1], heard_us[places]])
        heard = np.concatenate([heard_us[places], heard_us[-1:]])
        silent = np.flatnonzero((heard - since > self._silence_us) & (since > BEFORE_ALL))
        if len(silent) == 0:
            return places + 1, known
        # It goes on from there up to its next record, which may be what ends the silence.
        begins = np.searchsorted(heard_us, since[silent] + self._silence_us, side="right")
        ends = np.append(places + 1, len(heard_us))[silent]
        between = [
            np.arange(begin, end)
            for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)
            if begin < end
        ]
        if not between:
            return places + 1, known
        gone_on = np.concatenate(between)
        places = np.concatenate([places + 1, gone_on])
        known = np.concatenate([known, clocks_us[gone_on]])
        order = np.argsort(places, kind="stable")
        return places[order], np.maximum.accumulate(known[order])

    def heard(self) -> Iterator[tuple[str, int]]:
        """Each source that was ever heard of, and when last, by the broker's clock."""
        for name, heard_us in zip(self.names, self._heard_us.tolist(), strict=False):
            if heard_us > BEFORE_ALL:
                yield name, heard_us

    def silent(self, heard_us: int, told_us: int) -> list[int]:
        """The sources of which nothing has come for long.

        Args:
            heard_us: up to when mail has come, by the broker's clock.
            told_us: up to when it is known what sources say of their logs.

        """
        count = len(self.names)
        long_ago = self._heard_us[:count] + self._silence_us < self._present_us(heard_us, told_us)
        return np.flatnonzero(long_ago & (self._heard_us[:count] > BEFORE_ALL)).tolist()

    def go_on(self, source: int, to_us: int) -> bool:
        """Everything of a source up to an instant is known; whether that is news."""
        if to_us <= self._known_us[source]:
            return False
        self._known_us[source] = to_us
        return True

    def says(self, name: str) -> None:
        """A source is one that says how far its log is published."""
        self._saying.add(name)

    def hushed(self, heard_us: int) -> list[int]:
        """Of the sources that say how far their logs are published, those long silent by now."""
        if not self._saying:
            return []
        found = self.silent(heard_us, heard_us)
        return [one for one in found if self.names[one] in self._saying]

    def progress(self, name: str, to_us: int, heard_us: int) -> int | None:
        """A source says that everything up to an instant has been published; it is not silent.

        Args:
            name: of the source.
            to_us: the instant.
            heard_us: when the broker received that.

        Returns:
            Its number, if it is known and the statement is news.

        """
        self._progress[name] = max(to_us, self._progress.get(name, to_us))
        self._spoken_us = max(heard_us, self._spoken_us)
        source = self._numbers.get(name)
        if source is None:
            return None
        if self._heard_us[source] > BEFORE_ALL:
            self._heard_us[source] = max(heard_us, int(self._heard_us[source]))
        return source if self.go_on(source, to_us) else None

    def export(self) -> list[list[Any]]:
        """Name, newest, known and heard of each source, for the state."""
        count = len(self.names)
        return [
            list(row)
            for row in zip(
                self.names,
                self._newest_us[:count].tolist(),
                self._known_us[:count].tolist(),
                self._heard_us[:count].tolist(),
                strict=True,
            )
        ]

    def restore(self, rows: Iterable[list[Any]]) -> None:
        """Take up what `export` gave."""
        for name, newest_us, known_us, heard_us in rows:
            source = self.number(name)
            self._newest_us[source], self._heard_us[source] = newest_us, heard_us
            self._known_us[source] = max(known_us, int(self._known_us[source]))
