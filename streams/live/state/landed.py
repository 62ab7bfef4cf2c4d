"""Which events of a task's tenants have landed: under one (``source``, ``id``) the first counts."""

from typing import Final
from zlib import crc32

from mailsla.schemas.codec.columns import arrow_schema
from mailsla.schemas.registry import TYPES
from mailsla.schemas.topics import EVENT_TOPICS
from mailsla.streams.clauses.facts.base import Fact, SeenEvents

_FIELDS: Final = {topic.name: tuple(arrow_schema(topic.name).names) for topic in EVENT_TOPICS}
_WIDTH: Final = max(len(names) for names in _FIELDS.values())


class LandedEvents:
    """Events of all topics but ``mail.mta``, whoever's and in whatever month, until forgotten.

    Of each are kept 64 bits that stand for topic, source and id, its time, and a byte for each
    field, so that one difference in 255 goes without notice (never the identity).
    """

    def __init__(self) -> None:
        self._seen = SeenEvents(_WIDTH)

    def take(self, fact: Fact) -> tuple[str, ...]:
        """Note an event that lands.

        Returns:
            The fields in which it differs from the one that landed first under its source and id;
            none where it is the first, or the same again.

        """
        topic = TYPES[fact["type"]].topic
        key, marks = hash((topic, fact["source"], fact["id"])), _marks(fact, topic)
        first = self._seen.first(key, fact["time"], marks)
        if first is None or first == marks:
            return ()
        fields = zip(_FIELDS[topic], first, marks, strict=False)
        return tuple(name for name, before, now in fields if before != now)

    def forget(self, before_us: int) -> None:
        """Drop events from before an instant."""
        self._seen.forget(before_us)


def _marks(fact: Fact, topic: str) -> bytes:
    """A byte for each field of the topic, 0 where it is absent; the rest is 0."""
    values = map(fact.get, _FIELDS[topic])
    marks = [0 if each is None else crc32(str(each).encode()) % 255 + 1 for each in values]
    return bytes(marks).ljust(_WIDTH, b"\0")
