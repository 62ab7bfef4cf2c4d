"""Which events of a task's tenants have landed: under one (``source``, ``id``) the first counts."""

from collections import Counter
from typing import Final
from zlib import crc32

from mailsla.schemas.codec.columns import arrow_schema
from mailsla.schemas.codec.records import OVER_QUOTA, Rejection
from mailsla.schemas.registry import TYPES
from mailsla.schemas.topics import EVENT_TOPICS
from mailsla.streams.clauses.facts.base import Fact, SeenEvents

_FIELDS: Final = {topic.name: tuple(arrow_schema(topic.name).names) for topic in EVENT_TOPICS}
_DAY_US: Final = 86_400_000_000
QUOTA: Final = Rejection(
    f"{OVER_QUOTA}: as many of this tenant and day as MAILSLA_TENANT_EVENTS allows are known",
    "tenant_id",
)
_WIDTH: Final = max(len(names) for names in _FIELDS.values())


class LandedEvents:
    """Events of all topics but ``mail.mta``, whoever's and in whatever month, until forgotten.

    Of each are kept 64 bits that stand for topic, source and id, its time, and a byte for each
    field, so that one difference in 255 goes without notice (never the identity).

    Args:
        most_a_day: for so many of one tenant and UTC day of event time there is room; 0: for all.

    """

    def __init__(self, most_a_day: int = 0) -> None:
        self._seen = SeenEvents(_WIDTH)
        self._most_a_day = most_a_day
        self._of_day = Counter[tuple[str, int]]()

    def has_room(self, fact: Fact) -> bool:
        """Whether an event is taken: it is known already, or one more of its day may come."""
        if not self._most_a_day or self._of_day[_day(fact)] < self._most_a_day:
            return True
        return self._seen.has(_key(fact))

    def take(self, fact: Fact) -> tuple[str, ...]:
        """Note an event that lands.

        Returns:
            The fields in which it differs from the one that landed first under its source and id;
            none where it is the first, or the same again.

        """
        topic = TYPES[fact["type"]].topic
        marks = _marks(fact, topic)
        first = self._seen.first(_key(fact), fact["time"], marks)
        if first is None and self._most_a_day:
            self._of_day[_day(fact)] += 1
        if first is None or first == marks:
            return ()
        fields = zip(_FIELDS[topic], first, marks, strict=False)
        return tuple(name for name, before, now in fields if before != now)

    def forget(self, before_us: int) -> None:
        """Drop events from before an instant."""
        self._seen.forget(before_us)
        for day in [one for one in self._of_day if (one[1] + 1) * _DAY_US <= before_us]:
            del self._of_day[day]


def _key(fact: Fact) -> int:
    return hash((TYPES[fact["type"]].topic, fact["source"], fact["id"]))


def _day(fact: Fact) -> tuple[str, int]:
    return fact["tenant_id"], fact["time"] // _DAY_US


def _marks(fact: Fact, topic: str) -> bytes:
    """A byte for each field of the topic, 0 where it is absent; the rest is 0."""
    values = map(fact.get, _FIELDS[topic])
    marks = [0 if each is None else crc32(str(each).encode()) % 255 + 1 for each in values]
    return bytes(marks).ljust(_WIDTH, b"\0")
