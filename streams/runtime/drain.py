"""Waiting until both consumer groups have processed what the topics hold."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.errors import CoordinatorNotAvailableError, GroupIdNotFoundError, KafkaError

from schemas.topics import CONTRACTS, EVENT_TOPICS, LANDED_TOPICS, RAW_MAILLOG
from streams.runtime.admin import administration
from streams.runtime.groups import SINKS_GROUP, STREAMS_GROUP
from streams.runtime.kafka import client_options
from streams.settings import Settings

_POLL_S: Final = 0.1
_LIVE_INPUTS: Final = tuple(topic.name for topic in (*EVENT_TOPICS, CONTRACTS))
_SINK_INPUTS: Final = tuple(topic.name for topic in LANDED_TOPICS)

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


def drain(settings: Settings, timeout_s: float, progress: Callable[[Lag], None]) -> None:
    """Wait until everything now in the topics is processed and landed.

    The live group goes first, twice: records it keys anew or assembles from mail logs are
    themselves to be processed. Then the sinks, up to what the live group has published by then.

    Raises:
        DrainTimeout: not within ``timeout_s``.
    """
    deadline = time.monotonic() + timeout_s
    with administration(settings) as admin:
        for _ in range(2):
            inputs = _live_inputs(settings, admin)
            _await(settings, admin, STREAMS_GROUP, inputs, deadline, progress)
        _await(settings, admin, SINKS_GROUP, _SINK_INPUTS, deadline, progress)


def lags(settings: Settings) -> list[Lag]:
    """How far each group is behind right now."""
    with administration(settings) as admin:
        return [
            _lag(settings, admin, group, _ends(admin, topics))
            for group, topics in (
                (STREAMS_GROUP, _live_inputs(settings, admin)),
                (SINKS_GROUP, _SINK_INPUTS),
            )
        ]


def announce_maillog(settings: Settings) -> None:
    """Note in the live group that it reads `raw.maillog`, before its first worker has joined.

    Whoever drains without MAILSLA_MAILLOG_TENANTS knows from this that the topic is to be
    waited for. Nothing is changed where the group has a place in a partition already, or has
    members: these commit for themselves.
    """
    with administration(settings) as admin:
        held = _committed(admin, STREAMS_GROUP)
        places = dict.fromkeys(_ends(admin, (RAW_MAILLOG.name,)), OffsetSpec.EARLIEST)
        missing = {
            place: OffsetAndMetadata(int(result.offset), "", -1)
            for place, result in admin.list_partition_offsets(places).items()
            if place not in held
        }
        if missing:
            with suppress(KafkaError):
                admin.alter_group_offsets(STREAMS_GROUP, missing)


def _live_inputs(settings: Settings, admin: KafkaAdminClient) -> tuple[str, ...]:
    """What the live group reads: `raw.maillog` only where a tenant map is or was configured."""
    reads_maillog = settings.maillog_tenants is not None or any(
        place.topic == RAW_MAILLOG.name for place in _committed(admin, STREAMS_GROUP)
    )
    return (*_LIVE_INPUTS, RAW_MAILLOG.name) if reads_maillog else _LIVE_INPUTS


def _await(
    settings: Settings,
    admin: KafkaAdminClient,
    group: str,
    topics: Sequence[str],
    deadline: float,
    progress: Callable[[Lag], None],
) -> None:
    ends = _ends(admin, topics)
    while True:
        lag = _lag(settings, admin, group, ends)
        progress(lag)
        if lag.total == 0:
            return
        if time.monotonic() > deadline:
            worst = ", ".join(f"{topic}: {count}" for topic, count in lag.by_topic.items())
            raise DrainTimeout(
                f"{group} is still {lag.total} records behind ({worst}); "
                "is its worker running? try again with a longer --timeout"
            )
        time.sleep(_POLL_S)


def _ends(admin: KafkaAdminClient, topics: Sequence[str]) -> Ends:
    """End offsets of every partition of the topics that exist."""
    places = {}
    for topic in admin.describe_topics(list(topics)):
        name = str(topic.get("name", topic.get("topic")))
        for index in range(len(topic["partitions"])):
            places[TopicPartition(name, index)] = OffsetSpec.LATEST
    found = admin.list_partition_offsets(places)
    return {place: int(result.offset) for place, result in found.items()}


def _lag(settings: Settings, admin: KafkaAdminClient, group: str, ends: Ends) -> Lag:
    committed = _committed(admin, group)
    behind: Ends = {}
    for place, end in ends.items():
        entry = committed.get(place)
        at = entry.offset if entry is not None else 0
        if at < end:
            behind[place] = at
    by_topic: dict[str, int] = {}
    for place, at in behind.items():
        count = ends[place] - at
        if count <= 2 and _only_markers(settings, place, at, ends[place]):
            continue
        by_topic[place.topic] = by_topic.get(place.topic, 0) + count
    return Lag(group, by_topic)


def _committed(admin: KafkaAdminClient, group: str) -> dict[TopicPartition, Any]:
    try:
        offsets: dict[TopicPartition, Any] = admin.list_group_offsets([group]).get(group, {})
    except (CoordinatorNotAvailableError, GroupIdNotFoundError):
        return {}  # nobody has joined the group yet
    return {place: entry for place, entry in offsets.items() if entry.offset >= 0}


def _only_markers(settings: Settings, place: TopicPartition, start: int, end: int) -> bool:
    """Whether what is left holds no record: transaction markers take offsets too."""
    consumer = KafkaConsumer(
        **client_options(settings),
        enable_auto_commit=False,
        isolation_level="read_committed",
    )
    try:
        consumer.assign([place])
        if consumer.beginning_offsets([place])[place] >= end:
            return True
        consumer.seek(place, start)
        for _ in range(20):
            if consumer.poll(timeout_ms=100):
                return False
            if consumer.position(place) >= end:
                return True
        return False
    finally:
        consumer.close()
