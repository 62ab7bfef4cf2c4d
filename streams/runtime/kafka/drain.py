"""Waiting until both consumer groups have processed what the topics hold."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kafka import OffsetAndMetadata, TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.errors import KafkaError, NoError

from mailsla.schemas.topics import CALENDARS, CONTRACTS, EVENT_TOPICS, LANDED_TOPICS, RAW_MAILLOG
from mailsla.streams.runtime.kafka.admin import administration
from mailsla.streams.runtime.kafka.groups import SINKS_GROUP, STREAMS_GROUP
from mailsla.streams.runtime.kafka.offsets import (
    POLL_S,
    Ends,
    LogView,
    committed_offsets,
    coordinated,
    observing,
    partitions_of,
)
from mailsla.streams.runtime.waiting import STANDSTILL_S, Patience, Wait
from mailsla.streams.settings import Settings

_COORDINATOR_S: Final = 30.0
_LIVE_INPUTS: Final = tuple(topic.name for topic in (*EVENT_TOPICS, CONTRACTS, CALENDARS))
_SINK_INPUTS: Final = tuple(topic.name for topic in LANDED_TOPICS)
_FACTS: Final = tuple(topic.name for topic in (*EVENT_TOPICS, CONTRACTS))
"""What a closing reads. The live worker tells windows and states at all times, so that the sinks
are hardly ever level with everything."""

_PROCESSING: Final = "processing"
_PROCESSING_MORE: Final = "processing what came of it"
_LANDING: Final = "landing"
_NAMED: Final = 5
"""Partitions that a message names one by one."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a group stands in one partition: offsets committed, and the end that is waited for."""

    topic: str
    partition: int
    committed: int
    end: int

    @property
    def behind(self) -> int:
        """Records still to commit."""
        return self.end - self.committed

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}: {self.behind} from offset {self.committed} on"


@dataclass(frozen=True)
class Lag:
    """Records a group has still to commit, in total and by topic.

    ``positions`` are those of the partitions where it is not through, the farthest behind first.
    """

    group: str
    by_topic: dict[str, int]
    positions: tuple[Position, ...] = ()

    @property
    def total(self) -> int:
        """All topics together."""
        return sum(self.by_topic.values())

    def __str__(self) -> str:
        named = [str(position) for position in self.positions[:_NAMED]]
        if len(self.positions) > _NAMED:
            named.append(f"and {len(self.positions) - _NAMED} more partitions")
        where = ", ".join(named or (f"{topic}: {n}" for topic, n in self.by_topic.items()))
        return f"{self.group} is still {self.total} records behind ({where})"


@dataclass(frozen=True, slots=True)
class DrainProgress:
    """How far a drain has come: the ``total`` of records its present ``stage`` began with."""

    stage: str
    total: int
    lag: Lag

    @property
    def done(self) -> int:
        """Records of the stage that are committed."""
        return self.total - self.lag.total


Watcher = Callable[[DrainProgress], None]


class NotDrainedError(Exception):
    """Waiting was given up; the message says where the group stands."""

    def __init__(self, lag: Lag, why: str) -> None:
        super().__init__(f"{lag}{why}")
        self.lag = lag


class DrainTimeout(NotDrainedError):  # noqa: N818 - a check that failed, not an error of the program
    """The time given was over, though there was progress."""

    def __init__(self, lag: Lag, timeout_s: float) -> None:
        super().__init__(
            lag, f" after {timeout_s:.0f} s; wait longer with --timeout, or without a limit"
        )


class DrainStandstill(NotDrainedError):  # noqa: N818
    """Nothing has moved for as long as standstill is put up with."""

    def __init__(self, lag: Lag, standstill_s: float) -> None:
        super().__init__(
            lag,
            f" and has made no progress for {standstill_s:g} s; "
            "is its worker running? its log and mailsla doctor say what holds it up",
        )


def drain(
    settings: Settings,
    timeout_s: float | None,
    progress: Watcher,
    standstill_s: float = STANDSTILL_S,
) -> None:
    """Wait until everything now in the topics is processed and landed.

    The live group goes first, twice: records it keys anew or assembles from mail logs are
    themselves to be processed. Then the sinks, up to what the live group has published by then.
    It is waited for as long as there is progress.

    Raises:
        DrainStandstill: no progress for ``standstill_s``.
        DrainTimeout: not within ``timeout_s``, where that is given.
    """
    _drain(settings, Patience(standstill_s, timeout_s), progress, _SINK_INPUTS)


def await_facts(settings: Settings, timeout_s: float) -> Lag | None:
    """Wait until every event and contract now in the topics has landed.

    What comes in meanwhile is not waited for, and neither are the live worker's results.
    Returns what is still missing after ``timeout_s``, None when all of it is there.
    """
    try:
        _drain(settings, Patience(timeout_s=timeout_s), lambda progress: None, _FACTS)
    except NotDrainedError as late:
        return late.lag
    return None


def _drain(
    settings: Settings, patience: Patience, progress: Watcher, landed: Sequence[str]
) -> None:
    wait = Wait.begin(patience, time.monotonic())
    with observing(settings) as log:
        for stage in (_PROCESSING, _PROCESSING_MORE):
            inputs = _live_inputs(settings, log.admin)
            wait = _await(log, stage, (STREAMS_GROUP, inputs), wait, progress)
        _await(log, _LANDING, (SINKS_GROUP, landed), wait, progress)


def lags(settings: Settings) -> list[Lag]:
    """How far each group is behind right now; what is left of transactions does not count."""
    with observing(settings) as log:
        found = []
        for group, topics in (
            (STREAMS_GROUP, _live_inputs(settings, log.admin)),
            (SINKS_GROUP, _SINK_INPUTS),
        ):
            ends, overrun = log.overrun(group, topics)
            behind = log.behind(group, ends) | overrun
            log.leave_out_markers(behind, ends, behind)
            found.append(_lag(group, behind, ends))
        return found


def announce_maillog(settings: Settings) -> None:
    """Note in the live group that it reads `raw.maillog`, before its first worker has joined.

    Whoever drains without MAILSLA_MAILLOG_TENANTS knows from this that the topic is to be
    waited for. Nothing is changed where the group has a place in a partition already, or has
    members: these commit for themselves.
    """
    with administration(settings) as admin:
        held = committed_offsets(admin, STREAMS_GROUP)
        places = dict.fromkeys(partitions_of(admin, (RAW_MAILLOG.name,)), OffsetSpec.EARLIEST)
        missing = {
            place: OffsetAndMetadata(int(result.offset), "", -1)
            for place, result in admin.list_partition_offsets(places).items()
            if place not in held
        }
        deadline = time.monotonic() + _COORDINATOR_S
        while missing:
            try:
                coordinated(lambda: _alter(admin, missing))
            except KafkaError as error:
                # A young broker makes its offsets topic only when it is asked for.
                if error.retriable and time.monotonic() < deadline:
                    time.sleep(POLL_S)
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
        place.topic == RAW_MAILLOG.name for place in committed_offsets(admin, STREAMS_GROUP)
    )
    return (*_LIVE_INPUTS, RAW_MAILLOG.name) if reads_maillog else _LIVE_INPUTS


def _await(
    log: LogView,
    stage: str,
    reading: tuple[str, Sequence[str]],
    wait: Wait,
    progress: Watcher,
) -> Wait:
    """Wait until a group has committed what its topics hold now; the wait as it is then."""
    group, topics = reading
    wait = wait.next_stage(time.monotonic())
    ends, overrun = log.overrun(group, topics)
    total: int | None = None
    before: Ends = {}
    while True:
        behind = log.behind(group, ends, before) | overrun
        # Looked at only where nothing moves: what is being worked off holds records anyway.
        still = [place for place, count in behind.items() if before.get(place) == count]
        log.leave_out_markers(behind, ends, still)
        for place in still:
            if place not in behind:
                del ends[place]  # done for good: its end was taken when the drain began
        lag = _lag(group, behind, ends)
        # A group put back by a rebalance may be further behind than it was at first.
        total = max(total or 0, lag.total)
        progress(DrainProgress(stage, total, lag))
        if lag.total == 0:
            return wait
        now_s = time.monotonic()
        wait = wait.after(lag.total, now_s)
        reason = wait.gives_up(now_s)
        if reason == "standstill":
            raise DrainStandstill(lag, wait.patience.standstill_s)
        if reason == "timeout":
            raise DrainTimeout(lag, now_s - wait.started_s)
        before = behind
        time.sleep(POLL_S)
        if overrun:
            ends, overrun = log.overrun(group, topics)


def _lag(
    group: str, behind: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
) -> Lag:
    by_topic: dict[str, int] = {}
    for place, count in behind.items():
        by_topic[place.topic] = by_topic.get(place.topic, 0) + count
    farthest = sorted(behind.items(), key=lambda item: -item[1])
    positions = (
        Position(place.topic, place.partition, ends[place] - count, ends[place])
        for place, count in farthest
    )
    return Lag(group, by_topic, tuple(positions))
