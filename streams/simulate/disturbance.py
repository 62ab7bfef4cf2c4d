"""What happens to records on their way: duplicates, lateness, wrong keys, refused ones."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from operator import itemgetter
from typing import Final

import numpy as np

from mailsla.schemas.topics import MTA
from mailsla.streams.simulate.bad import BAD_KINDS, bad_record
from mailsla.streams.simulate.record import HOUR, SECOND, SimulatedRecord, Timed

DUPLICATE_SHARE: Final = 0.005
LATE_SHARE: Final = 0.001
MISKEYED_SHARE: Final = 0.0002
BAD_SHARE: Final = 0.001
TOMBSTONE_SHARE: Final = 0.00005

_LATE_US: Final = (5 * 60 * SECOND, 6 * HOUR)
_DISTANCES_US: Final = (0, SECOND, 30 * SECOND, 10 * 60 * SECOND, 26 * HOUR)
_WRONG_KEY: Final = b"mx1.example.net"

by_arrival: Final = itemgetter(0)


class Disturbance:
    """Disturbs a log piece by piece, and keeps count of what it did.

    ``kinds`` counts records by kind, ``topics`` distinct good events by topic.
    """

    def __init__(self, seed: int, tenants: Sequence[str]) -> None:
        self.kinds: Counter[str] = Counter()
        self.topics: Counter[str] = Counter()
        self._seed = seed
        self._tenants = tenants
        self._piece = 0

    def apply(self, fresh: list[Timed]) -> list[Timed]:
        """The piece with copies, delays, wrong keys and refused records; order does not matter."""
        rng = np.random.default_rng([self._seed, 5, self._piece])
        self._piece += 1
        self.topics.update(timed.record.topic for timed in fresh)
        shares = (DUPLICATE_SHARE, LATE_SHARE, MISKEYED_SHARE, TOMBSTONE_SHARE, BAD_SHARE)
        amounts = [int(rng.binomial(len(fresh), share)) for share in shares]
        places = iter(rng.permutation(len(fresh))[: sum(amounts)].tolist())
        copied, late, miskeyed, emptied, spoiled = (
            list(islice(places, amount)) for amount in amounts
        )
        added = [self._copy(fresh[place], rng) for place in copied]
        added += [self._tombstone(fresh[place]) for place in emptied]
        added += [self._bad(fresh[place], rng) for place in spoiled]
        for place in late:
            arrival, record = fresh[place]
            delay = int(rng.integers(*_LATE_US))
            fresh[place] = Timed(arrival + delay, self._as("late", record))
        for place in miskeyed:
            arrival, record = fresh[place]
            fresh[place] = Timed(arrival, self._as("miskeyed", record)._replace(key=_WRONG_KEY))
        return fresh + added

    def _as(self, kind: str, record: SimulatedRecord) -> SimulatedRecord:
        self.kinds[kind] += 1
        return record._replace(kind=kind)

    def _copy(self, timed: Timed, rng: np.random.Generator) -> Timed:
        distance = _DISTANCES_US[int(rng.integers(len(_DISTANCES_US)))]
        return Timed(timed.arrival_us + distance, self._as("duplicate", timed.record))

    def _tombstone(self, timed: Timed) -> Timed:
        record = SimulatedRecord(MTA.name, timed.record.key, None, "event")
        return Timed(timed.arrival_us, self._as("tombstone", record))

    def _bad(self, timed: Timed, rng: np.random.Generator) -> Timed:
        number = sum(count for kind, count in self.kinds.items() if kind.startswith("bad:"))
        kind = tuple(BAD_KINDS)[number % len(BAD_KINDS)]
        tenant = self._tenants[int(rng.integers(len(self._tenants)))]
        record = bad_record(kind, number, tenant, timed.arrival_us // SECOND * SECOND)
        self.kinds[record.kind] += 1
        return Timed(timed.arrival_us, record)


def place_of(waiting: list[Timed], until_us: int) -> int:
    """How many of the sorted records are published before an instant."""
    return bisect_left(waiting, until_us, key=by_arrival)
