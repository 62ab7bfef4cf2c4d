"""Which finished messages took too long: their references, so that a breach can name them.

Only as many as evidence may have are kept, of each series and stretch of 31 days the first ones
in the order of the log.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from mailsla.streams.time.calendar import DAY

_MOST: Final = 20
_STRETCH_US: Final = 31 * DAY

Entry = tuple[int, int, int, int, str]
"""series, key, accepted, finished (µs), ``source#id`` of the event that told of it"""

_Shelf = tuple[int, int]
"""series, number of the stretch"""


@dataclass(frozen=True, slots=True)
class SlowMessage:
    """A message that took too long; ``reference`` names an event that told of it."""

    accepted_us: int
    finished_us: int
    reference: str


class SlowMessages:
    """The first messages of every series that took longer than the maximum latency."""

    def __init__(self) -> None:
        self._held: dict[_Shelf, dict[int, SlowMessage]] = {}
        self._shelf: dict[int, _Shelf] = {}
        """Key → where it stands, in the order of the log."""
        self._unsaved: dict[int, None] = {}
        """In that order, too."""
        self._dropped: set[int] = set()
        """Those that the state still has."""

    def add(self, entry: Entry, saved: bool = False) -> None:
        """Take a message that has finished, in log order; ``saved`` says that the state has it.

        One without a reference is forgotten again.
        """
        series, key, accepted_us, finished_us, reference = entry
        if not reference:
            self.drop(key)
            self._dropped.discard(key)
            return
        shelf = series, accepted_us // _STRETCH_US
        held = self._held.setdefault(shelf, {})
        if len(held) == _MOST or key in held:
            return
        held[key] = SlowMessage(accepted_us, finished_us, reference)
        self._shelf[key] = shelf
        if not saved:
            self._unsaved[key] = None

    def drop(self, key: int) -> None:
        """Forget a message that turns out to have finished earlier, or not to count."""
        shelf = self._shelf.pop(key, None)
        if shelf is not None:
            del self._held[shelf][key]
            if key in self._unsaved:
                del self._unsaved[key]
            else:
                self._dropped.add(key)

    def of(self, series: Iterable[int], start_us: int, end_us: int) -> Iterator[SlowMessage]:
        """Those of some series that were accepted in ``[start_us, end_us)``."""
        for one in series:
            for stretch in range(start_us // _STRETCH_US, end_us // _STRETCH_US + 1):
                for message in self._held.get((one, stretch), {}).values():
                    if start_us <= message.accepted_us < end_us:
                        yield message

    def forget(self, before_us: int) -> None:
        """Drop the messages accepted before an instant."""
        old = [shelf for shelf in self._held if (shelf[1] + 1) * _STRETCH_US <= before_us]
        for shelf in old:
            for key in self._held.pop(shelf):
                self._shelf.pop(key, None)
                self._unsaved.pop(key, None)

    def take_unsaved(self, everything: bool = False) -> list[Entry]:
        """What the state does not have yet, or everything, in the order of the log."""
        keys = list(self._shelf if everything else self._unsaved)
        entries: list[Entry] = [(0, key, 0, 0, "") for key in sorted(self._dropped)]
        self._dropped.clear()
        for key in keys:
            shelf = self._shelf[key]
            one = self._held[shelf][key]
            entries.append((shelf[0], key, one.accepted_us, one.finished_us, one.reference))
        self._unsaved.clear()
        return entries
