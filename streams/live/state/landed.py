"""Which events of a task's tenants have landed: under one (``source``, ``id``) the first counts."""

from collections.abc import Iterator
from typing import Final
from zlib import crc32

import numpy as np
import numpy.typing as npt

from schemas.codec.columns import arrow_schema
from schemas.registry import TYPES
from schemas.topics import EVENT_TOPICS
from streams.clauses.facts.base import Fact

_FIELDS: Final = {topic.name: tuple(arrow_schema(topic.name).names) for topic in EVENT_TOPICS}
_WIDTH: Final = max(len(names) for names in _FIELDS.values())
_RECENT: Final = 8_192
_SEEN: Final = np.dtype([("key", np.int64), ("time", np.int64), ("marks", np.uint8, _WIDTH)])


class LandedEvents:
    """Events of all topics but ``mail.mta``, whoever's and in whatever month, until forgotten.

    Of each are kept 64 bits that stand for topic, source and id, its time, and a byte for each
    field, so that one difference in 255 goes without notice (never the identity).
    """

    def __init__(self) -> None:
        self._recent: dict[int, tuple[int, bytes]] = {}
        self._settled = np.empty(0, dtype=_SEEN)

    def take(self, fact: Fact) -> tuple[str, ...]:
        """Note an event that lands.

        Returns:
            The fields in which it differs from the one that landed first under its source and id;
            none where it is the first, or the same again.

        """
        topic = TYPES[fact["type"]].topic
        key, marks = hash((topic, fact["source"], fact["id"])), bytes(_marks(fact, topic))
        first = self._first(key)
        if first is None:
            self._recent[key] = fact["time"], marks
            if len(self._recent) >= _RECENT + len(self._settled) // 8:
                self._settle()
            return ()
        names = _FIELDS[topic]
        return tuple(names[at] for at in range(len(names)) if first[at] != marks[at])

    def forget(self, before_us: int) -> None:
        """Drop events from before an instant."""
        self._settle()
        self._settled = self._settled[self._settled["time"] >= before_us]

    def _first(self, key: int) -> bytes | npt.NDArray[np.uint8] | None:
        if key in self._recent:
            return self._recent[key][1]
        place = int(self._settled["key"].searchsorted(key))
        if place < len(self._settled) and int(self._settled["key"][place]) == key:
            marks: npt.NDArray[np.uint8] = self._settled["marks"][place]
            return marks
        return None

    def _settle(self) -> None:
        recent = np.zeros(len(self._recent), dtype=_SEEN)
        for at, (key, (time_us, marks)) in enumerate(self._recent.items()):
            recent[at] = key, time_us, np.frombuffer(marks, dtype=np.uint8)
        together = np.concatenate((self._settled, recent))
        self._settled = together[np.argsort(together["key"])]
        self._recent.clear()


def _marks(fact: Fact, topic: str) -> Iterator[int]:
    """A byte for each field of the topic, 0 where it is absent; the rest is 0."""
    for name in _FIELDS[topic]:
        value = fact.get(name)
        yield 0 if value is None else crc32(str(value).encode()) % 255 + 1
    yield from bytes(_WIDTH - len(_FIELDS[topic]))
