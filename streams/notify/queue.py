"""What a route has read and not yet delivered, and up to where it may be forgotten. Pure.

An offset may be committed when everything before it is delivered or not wanted. So a crash sends
some things once more, and loses none.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from mailsla.streams.notify.events import News

Place = tuple[str, int]
"""Topic, partition."""

LONGEST: Final = 1_000
"""So many wait in memory for one partition; the rest at the broker."""


@dataclass(frozen=True)
class Waiting:
    """News that are to be delivered, and when they were published, ms since 1970."""

    offset: int
    news: News
    published_ms: int


@dataclass
class Queue:
    """What waits of one route, by partition in order of offsets."""

    _waiting: dict[Place, list[Waiting]] = field(default_factory=dict)
    _read: dict[Place, int] = field(default_factory=dict)
    _committed: dict[Place, int] = field(default_factory=dict)

    def read(self, place: Place, offset: int, waiting: Waiting | None) -> None:
        """A record was read; ``waiting``: it is to be delivered."""
        self._read[place] = offset + 1
        if waiting is not None:
            self._waiting.setdefault(place, []).append(waiting)

    def of(self, place: Place) -> list[Waiting]:
        """What waits of one partition."""
        return self._waiting.get(place, [])

    def places(self) -> list[Place]:
        """The partitions of which something waits."""
        return [place for place, waiting in self._waiting.items() if waiting]

    def everything(self) -> list[tuple[Place, Waiting]]:
        """All that waits, in the order in which it was published."""
        found = [(place, one) for place, waiting in self._waiting.items() for one in waiting]
        return sorted(found, key=lambda each: (each[1].published_ms, each[0], each[1].offset))

    def done(self, place: Place, delivered: Iterable[int]) -> None:
        """Offsets that need not be delivered any more."""
        gone = set(delivered)
        self._waiting[place] = [one for one in self.of(place) if one.offset not in gone]

    def full(self) -> list[Place]:
        """The partitions from which nothing more is to be read now."""
        return [place for place, waiting in self._waiting.items() if len(waiting) >= LONGEST]

    def to_commit(self) -> Mapping[Place, int]:
        """The next offsets that are not committed yet."""
        found = {}
        for place, offset in self._read.items():
            waiting = self.of(place)
            safe = waiting[0].offset if waiting else offset
            if self._committed.get(place) != safe:
                found[place] = safe
        return found

    def committed(self, offsets: Mapping[Place, int]) -> None:
        """The broker has these offsets."""
        self._committed.update(offsets)

    def forget(self) -> None:
        """The partitions may be somebody else's now, who reads on from what is committed."""
        self._waiting.clear()
        self._read.clear()
        self._committed.clear()

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))
