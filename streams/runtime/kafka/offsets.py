"""What partitions hold and what groups have committed, seen from outside."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    CorruptRecordError,
    GroupIdNotFoundError,
    KafkaError,
    NotCoordinatorError,
    UnsupportedCodecError,
)

from mailsla.streams.runtime.kafka.admin import administration
from mailsla.streams.runtime.kafka.client_options import client_options
from mailsla.streams.runtime.kafka.identity import identities
from mailsla.streams.settings import Settings

POLL_S: Final = 0.1
_POLL_MS: Final = 100
_FETCH_WAIT_MS: Final = 50
_ATTEMPTS: Final = 20
_COORDINATOR_S: Final = 30.0
"""How long a broker that has just come back may take to read what groups have committed."""

logger = logging.getLogger(__name__)

Ends = dict[TopicPartition, int]
Places = set[TopicPartition]
_UNKNOWN: Final[Mapping[TopicPartition, int]] = {}


def partitions_of(admin: KafkaAdminClient, topics: Sequence[str]) -> list[TopicPartition]:
    """Every partition of the topics that exist."""
    return [
        TopicPartition(name, index)
        for name, topic in identities(admin, topics).items()
        for index in range(topic.partitions)
    ]


@contextmanager
def observing(settings: Settings) -> Iterator["LogView"]:
    """A view of the broker of ``settings``; raises `ConfigurationError` where none answers."""
    with administration(settings) as admin:
        consumer = KafkaConsumer(
            **client_options(settings),
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            check_crcs=False,  # in Python, and nothing that is read is looked at
        )
        try:
            yield LogView(admin, consumer)
        finally:
            consumer.close()


class LogView:
    """What the partitions hold and what groups have committed, seen from outside."""

    def __init__(self, admin: KafkaAdminClient, consumer: Any) -> None:
        self.admin, self._consumer = admin, consumer

    def ends(self, topics: Sequence[str]) -> Ends:
        """End offsets of every partition of the topics that exist.

        Taken from fetched high watermarks: as the latest offset, Tansu gives the first one of
        the last batch and one more, however many records that batch has.
        """
        wanted = dict.fromkeys(partitions_of(self.admin, topics), OffsetSpec.LATEST)
        found = self.admin.list_partition_offsets(wanted)
        ends = {place: int(result.offset) for place, result in found.items() if result.offset > 0}
        if not ends:
            return ends
        self._consumer.assign(list(ends))
        for place, end in ends.items():
            self._consumer.seek(place, end - 1)
        told: Ends = {}
        for _ in range(_ATTEMPTS):
            self._poll()
            told |= {p: mark for p in ends if (mark := self._consumer.highwater(p)) is not None}
            if len(told) == len(ends):
                break
        return {place: max(end, told.get(place, end)) for place, end in ends.items()}

    def overrun(self, group: str, topics: Sequence[str]) -> tuple[Ends, Ends]:
        """End offsets as `ends` gives them, and of them those before what a group has committed.

        There the topic was deleted and made anew, and the commit is of the one before: all that it
        holds has still to be read.
        """
        held = committed_offsets(self.admin, group)  # first: nobody has read beyond a later end
        ends = self.ends(topics)
        return ends, {p: end for p, end in ends.items() if p in held and held[p].offset > end}

    def behind(
        self, group: str, ends: Ends, before: Mapping[TopicPartition, int] = _UNKNOWN
    ) -> Ends:
        """Offsets each partition's commit is short of its end, where it is.

        A broker that is too busy to answer, or away for a moment, is no end of a wait: it is as
        it was ``before``, where that is known.
        """
        try:
            committed = committed_offsets(self.admin, group)
        except KafkaError as error:
            if not before or not error.retriable:
                raise
            return dict(before)
        behind = {}
        for place, end in ends.items():
            entry = committed.get(place)
            at = entry.offset if entry is not None else 0
            if at < end:
                behind[place] = end - at
        return behind

    def leave_out_markers(
        self, behind: Ends, ends: Mapping[TopicPartition, int], places: Iterable[TopicPartition]
    ) -> None:
        """Take out of ``behind`` those places where no record is left.

        Transaction markers and aborted records take offsets, but are never delivered, so
        nobody commits beyond them.
        """
        spans = {place: (ends[place] - behind[place], ends[place]) for place in places}
        for place in spans.keys() - self._holding_records(spans):
            del behind[place]

    def _holding_records(self, spans: Mapping[TopicPartition, tuple[int, int]]) -> Places:
        """Of some ``[start, end)`` those with a record that a consumer would be given."""
        begin = self._consumer.beginning_offsets(list(spans)) if spans else {}
        unknown = {place for place, (_, end) in spans.items() if begin[place] < end}
        self._consumer.assign(list(unknown))
        for place in unknown:
            self._consumer.seek(place, spans[place][0])
        holding: Places = set()
        for _ in range(_ATTEMPTS + len(unknown)):
            if not unknown:
                break
            came = self._poll()
            if came is None:
                # The client does not say which partition it cannot read.
                if len(unknown) == 1:
                    return holding | unknown
                alone = [self._holding_records({place: spans[place]}) for place in unknown]
                return holding.union(*alone)
            holding |= came & unknown
            unknown -= came
            unknown = {p for p in unknown if self._consumer.position(p) < spans[p][1]}
        return holding | unknown

    def _poll(self) -> Places | None:
        """Where records come within a while; None where a batch comes that cannot be read."""
        try:
            return set(self._consumer.poll(timeout_ms=_POLL_MS))
        except KafkaError as error:
            if not isinstance(error, (CorruptRecordError, UnsupportedCodecError)):
                raise
        except Exception as error:  # whatever a codec makes of damaged bytes
            logger.debug("a batch cannot be read: %r", error)
        # The client would ask what is left of such a batch for records for ever.
        self._consumer._fetcher._next_partition_records = None
        return None


def committed_offsets(admin: KafkaAdminClient, group: str) -> dict[TopicPartition, Any]:
    """The group's offsets (``.offset``), by partition; none while nobody has joined it."""
    try:
        found = coordinated(lambda: admin.list_group_offsets([group]))
    except (CoordinatorNotAvailableError, GroupIdNotFoundError):
        return {}  # nobody has joined the group yet
    offsets: dict[TopicPartition, Any] = found.get(group, {})
    return {place: entry for place, entry in offsets.items() if entry.offset >= 0}


def coordinated(ask: Callable[[], Any]) -> Any:
    """Ask the group's coordinator; again while the broker is still making it one."""
    deadline = time.monotonic() + _COORDINATOR_S
    while True:
        try:
            return ask()
        except (NotCoordinatorError, CoordinatorLoadInProgressError):
            if time.monotonic() > deadline:
                raise
        time.sleep(POLL_S)
