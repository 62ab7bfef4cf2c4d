"""Which finished messages took too long: their references, so that a breach can name them.

Only as many as evidence may have are kept, of each series and stretch of 31 days the first ones
in the order of the log.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from streams.latency.messages import Int64s, Rows, UInt64s
from streams.windows.calendar import DAY

_MOST: Final = 20
_STRETCH_US: Final = 31 * DAY

Entry = tuple[int, int, int, int, str]
"""series, key, accepted, finished (µs), ``source#id`` of the event that finished it"""


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A message that took too long; ``reference`` names the event that finished it."""

    accepted_us: int
    finished_us: int
    reference: str


class Exceeding:
    """The first messages of every series that exceeded the limit."""

    def __init__(self) -> None:
        self._held: dict[tuple[int, int], dict[int, Exceeded]] = {}
        self._place: dict[int, tuple[int, int]] = {}
        self._news: set[int] = set()

    def note(self, rows: Rows, limits_us: Int64s, name: Callable[[int], str]) -> None:
        """Take messages that have just finished.

        Args:
            rows: in log order.
            limits_us: the longest latency allowed to each.
            name: the reference of a row's event, by its place among them.

        """
        over = (rows["finished_us"] - rows["accepted_us"] > limits_us) & ~rows["liable"]
        for place in over.nonzero()[0].tolist():
            row = rows[place]
            entry = int(row["series"]), int(row["key"]), int(row["accepted_us"])
            if self._take((*entry, int(row["finished_us"]), name(place))):
                self._news.add(entry[1])

    def drop(self, keys: UInt64s) -> None:
        """Forget messages that turn out to have finished earlier."""
        for key in keys.tolist() if self._place else ():
            if place := self._place.pop(key, None):
                del self._held[place][key]
                self._news.discard(key)

    def of(self, series: Iterable[int], start_us: int, end_us: int) -> Iterator[Exceeded]:
        """Those of some series that were accepted in ``[start_us, end_us)``."""
        for one in series:
            for stretch in range(start_us // _STRETCH_US, end_us // _STRETCH_US + 1):
                for each in self._held.get((one, stretch), {}).values():
                    if start_us <= each.accepted_us < end_us:
                        yield each

    def take_news(self) -> list[Entry]:
        """What is held since the last call, to be kept with the state."""
        news: list[Entry] = []
        for key in sorted(self._news):
            place = self._place[key]
            each = self._held[place][key]
            news.append((place[0], key, each.accepted_us, each.finished_us, each.reference))
        self._news.clear()
        return news

    def restore(self, entries: Iterable[Entry]) -> None:
        """Take up what a former life kept."""
        for entry in entries:
            self._take(entry)

    def _take(self, entry: Entry) -> bool:
        series, key, accepted_us, finished_us, reference = entry
        place = series, accepted_us // _STRETCH_US
        held = self._held.setdefault(place, {})
        if len(held) == _MOST:
            return False
        held[key] = Exceeded(accepted_us, finished_us, reference)
        self._place[key] = place
        return True
