"""One route: reads the feed under a group of its own and delivers what the receiver wants."""

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, OffsetAndMetadata, TopicPartition
from aiokafka.errors import CommitFailedError, KafkaError

from mailsla.schemas.topics import BREACHES, CLOSINGS
from mailsla.streams.metrics.names import NOTIFICATION_SECONDS, NOTIFICATIONS, NOTIFICATIONS_WAITING
from mailsla.streams.notify.events import read_news
from mailsla.streams.notify.pacing import Backoff
from mailsla.streams.notify.queue import Place, Queue, Waiting
from mailsla.streams.notify.routes import Route, rank
from mailsla.streams.notify.senders import Away, Refused, Send
from mailsla.streams.runtime.absence import Absence
from mailsla.streams.runtime.faust_app.notices import is_connected
from mailsla.streams.runtime.kafka.client_options import client_options
from mailsla.streams.runtime.lasting import lasting_reason
from mailsla.streams.runtime.unreadable import pass_over_unreadable
from mailsla.streams.settings import Settings

GROUP: Final = "mailsla-notify-"
"""A route's consumer group is this and its name."""
_POLL_MS: Final = 200
_AT_ONCE: Final = 200
_TURN_S: Final = 5.0
"""So long at most is sent to a slow receiver before the broker hears of this consumer again."""
_KAFKA_PAUSE_S: Final = 2.0

logger = logging.getLogger(__name__)


class Runner:
    """Delivers one route until it is told to stop."""

    def __init__(self, route: Route, settings: Settings, send: Send) -> None:
        self._route, self._settings, self._send = route, settings, send
        self._queue = Queue()
        self._backoff = Backoff()
        self._failures: dict[Place | None, int] = {}
        self._next_at: dict[Place | None, float] = {}
        """When a partition (None: a gathered message) is tried again, monotonic seconds."""
        self._gathered_at: float | None = None
        self._anchored: set[TopicPartition] = set()
        self._consumer: AIOKafkaConsumer | None = None
        self._refused = Absence()
        self._failed = False

    @property
    def partitions(self) -> int:
        """How many it reads now."""
        return len(self._anchored)

    @property
    def is_connected(self) -> bool | None:
        """Whether it has a connection to a broker; None while it tries for the first time."""
        if self._consumer is None:
            return False if self._failed else None
        return is_connected(self._consumer)

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop`` is set; an absent broker is waited for."""
        while not stop.is_set():
            try:
                await self._session(stop)
            except KafkaError as error:
                self._failed = True
                self._note_refusal(error)
                self._queue.forget()
                await asyncio.sleep(_KAFKA_PAUSE_S)

    async def _session(self, stop: asyncio.Event) -> None:
        consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            group_id=f"{GROUP}{self._route.name}",
            enable_auto_commit=False,
            # A new route tells of what happens from now on.
            auto_offset_reset="latest",
            isolation_level="read_committed",
            session_timeout_ms=int(self._settings.session_timeout_s * 1000),
            heartbeat_interval_ms=int(self._settings.session_timeout_s * 200),
        )
        consumer.subscribe([BREACHES.name, CLOSINGS.name], listener=_Forgetting(self))
        try:
            await consumer.start()
            pass_over_unreadable(consumer)
            self._consumer = consumer
            while not stop.is_set():
                await self._turn(consumer)
                self._refused.back(time.monotonic())
        finally:
            self._consumer = None
            await consumer.stop()

    def _note_refusal(self, error: KafkaError) -> None:
        """Say what a broker that is there refuses; of one that is away others tell."""
        if not error.retriable and self._refused.away(time.monotonic()) is not None:
            why = lasting_reason(error) or repr(error)
            logger.warning("route %s waits: %s", self._route.name, why)

    def forget(self) -> None:
        """Partitions move: what waits is read again by whoever has them then."""
        self._queue.forget()
        self._anchored.clear()
        self._gathered_at = None
        self._next_at.clear()

    async def _turn(self, consumer: Any) -> None:
        """Read, deliver, commit: in this order, so that nothing is lost."""
        await self._anchor(consumer)
        full = {TopicPartition(*place) for place in self._queue.full()}
        consumer.pause(*full & consumer.assignment())
        consumer.resume(*(consumer.assignment() - full))
        fetched = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_AT_ONCE)
        for place, records in fetched.items():
            for record in records:
                self._read(place, record)
        await self._deliver()
        NOTIFICATIONS_WAITING.labels(self._route.name).set(len(self._queue))
        await self._commit(consumer)

    async def _anchor(self, consumer: Any) -> None:
        """Commit where a new route begins: a restart before its first event loses nothing then."""
        for place in consumer.assignment() - self._anchored:
            if await consumer.committed(place) is None:
                offset = await consumer.position(place)
                await consumer.commit({place: OffsetAndMetadata(offset, "")})
            self._anchored.add(place)

    def _read(self, place: TopicPartition, record: Any) -> None:
        news = None if record.value is None else read_news(record.value)
        wanted = news is not None and self._route.wants(news.event)
        waiting = Waiting(record.offset, news, record.timestamp) if wanted and news else None
        self._queue.read((place.topic, place.partition), record.offset, waiting)

    async def _deliver(self) -> None:
        if self._route.pause_s:
            await self._deliver_together()
        else:
            await asyncio.gather(*(self._deliver_each(place) for place in self._queue.places()))

    async def _deliver_each(self, place: Place) -> None:
        """One after the other of a partition, so that a tenant's come in order."""
        end = time.monotonic() + _TURN_S
        for one in list(self._queue.of(place)):
            now = time.monotonic()
            if now < self._next_at.get(place, 0.0) or now > end:
                return
            if self._is_quiet(one):
                continue
            if not await self._try(place, [one]):
                return
            self._queue.done(place, [one.offset])

    async def _deliver_together(self) -> None:
        """All that has gathered in the pause is one message."""
        due = [(place, one) for place, one in self._queue.everything() if not self._is_quiet(one)]
        now = time.monotonic()
        if not due:
            self._gathered_at = None
            return
        if self._gathered_at is None:
            self._gathered_at = now
        if now < max(self._gathered_at + self._route.pause_s, self._next_at.get(None, 0.0)):
            return
        if await self._try(None, [one for _, one in due]):
            for place in {place for place, _ in due}:
                self._queue.done(place, [one.offset for at, one in due if at == place])
            self._gathered_at = None

    async def _try(self, place: Place | None, waiting: Sequence[Waiting]) -> bool:
        """Send; whether it is done with, otherwise it is tried again later."""
        name, outcome = self._route.name, "sent"
        try:
            await self._send([one.news for one in waiting])
        except Refused as error:
            outcome = "dropped"
            logger.error("route %s: refused for good (%s), left out", name, error)
        except Away as error:
            self._note_failure(place, str(error))
            return False
        if self._failures.pop(place, 0):
            logger.info("route %s: its receiver takes notifications again", name)
        NOTIFICATIONS.labels(name, outcome).inc()
        for one in waiting:
            NOTIFICATION_SECONDS.labels(name).observe(
                max(0.0, time.time() - one.published_ms / 1000)
            )
        return True

    def _note_failure(self, place: Place | None, reason: str) -> None:
        failures = self._failures[place] = self._failures.get(place, 0) + 1
        delay = self._backoff.delay(failures, random.random())  # noqa: S311 - no secret
        self._next_at[place] = time.monotonic() + delay
        NOTIFICATIONS.labels(self._route.name, "failed").inc()
        if failures == 1:
            logger.warning("route %s: its receiver is away (%s)", self._route.name, reason)

    def _is_quiet(self, one: Waiting) -> bool:
        quiet = self._route.quiet
        if quiet is None or quiet.ends(datetime.now(UTC)) is None:
            return False
        return not (quiet.let_breached_through and rank(one.news.event) == 3)

    async def _commit(self, consumer: Any) -> None:
        offsets = self._queue.to_commit()
        if not offsets:
            return
        named = {TopicPartition(*place): OffsetAndMetadata(o, "") for place, o in offsets.items()}
        try:
            await consumer.commit(named)
        except CommitFailedError:
            return  # the partitions have moved; whoever has them delivers once more
        self._queue.committed(offsets)


class _Forgetting(ConsumerRebalanceListener):  # type: ignore[misc]  # an untyped base
    """Has a runner forget what waits when partitions move."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    async def on_partitions_revoked(self, revoked: Any) -> None:
        self._runner.forget()

    async def on_partitions_assigned(self, assigned: Any) -> None:
        self._runner.forget()
