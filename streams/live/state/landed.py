"""Which events have landed, and which of them do not count.

Under one (``source``, ``id``) the first counts, and what is voided does not, whichever of the two
came first. What clauses remember is no list of events; so when one is taken out, the others of its
topic are taken anew.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final
from zlib import crc32

import cramjam
import orjson

from mailsla.schemas.codec.columns import arrow_schema
from mailsla.schemas.codec.records import OVER_QUOTA, Rejection
from mailsla.schemas.registry import TYPES
from mailsla.schemas.topics import EVENT_TOPICS, SUPPORT
from mailsla.streams.clauses.facts.base import Fact, SeenEvents
from mailsla.streams.clauses.registry import reach_of_topic
from mailsla.streams.time.intervals import BEFORE_ALL, FOREVER

VOIDED: Final = "event.voided"
HEARTBEAT: Final = "monitor.heartbeat"

_FIELDS: Final = {topic.name: tuple(arrow_schema(topic.name).names) for topic in EVENT_TOPICS}
_DAY_US: Final = 86_400_000_000
QUOTA: Final = Rejection(
    f"{OVER_QUOTA}: as many of this tenant and day as MAILSLA_TENANT_EVENTS allows are known",
    "tenant_id",
)
_WIDTH: Final = max(len(names) for names in _FIELDS.values())
_OWNER_BYTES: Final = 4
_REACHES: Final = {topic.name: reach_of_topic(topic.name) for topic in EVENT_TOPICS}
_PACKED: Final = 64
"""Facts that are compressed together."""

_Identity = tuple[str, str, str]
"""topic, source, id"""


def matters_until_us(fact: Fact) -> int:
    """Until when a fact matters: its time, and how far beyond a month it can reach."""
    if fact["type"] == HEARTBEAT:
        return int(fact["time"])
    topic = topic_of(fact)
    if topic == SUPPORT.name:
        return FOREVER  # a channel keeps its last state
    return int(fact["time"]) + _REACHES[topic]


def topic_of(fact: Fact) -> str:
    """The topic that carries facts of this type."""
    topic: str = TYPES[fact["type"]].topic
    return topic


def voided_by(voiding: Fact) -> _Identity:
    """What an ``event.voided`` takes out: topic, source, id."""
    return voiding["voids_topic"], voiding["voids_source"], voiding["voids_id"]


def encode_fact(fact: Fact) -> bytes:
    """A fact as JSON; amounts are decimal strings."""
    return orjson.dumps(fact, default=str)


@dataclass(slots=True)
class _Packs:
    """Facts of one owner in order of arrival, as lines of JSON: all but the last are compressed.

    Of each pack is kept until when it matters, µs.
    """

    packs: list[tuple[int, bytes]] = field(default_factory=list)
    loose: list[bytes] = field(default_factory=list)
    until_us: int = BEFORE_ALL
    """Of those that are not compressed yet."""

    def add(self, fact: Fact, until_us: int) -> None:
        self.loose.append(encode_fact(fact))
        self.until_us = max(self.until_us, until_us)
        if len(self.loose) == _PACKED:
            packed = bytes(cramjam.zstd.compress(b"\n".join(self.loose), level=1))
            self.packs.append((self.until_us, packed))
            self.loose, self.until_us = [], BEFORE_ALL

    def lines(self) -> Iterator[bytes]:
        for _, packed in self.packs:
            yield from bytes(cramjam.zstd.decompress(packed)).split(b"\n")
        yield from self.loose

    def forget(self, before_us: int) -> None:
        self.packs = [pack for pack in self.packs if pack[0] >= before_us]
        if self.until_us < before_us:
            self.loose = []


class LandedEvents:
    """Events of all topics but ``mail.mta``, by owners, who have numbers, until forgotten.

    Of each are kept 64 bits that stand for topic, source and id, until when it matters, a byte for
    each field, so that one difference in 255 goes without notice (never the identity), its owner,
    and the event itself, compressed.

    Args:
        most_a_day: for so many of one tenant and UTC day of event time there is room; 0: for all.

    """

    def __init__(self, most_a_day: int = 0) -> None:
        self._most_a_day = most_a_day
        self._of_day = Counter[tuple[str, int]]()
        self._seen = SeenEvents(_WIDTH + _OWNER_BYTES)
        self._packs: dict[tuple[int, str, bool], _Packs] = {}
        """Owner, topic, whether heartbeats: they matter less long."""
        self._voided: dict[_Identity, int] = {}
        """What does not count → until when that matters, µs."""

    def has_room(self, fact: Fact) -> bool:
        """Whether an event is taken: it is known already, or one more of its day may come."""
        if not self._most_a_day or self._of_day[_day(fact)] < self._most_a_day:
            return True
        return self._seen.known(hash(_identity(fact))) is not None

    def take(self, fact: Fact, owner_of: Callable[[str], int]) -> tuple[str, ...]:
        """Note an event that lands.

        Args:
            fact: the event.
            owner_of: the number of whom events of a tenant belong to.

        Returns:
            The fields in which it differs from the one that landed first under its source and id;
            none where it is the first, or the same again.

        """
        topic = topic_of(fact)
        key, marks = hash(_identity(fact)), _marks(fact, topic)
        kept = self._seen.known(key)
        if kept is None:
            owner, heartbeat = owner_of(fact["tenant_id"]), fact["type"] == HEARTBEAT
            until_us = matters_until_us(fact)
            remembered_us = fact["time"] if until_us == FOREVER else until_us
            self._seen.add(key, remembered_us, marks + owner.to_bytes(_OWNER_BYTES, "big"))
            self._packs.setdefault((owner, topic, heartbeat), _Packs()).add(fact, until_us)
            if self._most_a_day:
                self._of_day[_day(fact)] += 1
            return ()
        first = kept[:_WIDTH]
        if first == marks:
            return ()
        fields = zip(_FIELDS[topic], first, marks, strict=False)
        return tuple(name for name, before, now in fields if before != now)

    def counts(self, fact: Fact) -> bool:
        """Whether nothing that has come so far voids an event."""
        return not self._voided or _identity(fact) not in self._voided

    def voided(self, topic: str) -> set[tuple[str, str]]:
        """Source and id of each event of a topic that does not count, landed or not."""
        return {(source, id_) for of, source, id_ in self._voided if of == topic}

    def void(self, voiding: Fact) -> bool:
        """Take an event out, whether it has landed or not; whether it counted, or would have."""
        until_us = matters_until_us(voiding)
        before_us = self._voided.get(voided_by(voiding), BEFORE_ALL)
        self._voided[voided_by(voiding)] = max(before_us, until_us)
        return before_us == BEFORE_ALL

    def find(self, voiding: Fact) -> Fact | None:
        """The event that a voiding names, if it has landed."""
        topic, _, id_ = identity = voided_by(voiding)
        kept = self._seen.known(hash(identity))
        if kept is None:
            return None
        owner, named = int.from_bytes(kept[_WIDTH:], "big"), orjson.dumps(id_)
        for line in self._lines(owner, topic):
            if named in line:
                fact: Fact = orjson.loads(line)
                if _identity(fact) == identity:
                    return fact
        return None

    def counted(self, owner: int, topic: str) -> Iterator[Fact]:
        """The events of an owner and a topic that count, in the order in which they landed."""
        for line in self._lines(owner, topic):
            fact: Fact = orjson.loads(line)
            if self.counts(fact):
                yield fact

    def _lines(self, owner: int, topic: str) -> Iterator[bytes]:
        for heartbeat in (False, True):
            if (packs := self._packs.get((owner, topic, heartbeat))) is not None:
                yield from packs.lines()

    def forget(self, before_us: int) -> None:
        """Drop what no month that begins at or after an instant can need."""
        self._seen.forget(before_us)
        for day in [one for one in self._of_day if (one[1] + 1) * _DAY_US <= before_us]:
            del self._of_day[day]
        self._voided = {each: until for each, until in self._voided.items() if until >= before_us}
        for key, packs in list(self._packs.items()):
            packs.forget(before_us)
            if not packs.packs and not packs.loose:
                del self._packs[key]


def _identity(fact: Fact) -> _Identity:
    return topic_of(fact), fact["source"], fact["id"]


def _day(fact: Fact) -> tuple[str, int]:
    return fact["tenant_id"], fact["time"] // _DAY_US


def _marks(fact: Fact, topic: str) -> bytes:
    """A byte for each field of the topic, 0 where it is absent; the rest is 0."""
    values = map(fact.get, _FIELDS[topic])
    marks = [0 if each is None else crc32(str(each).encode()) % 255 + 1 for each in values]
    return bytes(marks).ljust(_WIDTH, b"\0")
