"""Waiting until both consumer groups have processed what the topics hold."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    GroupIdNotFoundError,
    KafkaError,
    NoError,
    NotCoordinatorError,
)

from schemas.topics import CONTRACTS, EVENT_TOPICS, LANDED_TOPICS, RAW_MAILLOG
from streams.runtime.admin import administration
from streams.runtime.groups import SINKS_GROUP, STREAMS_GROUP
from streams.runtime.kafka import client_options
from streams.settings import Settings

_POLL_S: Final = 0.1
_POLL_MS: Final = 100
_COORDINATOR_S: Final = 30.0
_FETCH_WAIT_MS: Final = 50
_ATTEMPTS: Final = 20
_LIVE_INPUTS: Final = tuple(topic.name for topic in (*EVENT_TOPICS, CONTRACTS))
_SINK_INPUTS: Final = tuple(topic.name for topic in LANDED_TOPICS)
_FACTS: Final = tuple(topic.name for topic in (*EVENT_TOPICS, CONTRACTS))
"""What a closing reads. The live worker tells windows and states at all times, so that the sinks
are hardly ever level with everything."""

Ends = dict[TopicPartition, int]


@dataclass(frozen=True)
class Lag:
    """Records a group has still to commit, in total and by topic."""

    group: str
    by_topic: dict[str, int]

    @property
    def total(self) -> int:
        """All topics together."""
        return sum(self.by_topic.values())


class DrainTimeout(Exception):  # noqa: N818 - a check that failed, not an error of the program
    """The deadline passed first; the message says who lags behind and by how much."""

    def __init__(self, lag: Lag) -> None:
        worst = ", ".join(f"{topic}: {count}" for topic, count in lag.by_topic.items())
        super().__init__(
            f"{lag.group} is still {lag.total} records behind ({worst}); "
            "is its worker running? try again with a longer --timeout"
        )
        self.lag = lag


def drain(settings: Settings, timeout_s: float, progress: Callable[[Lag], None]) -> None:
    """Wait until everything now in the topics is processed and landed.

    The live group goes first, twice: records it keys anew or assembles from mail logs are
    themselves to be processed. Then the sinks, up to what the live group has published by then.

    Raises:
        DrainTimeout: not within ``timeout_s``.
    """
    _drain(settings, timeout_s, progress, _SINK_INPUTS)


def await_facts(settings: Settings, timeout_s: float) -> Lag | None:
    """Wait until every event and contract now in the topics has landed.

    What comes in meanwhile is not waited for, and neither are the live worker's results.
    Returns what is still missing after ``timeout_s``, None when all of it is there.
    """
    try:
        _drain(settings, timeout_s, lambda lag: None, _FACTS)
    except DrainTimeout as late:
        return late.lag
    return None


def _drain(
    settings: Settings,
    timeout_s: float,
    progress: Callable[[Lag], None],
    landed: Sequence[str],
) -> None:
    deadline = time.monotonic() + timeout_s
    with _observing(settings) as log:
        for _ in range(2):
            inputs = _live_inputs(settings, log.admin)
            _await(log, STREAMS_GROUP, inputs, deadline, progress)
        _await(log, SINKS_GROUP, landed, deadline, progress)


def lags(settings: Settings) -> list[Lag]:
    """How far each group is behind right now; what is left of transactions does not count."""
    with _observing(settings) as log:
        found = []
        for group, topics in (
            (STREAMS_GROUP, _live_inputs(settings, log.admin)),
            (SINKS_GROUP, _SINK_INPUTS),
        ):
            ends = log.ends(topics)
            behind = log.behind(group, ends)
            log.leave_out_markers(behind, ends, behind)
            found.append(_lag(group, behind))
        return found


def announce_maillog(settings: Settings) -> None:
    """Note in the live group that it reads `raw.maillog`, before its first worker has joined.

    Whoever drains without MAILSLA_MAILLOG_TENANTS knows from this that the topic is to be
    waited for. Nothing is changed where the group has a place in a partition already, or has
    members: these commit for themselves.
    """
    with administration(settings) as admin:
        held = _committed(admin, STREAMS_GROUP)
        places = dict.fromkeys(_partitions(admin, (RAW_MAILLOG.name,)), OffsetSpec.EARLIEST)
        missing = {
            place: OffsetAndMetadata(int(result.offset), "", -1)
            for place, result in admin.list_partition_offsets(places).items()
            if place not in held
        }
        deadline = time.monotonic() + _COORDINATOR_S
        while missing:
            try:
                _coordinated(lambda: _alter(admin, missing))
            except KafkaError as error:
                # A young broker makes its offsets topic only when it is asked for.
                if error.retriable and time.monotonic() < deadline:
                    time.sleep(_POLL_S)
                    continue
            return


def _alter(admin: KafkaAdminClient, places: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
    """Put the live group at some places; an answer may refuse them one by one."""
    for refused in admin.alter_group_offsets(STREAMS_GROUP, places).values():
        if refused is not NoError:
            raise refused


def _live_inputs(settings: Settings, admin: KafkaAdminClient) -> tuple[str, ...]:
    """What the live group reads: `raw.maillog` only where a tenant map is or was configured."""
    reads_maillog = settings.maillog_tenants is not None or any(
        place.topic == RAW_MAILLOG.name for place in _committed(admin, STREAMS_GROUP)
    )
    return (*_LIVE_INPUTS, RAW_MAILLOG.name) if reads_maillog else _LIVE_INPUTS


def _await(
    log: "_Log",
    group: str,
    topics: Sequence[str],
    deadline: float,
    progress: Callable[[Lag], None],
) -> None:
    ends = log.ends(topics)
    before: dict[TopicPartition, int] = {}
    while True:
        behind = log.behind(group, ends)
        # Looked at only where nothing moves: what is being worked off holds records anyway.
        still = [place for place, count in behind.items() if before.get(place) == count]
        log.leave_out_markers(behind, ends, still)
        for place in still:
            if place not in behind:
                del ends[place]  # done for good: its end was taken when the drain began
        lag = _lag(group, behind)
        progress(lag)
        if lag.total == 0:
            return
        if time.monotonic() > deadline:
            raise DrainTimeout(lag)
        before = behind
        time.sleep(_POLL_S)


def _lag(group: str, behind: Ends) -> Lag:
    by_topic: dict[str, int] = {}
    for place, count in behind.items():
        by_topic[place.topic] = by_topic.get(place.topic, 0) + count
    return Lag(group, by_topic)


def _partitions(admin: KafkaAdminClient, topics: Sequence[str]) -> list[TopicPartition]:
    """Every partition of the topics that exist."""
    return [
        TopicPartition(str(topic.get("name", topic.get("topic"))), index)
        for topic in admin.describe_topics(list(topics))
        for index in range(len(topic["partitions"]))
    ]


@contextmanager
def _observing(settings: Settings) -> Iterator["_Log"]:
    with administration(settings) as admin:
        consumer = KafkaConsumer(
            **client_options(settings),
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            fetch_max_wait_ms=_FETCH_WAIT_MS,
        )
        try:
            yield _Log(admin, consumer)
        finally:
            consumer.close()


class _Log:
    """What the partitions hold and what groups have committed, seen from outside."""

    def __init__(self, admin: KafkaAdminClient, consumer: Any) -> None:
        self.admin, self._consumer = admin, consumer

    def ends(self, topics: Sequence[str]) -> Ends:
        """End offsets of every partition of the topics that exist.

        Taken from fetched high watermarks: as the latest offset, Tansu gives the first one of
        the last batch and one more, however many records that batch has.
        """
        wanted = dict.fromkeys(_partitions(self.admin, topics), OffsetSpec.LATEST)
        found = self.admin.list_partition_offsets(wanted)
        ends = {place: int(result.offset) for place, result in found.items() if result.offset > 0}
        if not ends:
            return ends
        self._consumer.assign(list(ends))
        for place, end in ends.items():
            self._consumer.seek(place, end - 1)
        told: Ends = {}
        for _ in range(_ATTEMPTS):
            self._consumer.poll(timeout_ms=_POLL_MS)
            told |= {p: mark for p in ends if (mark := self._consumer.highwater(p)) is not None}
            if len(told) == len(ends):
                break
        return {place: max(end, told.get(place, end)) for place, end in ends.items()}

    def behind(self, group: str, ends: Ends) -> Ends:
        """Offsets each partition's commit is short of its end, where it is."""
        committed = _committed(self.admin, group)
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
            if self._consumer.poll(timeout_ms=_POLL_MS):
                return True
            if self._consumer.position(place) >= end:
                return False
        return True


def _committed(admin: KafkaAdminClient, group: str) -> dict[TopicPartition, Any]:
    try:
        found = _coordinated(lambda: admin.list_group_offsets([group]))
    except (CoordinatorNotAvailableError, GroupIdNotFoundError):
        return {}  # nobody has joined the group yet
    offsets: dict[TopicPartition, Any] = found.get(group, {})
    return {place: entry for place, entry in offsets.items() if entry.offset >= 0}


def _coordinated(ask: Callable[[], Any]) -> Any:
    """Ask the group's coordinator; again while the broker is still making it one."""
    for _ in range(_ATTEMPTS):
        try:
            return ask()
        except (NotCoordinatorError, CoordinatorLoadInProgressError):
            time.sleep(_POLL_S)
    return ask()
