"""What partitions hold and what groups have committed, seen from outside."""

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

Ends = dict[TopicPartition, int]
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
            self._comes()
            told |= {p: mark for p in ends if (mark := self._consumer.highwater(p)) is not None}
            if len(told) == len(ends):
                break
        return {place: max(end, told.get(place, end)) for place, end in ends.items()}

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
        for place in list(places):
            if not self._holds_records(place, ends[place] - behind[place], ends[place]):
                del behind[place]

    def _holds_records(self, place: TopicPartition, start: int, end: int) -> bool:
        """Whether any record a consumer would be given is in ``[start, end)``."""
        self._consumer.assign([place])
        if self._consumer.beginning_offsets([place])[place] >= end:
            return False
        self._consumer.seek(place, start)
        for _ in range(_ATTEMPTS):
            if self._comes():
                return True
            if self._consumer.position(place) >= end:
                return False
        return True

    def _comes(self) -> bool:
        """Whether records come within a while; a batch that cannot be read is one of them."""
        try:
            return bool(self._consumer.poll(timeout_ms=_POLL_MS))
        except (CorruptRecordError, UnsupportedCodecError):
            return True
        except KafkaError:
            raise
        except Exception:  # whatever a codec makes of damaged bytes
            return True


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
    for _ in range(_ATTEMPTS):
        try:
            return ask()
        except (NotCoordinatorError, CoordinatorLoadInProgressError):
            time.sleep(POLL_S)
    return ask()
