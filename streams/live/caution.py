"""What a task does about records that make it fail: finds them, step by step, and passes them over.

A failure says only that one of the records applied since the last checkpoint is to blame. The
worker notes that durably and starts again from the checkpoint; the next one applies the same
records in shorter and shorter strides, each with a checkpoint of its own, until one record fails
alone. That one becomes a dead letter in its place. All others are applied as if it were not there:
how they are cut into strides and checkpoints changes nothing.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import orjson

from mailsla.schemas.codec.records import Rejection
from mailsla.schemas.topics import STREAMS_STATE
from mailsla.streams.live.decode.records import DecodedBatch
from mailsla.streams.live.inbox import Bite
from mailsla.streams.live.task import Task
from mailsla.streams.runtime.checkpoint.state_log import StateError
from mailsla.streams.runtime.checkpoint.writer import Outgoing
from mailsla.streams.runtime.dead_letters import FAILED
from mailsla.streams.runtime.faust_app.batches import RecordBatch

logger = logging.getLogger(__name__)

NOTE: Final = b"caution"
"""Key of the note in the state topic."""
_STRIDES: Final = (90, 1)
"""Records applied together after the first failure and after the second one."""
_MOST_PASSED: Final = 1_000
"""More in a row than that are not the fault of the records."""


@dataclass(frozen=True)
class Caution:
    """What is known of the records that made a task fail.

    ``until`` is, by topic, the offset up to which care is taken; ``failures`` is how often in a row
    the task failed before it; ``passed`` are topic, offset and reason of records passed over.
    """

    failures: int = 0
    until: Mapping[str, int] = field(default_factory=dict)
    passed: Sequence[tuple[str, int, str]] = ()

    @classmethod
    def read(cls, note: bytes | None) -> "Caution":
        """What a former life noted."""
        if note is None:
            return cls()
        document = orjson.loads(note)
        passed = tuple((topic, offset, why) for topic, offset, why in document["passed"])
        return cls(document["failures"], document["until"], passed)

    def note(self, partition: int) -> Outgoing:
        """The record that keeps it."""
        document = {"failures": self.failures, "until": self.until, "passed": self.passed}
        return Outgoing(STREAMS_STATE.name, NOTE, orjson.dumps(document), partition)

    def stride(self, applied: Mapping[str, int]) -> int | None:
        """How many records to apply before a checkpoint; None where no care is needed.

        Args:
            applied: topic → offset of the next record to apply.

        """
        if not self.failures or all(applied.get(t, 0) >= end for t, end in self.until.items()):
            return None
        return _STRIDES[min(self.failures, len(_STRIDES)) - 1]

    def after_failure(
        self, task: Task, piece: Sequence[RecordBatch | DecodedBatch], error: Exception
    ) -> "Caution":
        """What is known after a failure.

        Args:
            task: as it was then.
            piece: what was being applied; empty where it was something else.
            error: what was raised.

        Raises:
            StateError: it fails at record after record: these are not to blame.

        """
        until = {**self.until}
        for topic, end in (
            *task.positions.items(),
            *((one.topic, one.next_offset) for one in piece),
        ):
            until[topic] = max(end, until.get(topic, 0))
        failing = [(one.topic, offset) for one in piece for offset in one.offsets.tolist()]
        if len(failing) > 1 or self.failures < len(_STRIDES):
            return replace(self, failures=self.failures + 1, until=until)
        ahead = [one for one in self.passed if one[1] >= task.applied(one[0])]
        if not failing or len(ahead) >= _MOST_PASSED:
            raise StateError(
                f"task {task.partition} fails wherever it goes on ({error!r}), the last time after "
                f"{len(ahead)} records that were passed over; its log says where; install a "
                "release that mends it"
            ) from error
        ((topic, offset),) = failing
        logger.error(
            "task %d: the record at %s, partition %d, offset %d made it fail; it is passed over "
            "(see mailsla dead-letters), the rest goes on",
            *(task.partition, topic, task.partition, offset),
            exc_info=error,
        )
        reason = f"{FAILED}: {type(error).__name__}"
        return replace(self, until=until, passed=(*ahead, (topic, offset, reason)))

    def rejections(self, topic: str) -> dict[int, Rejection]:
        """Offset → why, of the records of a topic to be passed over."""
        return {offset: Rejection(why) for t, offset, why in self.passed if t == topic}


def pieces(bite: Bite, most: int | None) -> Iterator[Bite]:
    """A bite in pieces of so many records at the most, in the order in which they are applied."""
    rest = list(bite.batches)
    while most is not None and sum(map(len, rest)) > most:
        order = sorted(
            (clock_us, place)
            for place, batch in enumerate(rest)
            for clock_us in np.maximum.accumulate(batch.believed_us).tolist()
        )
        counts = Counter(place for _, place in order[:most])
        piece: list[DecodedBatch] = []
        left: list[DecodedBatch] = []
        for place, batch in enumerate(rest):
            if 0 < counts[place] < len(batch):
                first, batch = batch.split(counts[place])
                piece.append(first)
                left.append(batch)
            else:
                (piece if counts[place] else left).append(batch)
        yield Bite(piece, bite.until_us)
        rest = left
    yield Bite(rest, bite.until_us)
