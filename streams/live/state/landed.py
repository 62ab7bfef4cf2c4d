"""Which events have landed, and which of them do not count.

Under one (``source``, ``id``) the first counts, and what is voided does not, whichever of the two
came first. What clauses remember is no list of events; so when one is taken out, the others of its
topic are taken anew.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from struct import Struct
from typing import Final, NamedTuple

import cramjam
import numpy as np
import orjson

from mailsla.schemas.codec.columns import arrow_schema
from mailsla.schemas.codec.records import OVER_QUOTA, Rejection
from mailsla.schemas.facts.fact import Fact
from mailsla.schemas.facts.lines import decode_fact
from mailsla.schemas.facts.ops import EventVoidedFact, MonitorHeartbeatFact
from mailsla.schemas.topics import EVENT_TOPICS, SUPPORT
from mailsla.streams.clauses.registry import reach_of_topic
from mailsla.streams.time.intervals import BEFORE_ALL, FOREVER

_FIELDS: Final = {topic.name: tuple(arrow_schema(topic.name).names) for topic in EVENT_TOPICS}
_DAY_US: Final = 86_400_000_000
QUOTA: Final = Rejection(
    f"{OVER_QUOTA}: as many of this tenant and day as MAILSLA_TENANT_EVENTS allows are known",
    "tenant_id",
)
_KEPT: Final = Struct("<qII")
"""What is kept of each event: a hash of its line, its shelf, and its pack there."""
_REACHES: Final = {topic.name: reach_of_topic(topic.name) for topic in EVENT_TOPICS}
_PACKED: Final = 64
"""Facts that are compressed together."""
_RECENT: Final = 8_192
"""Events that are looked up in a dict, at the least; the others in sorted arrays."""

_Identity = tuple[str, str, str]
"""topic, source, id"""


class FactLanding(NamedTuple):
    """Whether an event is the first of its source and id, and in which fields it differs if not."""

    is_new: bool
    differing: tuple[str, ...] = ()


_NEW: Final = FactLanding(True)
_AGAIN: Final = FactLanding(False)


def matters_until_us(fact: Fact) -> int:
    """Until when a fact matters: its time, and how far beyond a month it can reach."""
    if isinstance(fact, MonitorHeartbeatFact):
        return fact.time
    if fact.topic == SUPPORT.name:
        return FOREVER  # a channel keeps its last state
    return fact.time + _REACHES[fact.topic]


class _SeenEvents:
    """Which events have been taken, by a 64-bit hash, with their times and some bytes of each.

    Among a million events two share a hash with a probability of 3e-8.

    Args:
        width: how many bytes are kept of each, besides 16 for its hash and time.

    """

    def __init__(self, width: int) -> None:
        self._recent: dict[int, int] = {}
        self._recent_bytes: dict[int, bytes] = {}
        self._keys = np.empty(0, dtype=np.int64)
        self._times = np.empty(0, dtype=np.int64)
        self._bytes = np.empty((0, width), dtype=np.uint8)

    def known(self, key: int) -> bytes | None:
        """What is kept of the event with a hash; None if there is none."""
        if key in self._recent_bytes:
            return self._recent_bytes[key]
        place = int(self._keys.searchsorted(key))
        if place < len(self._keys) and int(self._keys[place]) == key:
            return bytes(self._bytes[place])
        return None

    def add(self, key: int, time_us: int, more: bytes) -> None:
        """Know an event by its hash from now on, and keep so many bytes of it."""
        self._recent[key] = time_us
        self._recent_bytes[key] = more
        if len(self._recent) >= _RECENT + len(self._keys) // 8:
            self._merge()

    def forget(self, before_us: int) -> None:
        """Drop events from before an instant."""
        self._merge()
        keep = self._times >= before_us
        self._keys, self._times = self._keys[keep], self._times[keep]
        self._bytes = self._bytes[keep]

    def _merge(self) -> None:
        count = len(self._recent)
        keys = np.fromiter(self._recent.keys(), dtype=np.int64, count=count)
        times = np.fromiter(self._recent.values(), dtype=np.int64, count=count)
        more = np.frombuffer(b"".join(self._recent_bytes.values()), dtype=np.uint8)
        keys = np.concatenate((self._keys, keys))
        times = np.concatenate((self._times, times))
        more = np.concatenate((self._bytes, more.reshape(count, self._bytes.shape[1])))
        order = np.argsort(keys)
        self._keys, self._times, self._bytes = keys[order], times[order], more[order]
        self._recent.clear()
        self._recent_bytes.clear()


@dataclass(slots=True)
class _Packs:
    """Facts of one shelf and topic in order of arrival, as lines: all but the last are compressed.

    Of each pack is kept until when it matters, µs.
    """

    packs: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    number: int = 0
    """Of the pack that is not compressed yet."""
    loose: list[bytes] = field(default_factory=list)
    until_us: int = BEFORE_ALL
    """Of those that are not compressed yet."""

    def add(self, line: bytes, until_us: int) -> int:
        """Add a line; the number of its pack."""
        number = self.number
        self.loose.append(line)
        self.until_us = max(self.until_us, until_us)
        if len(self.loose) == _PACKED:
            packed = bytes(cramjam.zstd.compress(b"\n".join(self.loose), level=1))
            self.packs[number] = self.until_us, packed
            self.number, self.loose, self.until_us = number + 1, [], BEFORE_ALL
        return number

    def pack(self, number: int) -> list[bytes]:
        """The lines of a pack; none if it was forgotten."""
        if number == self.number:
            return self.loose
        if number not in self.packs:
            return []
        return bytes(cramjam.zstd.decompress(self.packs[number][1])).split(b"\n")

    def lines(self) -> Iterator[bytes]:
        for number in (*self.packs, self.number):
            yield from self.pack(number)

    def forget(self, before_us: int) -> None:
        self.packs = {number: pack for number, pack in self.packs.items() if pack[0] >= before_us}
        if self.until_us < before_us:
            self.loose = []


class LandedEvents:
    """Events of all topics but ``mail.mta``, by owners, until forgotten.

    Of each are kept 64 bits that stand for topic, source and id, until when it matters, 64 bits
    that stand for what it says, and the event itself, compressed: where to find it.

    Args:
        owner_of: the number of whom the events of a tenant belong to.
        most_a_day: for so many of one tenant and UTC day of event time there is room; 0: for all.

    """

    def __init__(self, owner_of: Callable[[str], int], most_a_day: int = 0) -> None:
        self._owner_of = owner_of
        self._most_a_day = most_a_day
        self._of_day = Counter[tuple[str, int]]()
        self._seen = _SeenEvents(_KEPT.size)
        self._packs: dict[tuple[int, str], _Packs] = {}
        """By shelf and topic."""
        self._voided: dict[_Identity, int] = {}
        """What does not count → until when that matters, µs."""
        self._outdated: set[tuple[int, str]] = set()
        """Owner and topic of facts that are to be taken anew, since some no longer count."""
        self._corrected: dict[int, set[str]] = {}
        """Owner → the topics of which an event was voided."""

    def has_room(self, fact: Fact) -> bool:
        """Whether an event is taken: it is known already, or one more of its day may come."""
        if not self._most_a_day or self._of_day[_day(fact)] < self._most_a_day:
            return True
        return self._seen.known(hash(_identity(fact))) is not None

    def take(self, fact: Fact, line: bytes) -> FactLanding:
        """Note an event that lands.

        Args:
            fact: the event.
            line: the same as `encode_fact` writes it.

        """
        identity = _identity(fact)
        key, said = hash(identity), hash(line)
        kept = self._seen.known(key)
        if kept is not None:
            return _AGAIN if _KEPT.unpack(kept)[0] == said else self._again(fact, identity, kept)
        until_us = matters_until_us(fact)
        shelf = _shelf(self._owner_of(fact.tenant_id), isinstance(fact, MonitorHeartbeatFact))
        pack = self._packs.setdefault((shelf, fact.topic), _Packs()).add(line, until_us)
        remembered_us = fact.time if until_us == FOREVER else until_us
        self._seen.add(key, remembered_us, _KEPT.pack(said, shelf, pack))
        if self._most_a_day:
            self._of_day[_day(fact)] += 1
        return _NEW

    def _again(self, fact: Fact, identity: _Identity, kept: bytes) -> FactLanding:
        first = self._read(kept, identity)
        differing = tuple(
            name
            for name in _FIELDS[fact.topic]
            if getattr(fact, name, None) != getattr(first, name, None)
        )
        return FactLanding(False, differing)

    # What does not count.

    def counts(self, fact: Fact) -> bool:
        """Whether nothing that has come so far voids an event."""
        return not self._voided or _identity(fact) not in self._voided

    def correct(self, fact: Fact) -> int:
        """Remember that an event was voided; its owner."""
        owner = self._owner_of(fact.tenant_id)
        self._corrected.setdefault(owner, set()).add(fact.topic)
        return owner

    def voided(self, topic: str) -> set[tuple[str, str]]:
        """Source and id of each event of a topic that does not count, landed or not."""
        return {(source, id_) for of, source, id_ in self._voided if of == topic}

    def void(self, voiding: EventVoidedFact) -> Fact | None:
        """Take an event out, whether it has landed or not.

        Returns:
            The event, if it has landed and did count: the others of its owner and topic are to be
            taken anew (`renew`).

        """
        until_us = matters_until_us(voiding)
        before_us = self._voided.get(voided_by(voiding), BEFORE_ALL)
        self._voided[voided_by(voiding)] = max(before_us, until_us)
        if before_us != BEFORE_ALL or (gone := self.find(voiding)) is None:
            return None
        self._outdated.add((self.correct(gone), gone.topic))
        return gone

    def find(self, voiding: EventVoidedFact) -> Fact | None:
        """The event that a voiding names, if it has landed."""
        identity = voided_by(voiding)
        kept = self._seen.known(hash(identity))
        return None if kept is None else self._read(kept, identity)

    def _read(self, kept: bytes, identity: _Identity) -> Fact | None:
        """The event that landed under an identity."""
        topic, _, id_ = identity
        _, shelf, pack = _KEPT.unpack(kept)
        named, packs = orjson.dumps(id_), self._packs.get((shelf, topic))
        for line in packs.pack(pack) if packs is not None else ():
            if named in line and _identity(fact := decode_fact(line)) == identity:
                return fact
        return None

    def corrected(self, owner: int) -> set[str]:
        """The topics of which `correct` has heard of an event of an owner."""
        return self._corrected.get(owner, set())

    @property
    def outdated(self) -> bool:
        """Whether any facts are to be taken anew."""
        return bool(self._outdated)

    def renew(
        self, take_anew: Callable[[int, str, Iterable[Fact]], Iterator[None]]
    ) -> Iterator[None]:
        """Have facts of which some no longer count taken anew.

        Yields where others may have a turn; nobody may ask for the facts meanwhile.

        Args:
            take_anew: takes an owner, a topic, and its facts that count in the order in which they
                landed, in the place of all that it took of them before.

        """
        while self._outdated:
            owner, topic = self._outdated.pop()
            yield from take_anew(owner, topic, self._counted(owner, topic))

    def _counted(self, owner: int, topic: str) -> Iterator[Fact]:
        for heartbeats in (False, True):
            if (packs := self._packs.get((_shelf(owner, heartbeats), topic))) is not None:
                for line in packs.lines():
                    fact = decode_fact(line)
                    if self.counts(fact):
                        yield fact

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


def _shelf(owner: int, heartbeats: bool) -> int:
    """The number of where facts of an owner lie; heartbeats lie apart: they matter less long."""
    return 2 * owner + heartbeats


def _identity(fact: Fact) -> _Identity:
    return fact.topic, fact.source, fact.id


def voided_by(voiding: EventVoidedFact) -> _Identity:
    """What an ``event.voided`` takes out: topic, source, id."""
    return voiding.voids_topic, voiding.voids_source, voiding.voids_id


def _day(fact: Fact) -> tuple[str, int]:
    return fact.tenant_id, fact.time // _DAY_US
