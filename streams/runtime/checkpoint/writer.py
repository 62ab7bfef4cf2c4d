"""How a checkpoint leaves: results, state and offsets, atomically where the broker can.

The order is always the same: results and state are produced and acknowledged, then the offsets
are committed. With transactions the three become visible together and a zombie is fenced by the
transactional id. Without, the state's head record is produced after them, so that a crash in
between leaves either the old state or the new one, and what is delivered again is skipped by
offset; the feed follows the head, which remembers it (`feed_apart`).
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    IncompatibleBrokerVersion,
    InvalidProducerEpoch,
    InvalidTxnState,
    KafkaError,
    KafkaTimeoutError,
    ProducerFenced,
    UnknownError,
    UnknownTopicOrPartitionError,
    UnsupportedVersionError,
)

from mailsla.schemas.topics import BREACHES
from mailsla.streams.runtime.kafka.client_options import client_options
from mailsla.streams.runtime.kafka.partitioner import home_of
from mailsla.streams.runtime.kafka.refusals import TopicRefused, refused
from mailsla.streams.runtime.kafka.repeated_ends import RepeatedEnds
from mailsla.streams.settings import Settings

Offsets = Mapping[tuple[str, int], int]

_REQUEST_TIMEOUT_MS: Final = 30_000
_TRANSACTION_TIMEOUT_MS: Final = 60_000
_LINGER_MS: Final = 5
_BATCH_BYTES: Final = 262_144
_ATTEMPTS: Final = 3
"""To get a checkpoint through, before the worker starts again from the one before it."""
_RECORDS_AT_ONCE: Final = 500
"""Records put into batches before others have a turn."""
MAX_RECORD_BYTES: Final = 4_194_304
_WITHOUT: Final = (UnknownError, UnsupportedVersionError, IncompatibleBrokerVersion)
"""How a broker without transactions answers. A late answer, or none, says nothing about it: to take
that for a no would give up exactly-once without a word."""

logger = logging.getLogger(__name__)


class Outgoing(NamedTuple):
    """A record to produce; without a partition the key decides (murmur2)."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


class Fenced(Exception):  # noqa: N818 - the state of this worker, not a failure of a call
    """Another worker has taken the task over; drop it without committing."""


class Committer(Protocol):
    """Commits offsets in the consumer group; False when the partitions moved on."""

    async def __call__(self, offsets: Offsets) -> bool:
        """Commit next-to-read offsets."""


class Delivery(Protocol):
    """Makes checkpoints durable for the tasks of one worker.

    A task goes by a name that is its own in the whole group, of whatever kind it is.
    """

    name: str

    async def claim(self, task: str) -> None:
        """Take a task over: from here on no other worker's checkpoint of it succeeds."""

    async def deliver(
        self, task: str, records: Sequence[Outgoing], head: Outgoing | None, offsets: Offsets
    ) -> None:
        """Make one checkpoint durable.

        Args:
            task: its name, as it was claimed.
            records: results and state, in order.
            head: the record that makes the state valid.
            offsets: (topic, partition) → next offset to read.

        Raises:
            Fenced: another worker has the task.

        """

    async def release(self, task: str) -> None:
        """Give a task up."""

    async def close(self) -> None:
        """Stop every producer."""


class OrderedDelivery:
    """Results, the head, the feed, then the offsets; exact under crashes of a single worker."""

    name = "ordered"

    def __init__(self, settings: Settings, commit: Committer) -> None:
        self._settings, self._commit = settings, commit
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def claim(self, task: str) -> None:
        """Nothing to fence without transactions; the first claim starts the producer of all."""
        async with self._starting:
            if self._producer is None:
                self._producer = await start_producer(self._settings)

    async def deliver(
        self, task: str, records: Sequence[Outgoing], head: Outgoing | None, offsets: Offsets
    ) -> None:
        """Produce, await every acknowledgement, then commit."""
        if self._producer is None:
            raise Fenced(f"task {task} was never claimed")
        results, feed = feed_apart(records)
        await send_all(self._producer, results)
        if head is not None:
            await send_all(self._producer, [head])
        await send_all(self._producer, feed)
        if offsets and not await self._commit(offsets):
            raise Fenced(f"task {task} was taken over during a checkpoint")

    async def release(self, task: str) -> None:
        """The shared producer stays."""

    async def close(self) -> None:
        """Stop the producer."""
        if self._producer is not None:
            await self._producer.stop()


class TransactionalDelivery:
    """One Kafka transaction per checkpoint and task."""

    name = "transactions"

    def __init__(self, settings: Settings, group: str) -> None:
        self._settings, self._group = settings, group
        self._producers: dict[str, AIOKafkaProducer] = {}
        self._ends: dict[str, RepeatedEnds] = {}

    async def claim(self, task: str) -> None:
        """Register the task's transactional id, which fences its previous holder."""
        await self.release(task)
        producer = await start_producer(
            self._settings,
            transactional_id=f"{self._group}-{task}",
            transaction_timeout_ms=_TRANSACTION_TIMEOUT_MS,
        )
        self._producers[task], self._ends[task] = producer, RepeatedEnds(producer)

    async def deliver(
        self, task: str, records: Sequence[Outgoing], head: Outgoing | None, offsets: Offsets
    ) -> None:
        """Everything of the checkpoint in one transaction."""
        producer = self._producers[task]
        positions = {TopicPartition(*place): offset for place, offset in offsets.items()}
        for left in reversed(range(_ATTEMPTS)):
            begun = time.monotonic()
            try:
                async with producer.transaction():
                    await send_all(producer, records if head is None else [*records, head])
                    if positions:
                        await producer.send_offsets_to_transaction(positions, self._group)
            except KafkaError as error:
                reason = refusal(error, time.monotonic() - begun)
                # By the same producer: whoever has taken the task over meanwhile fences it. Not
                # where the broker may still hear of this one's end.
                if left and is_passing(error) and self._ends[task].error is None:
                    logger.warning(
                        "task %s: a checkpoint did not get through: %s; the same is sent again",
                        task,
                        reason,
                    )
                    continue
                await self.release(task)
                raise Fenced(f"task {task}: the transaction was refused: {reason}") from error
            else:
                break
        if lost := self._ends[task].error:
            await self.release(task)
            raise Fenced(
                f"task {task}: the end of its transaction was asked for twice, and the broker may "
                "hear one of them late; it is durable, and a fresh worker shuts the late one out"
            ) from lost

    async def release(self, task: str) -> None:
        """Stop the task's producer."""
        if producer := self._producers.pop(task, None):
            await producer.stop()

    async def close(self) -> None:
        """Stop every producer."""
        for task in list(self._producers):
            await self.release(task)


def is_passing(error: KafkaError) -> bool:
    """Whether the same transaction may well get through a moment later."""
    return bool(error.retriable) or isinstance(error, KafkaTimeoutError)


def refusal(error: KafkaError, seconds: float) -> str:
    """Why a transaction was refused, after so many seconds of it."""
    if isinstance(error, ProducerFenced | InvalidProducerEpoch | InvalidTxnState):
        if 1000 * seconds >= _TRANSACTION_TIMEOUT_MS:
            why = f"it took {seconds:.0f} s, longer than the broker waits for one"
        else:
            why = "another worker has the task"
    elif isinstance(error, UnknownTopicOrPartitionError):
        why = "a topic is missing (see mailsla topics)"
    elif is_passing(error):
        why = "the broker did not answer in time"
    else:
        why = "the broker says no"
    return f"{why} ({error!r})"


async def start_producer(settings: Settings, **options: Any) -> AIOKafkaProducer:
    """A producer whose records count once every replica in sync has them.

    Raises:
        KafkaError: no broker answers.

    """
    producer = AIOKafkaProducer(
        **client_options(settings),
        acks="all",
        linger_ms=_LINGER_MS,
        max_batch_size=_BATCH_BYTES,
        max_request_size=MAX_RECORD_BYTES,
        request_timeout_ms=_REQUEST_TIMEOUT_MS,
        **options,
    )
    await producer.start()
    return producer


def feed_apart(records: Sequence[Outgoing]) -> tuple[list[Outgoing], list[Outgoing]]:
    """What precedes the head without transactions, and the feed, which follows it.

    What the feed has said cannot be unsaid, and a life that reads the topics in another order than
    one that was cut off may find otherwise. So it says what the state vouches for.
    """
    return (
        [one for one in records if one.topic != BREACHES.name],
        [one for one in records if one.topic == BREACHES.name],
    )


async def send_all(producer: AIOKafkaProducer, records: Sequence[Outgoing]) -> None:
    """Produce and await every acknowledgement; the first failure is raised.

    Raises:
        TopicRefused: a topic will have no such record.
        KafkaError: anything else.

    They go out in batches that are put together here: sending them one by one costs four times as
    much, and the broker gives up a transaction that takes too long.
    """
    pending: list[_Sent] = []
    counts = {
        topic: len(await producer.partitions_for(topic))
        for topic in {record.topic for record in records if record.partition is None}
    }
    for place, some in _by_place(records, counts).items():
        if place is None:
            for record in some:
                pending.append(await _send_one(producer, record))  # noqa: PERF401
            continue
        pending += await _send_batches(producer, place, some)
    try:
        await asyncio.gather(*(one.acknowledged for one in pending))
    except KafkaError as error:
        if refusal := next((found for one in pending if (found := one.refusal())), None):
            raise refusal from error
        raise


@dataclass(frozen=True, slots=True)
class _Sent:
    """A record or a batch on its way to a topic, its size in bytes."""

    topic: str
    size: int
    acknowledged: asyncio.Future[Any]

    def refusal(self) -> TopicRefused | None:
        """What the topic answered, where it will not have it."""
        done = self.acknowledged.done() and not self.acknowledged.cancelled()
        return refused(self.topic, self.size, self.acknowledged.exception()) if done else None


def _by_place(
    records: Sequence[Outgoing], counts: Mapping[str, int]
) -> dict[tuple[str, int] | None, list[Outgoing]]:
    """The records of each topic and partition, in order; under ``None`` where the client chooses.

    ``counts`` are the partitions of those topics in which keys decide.
    """
    found: dict[tuple[str, int] | None, list[Outgoing]] = {}
    for record in records:
        partition = record.partition
        if partition is None and record.key is not None:
            partition = home_of(record.key, counts[record.topic])
        place = None if partition is None else (record.topic, partition)
        found.setdefault(place, []).append(record)
    return found


async def _send_batches(
    producer: AIOKafkaProducer, place: tuple[str, int], records: Sequence[Outgoing]
) -> list[_Sent]:
    pending: list[_Sent] = []
    batch, filled = producer.create_batch(), 0

    async def send() -> None:
        sent = await producer.send_batch(batch, place[0], partition=place[1])
        pending.append(_Sent(place[0], batch.size(), sent))

    for number, record in enumerate(records):
        if _append(batch, record):
            filled += 1
        else:
            if filled:
                await send()
            batch, filled = producer.create_batch(), 0
            if _append(batch, record):
                filled = 1
            else:
                # Larger than a batch: the client makes one for it alone.
                pending.append(await _send_one(producer, record))
                batch = producer.create_batch()
        if number % _RECORDS_AT_ONCE == 0:
            await asyncio.sleep(0)
    if filled:
        await send()
    return pending


def _append(batch: Any, record: Outgoing) -> bool:
    added = batch.append(
        timestamp=None, key=record.key, value=record.value, headers=list(record.headers)
    )
    return added is not None


async def _send_one(producer: AIOKafkaProducer, record: Outgoing) -> _Sent:
    sent = await producer.send(
        record.topic,
        value=record.value,
        key=record.key,
        partition=record.partition,
        headers=list(record.headers),
    )
    return _Sent(record.topic, len(record.value or b"") + len(record.key or b""), sent)


async def supports_transactions(settings: Settings) -> bool:
    """Whether the broker grants transactional ids; it is waited for until it says so.

    Raises:
        KafkaError: it says neither: it refuses this user, or is away by now.
    """
    producer = AIOKafkaProducer(
        **client_options(settings),
        transactional_id="mailsla-probe",
        request_timeout_ms=_REQUEST_TIMEOUT_MS,
    )
    try:
        await producer.start()
    except KafkaError as error:
        if isinstance(error, _WITHOUT) or isinstance(error.__cause__, _WITHOUT):
            return False
        raise
    finally:
        await producer.stop()
    return True
