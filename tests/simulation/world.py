"""The broker of a simulated world: logs, transactions, a consumer group, and its clock."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from kafka.partitioner.default import murmur2

from mailsla.schemas.topics import BROADCAST, STREAMS_STATE
from mailsla.streams.runtime.faust_app.batches import LOG_APPEND_TIME, RecordBatch
from mailsla.streams.runtime.kafka.identity import TopicIdentity

PARTITIONS = 2


def home(key):
    """The partition of a key."""
    return (murmur2(key) & 0x7FFFFFFF) % PARTITIONS


@dataclass(frozen=True)
class Record:
    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes | None
    at_us: int
    """When the broker had it."""


class Broker:
    """Every log, what the group has committed, and who holds which transactional id."""

    def __init__(self, clock):
        self._clock = clock
        self._logs = defaultdict(list)
        self._ends = defaultdict(int)
        self.committed: dict[tuple[str, int], int] = {}
        self.holders: dict[str, object] = {}

    def append(self, topic, key, value, partition=None, at_us=None):
        """One record, visible at once; of the present time, where no other is given."""
        if topic == BROADCAST.name:
            partition = 0
        place = topic, home(key) if partition is None else partition
        offset = self._ends[place]
        self._ends[place] = offset + 1
        self._logs[place].append(Record(*place, offset, key, value, at_us or self._clock.now_us))
        return place

    def commit(self, records, offsets: Mapping[tuple[str, int], int]):
        """A transaction: all of it becomes visible together, and a marker takes an offset."""
        places = {self.append(one.topic, one.key, one.value, one.partition) for one in records}
        for place in places:
            self._ends[place] += 1
        self.committed |= offsets

    def after(self, place, offset, most=2**31):
        """The records of a log from an offset on."""
        log = self._logs[place]
        first = len(log)
        while first and log[first - 1].offset >= offset:
            first -= 1
        return log[first : first + most]

    def has_after(self, place, offset):
        """Whether a log has any record from an offset on."""
        log = self._logs[place]
        return bool(log) and log[-1].offset >= offset

    def batch(self, place, offset, most):
        """So many of them as a worker fetches them; None where there are none."""
        records = self.after(place, offset, most)
        if not records:
            return None
        return RecordBatch(
            *place,
            np.array([one.offset for one in records], dtype=np.int64),
            [one.key for one in records],
            [one.value for one in records],
            # The broker's stamps are whole milliseconds.
            np.array([one.at_us // 1000 * 1000 for one in records], dtype=np.int64),
            LOG_APPEND_TIME,
            not self.has_after(place, records[-1].offset + 1),
        )

    def of_topic(self, topic):
        """Every record of a topic, partition by partition."""
        return [one for p in range(PARTITIONS) for one in self._logs[topic, p]]

    def state(self, partition):
        """The newest value of each key of a task's state."""
        newest = {}
        for one in self._logs[STREAMS_STATE.name, partition]:
            if one.value is None:
                newest.pop(one.key, None)
            else:
                newest[one.key] = one.value
        return newest


def identities(names):
    """Every topic is what it always was."""
    return {name: TopicIdentity(name, PARTITIONS) for name in names}
