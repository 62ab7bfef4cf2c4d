"""Notices a partition that grows while nothing of it becomes durable. Pure.

What a stuck worker has fetched and holds says nothing, so the broker is asked where each partition
ends; what stands still without growing needs no help.
"""

from collections.abc import Mapping
from dataclasses import dataclass

Place = tuple[str, int]
"""Topic and partition."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A partition since something of it last became durable; ``grew_at`` is when it first grew."""

    durable: int | None
    end: int
    grew_at: float | None = None


@dataclass(frozen=True, slots=True)
class Stuck:
    """A partition of which nothing became durable; ``offset`` is None where nothing ever did."""

    place: Place
    offset: int | None
    end: int
    for_s: float

    def sentence(self, group: str) -> str:
        """What is wrong and what to do, naming group, topic, partition and offset."""
        topic, partition = self.place
        at = "its first offset" if self.offset is None else f"offset {self.offset}"
        return (
            f"{group} has committed nothing of partition {partition} of {topic} for "
            f"{self.for_s:.0f} s though it grows: it stands at {at}, the end is {self.end}; ended "
            "so that a fresh worker tries, see the log before this line"
        )


class Watchdog:
    """Looks at readings of all partitions of a worker; times are monotonic seconds."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._seen: dict[Place, _Seen] = {}

    def rest(self) -> None:
        """Forget everything: the broker was away, or the worker knows why nothing is committed."""
        self._seen = {}

    def look(
        self, now: float, ends: Mapping[Place, int], durable: Mapping[Place, int]
    ) -> Stuck | None:
        """The first partition that is stuck.

        Args:
            now: when the readings were taken.
            ends: where each partition of this worker ends.
            durable: offset before which everything is durable, where anything is.

        """
        before, self._seen = self._seen, {}
        for place, end in ends.items():
            seen = before.get(place)
            at = durable.get(place)
            if seen is None or seen.durable != at:
                seen = _Seen(at, end)
            elif seen.grew_at is None:
                seen = _Seen(at, end, now if end > seen.end else None)
            self._seen[place] = seen
            if seen.grew_at is not None and end > seen.end:
                for_s = now - seen.grew_at
                if for_s >= self._limit_s:
                    return Stuck(place, at, end, for_s)
        return None
