"""The sinks worker: every landed topic, through Faust, into ClickHouse.

Batches are gathered until they are worth an insert or half a second has passed, landed, and only
then are their offsets committed: a worker killed in between lands them again, which the tables
collapse.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any, Final

from aiokafka.errors import KafkaConnectionError

from mailsla.schemas.codec.addresses import AddressKey
from mailsla.sinks.clickhouse import ClickHouseSettings, connect
from mailsla.sinks.closing.plan.plan_store import refresh_plans
from mailsla.sinks.landing.delivery import LandingDelivery
from mailsla.sinks.landing.faults import LandingError, label
from mailsla.sinks.landing.landing import LANDED_TOPICS, Landing
from mailsla.sinks.landing.metrics import LandingMetrics
from mailsla.sinks.quotas import LOOKED_EVERY_S, QuotaWatch
from mailsla.streams.metrics.names import STAGE_SECONDS
from mailsla.streams.runtime.absence import Absence
from mailsla.streams.runtime.faust_app.application import (
    BatchApp,
    attach,
    background,
    build_app,
    commit_offsets,
)
from mailsla.streams.runtime.faust_app.batches import RecordBatch
from mailsla.streams.runtime.faust_app.restart import give_up, restart, settled
from mailsla.streams.runtime.kafka.admin import topic_identities
from mailsla.streams.runtime.kafka.groups import SINKS_GROUP
from mailsla.streams.settings import Settings

_ROWS_PER_LANDING: Final = 100_000
_LONGEST_WAIT_S: Final = 0.5
_TICK_S: Final = 0.1
_PLANS_S: Final = 30.0
_TOPICS_S: Final = 10.0
DEFAULT_TIMEOUT_S: Final = 120.0
_LAST_LANDING_S: Final = 5.0

logger = logging.getLogger(__name__)


class Gatherer:
    """Holds batches until they are landed together.

    Offsets are committed once the rows are durable.
    """

    def __init__(self, landing: Landing, app: BatchApp) -> None:
        self._landing, self._app = landing, app
        self._held: list[RecordBatch] = []
        self._size = 0
        self._since = 0.0
        self._suspended = False
        self._under_way: asyncio.Future[None] | None = None
        self._lock = asyncio.Lock()

    async def handle(self, batch: RecordBatch) -> None:
        """Take a batch; land what is held when it is enough."""
        async with self._lock:
            if self._suspended:
                return  # its partition is on the move; whoever has it then fetches it again
            if not self._held:
                self._since = time.monotonic()
            self._held.append(batch)
            self._size += len(batch)
            if self._size >= _ROWS_PER_LANDING:
                await self._land()

    async def tick(self) -> None:
        """Land what has waited long enough."""
        async with self._lock:
            if self._held and time.monotonic() - self._since >= _LONGEST_WAIT_S:
                await self._land()

    async def forget(self) -> None:
        """Drop what is held: its partitions may belong to another worker from now on.

        Does not wait for a landing under way, which may last as long as ClickHouse is away: it is
        cut off, nothing is committed, and whoever has the partitions lands the records again.
        """
        self._suspended = True
        self._held, self._size = [], 0
        if self._under_way is not None:
            self._under_way.cancel()

    async def resume(self) -> None:
        """Partitions were assigned: batches fetched from now on are this worker's."""
        self._suspended = False

    async def finish(self) -> None:
        """Land what is held before the worker ends; what takes too long is left to the next one."""
        try:
            await asyncio.wait_for(self._finish(), _LAST_LANDING_S)
        except TimeoutError:
            logger.warning("ClickHouse did not take the last rows in time; they land again later")
        finally:
            await self.forget()

    async def _finish(self) -> None:
        async with self._lock:
            if self._held:
                await self._land()

    async def _land(self) -> None:
        held, self._held, self._size = self._held, [], 0
        begun = time.monotonic()
        self._under_way = asyncio.ensure_future(self._landing.land_all(held))
        await asyncio.wait({self._under_way})
        STAGE_SECONDS.labels("land").observe(time.monotonic() - begun)
        landed, self._under_way = self._under_way, None
        if landed.cancelled():
            return
        error = landed.exception()
        if isinstance(error, LandingError):
            give_up(str(error))
        if error is not None:
            raise error
        offsets: dict[tuple[str, int], int] = {}
        for batch in held:
            offsets[batch.topic, batch.partition] = batch.next_offset
        await commit_offsets(self._app, offsets)
        settled()


class PlanKeeper:
    """Keeps what the live views join current: tenants, zones, calendars, terms.

    That ClickHouse takes no rows is in ``metrics``, and said by whoever found it out.
    """

    def __init__(self, server: ClickHouseSettings, metrics: LandingMetrics) -> None:
        self._server, self._metrics = server, metrics
        self._since_us = 0
        self._absence = Absence()

    async def tick(self) -> None:
        """Bring the plans of the months that have new facts up to date; later if it cannot be."""
        try:
            self._since_us = await asyncio.to_thread(self._refresh)
        except Exception as error:
            said = self._metrics.down_since is not None
            if not said and self._absence.away(time.monotonic()) is not None:
                logger.warning("the live views are not brought up to date now (%s)", label(error))
            logger.debug("the live views: %s", error)
        else:
            if (away_s := self._absence.back(time.monotonic())) is not None:
                logger.info("the live views are brought up to date again after %.0f s", away_s)

    def _refresh(self) -> int:
        return refresh_plans(connect(self._server), self._since_us)


class TopicWatch:
    """Reads a topic from its beginning once more when it was deleted and made anew.

    The offsets that were committed, and those at which this worker goes on, are of the topic
    before: it would pass over as many records of the new one. What lands twice is one row.
    """

    def __init__(self, settings: Settings, app: BatchApp, gatherer: Gatherer) -> None:
        self._settings, self._app, self._gatherer = settings, app, gatherer
        self._known: dict[str, str] = {}

    def pause_s(self) -> float:
        """How long to wait before the next look, seconds."""
        return _TOPICS_S if self._known else _TICK_S

    async def tick(self) -> None:
        """Look what the topics are; on a new one begin anew. The broker may be away meanwhile."""
        try:
            found = await asyncio.to_thread(topic_identities, self._settings, LANDED_TOPICS)
        except KafkaConnectionError:
            return  # somebody else says so
        present = {name: topic.id for name, topic in found.items() if topic.partitions}
        anew = sorted(name for name, id_ in present.items() if self._known.get(name, id_) != id_)
        if anew:
            await self._gatherer.forget()
            held = [place for place in self._app.consumer.assignment() if place.topic in anew]
            await commit_offsets(self._app, dict.fromkeys(map(tuple, held), 0))
            restart(f"{', '.join(anew)} was deleted and made anew: it is read from its beginning")
        self._known |= present


def clickhouse_settings(
    settings: Settings, timeout_s: float = DEFAULT_TIMEOUT_S
) -> ClickHouseSettings:
    """The ClickHouse part of the configuration; ``timeout_s`` bounds one query."""
    return ClickHouseSettings(
        timeout_s=timeout_s,
        url=settings.clickhouse,
        database=settings.clickhouse_database,
        user=settings.clickhouse_user,
        password=settings.clickhouse_password,
        ca_file=str(settings.clickhouse_ca_file) if settings.clickhouse_ca_file else None,
    )


def build_sinks(
    settings: Settings, transactions: bool, metrics: LandingMetrics | None = None
) -> BatchApp:
    """The sinks worker's Faust app; ``metrics`` counts what it lands."""
    counted = metrics or LandingMetrics()
    app = build_app(SINKS_GROUP, settings, transactions)
    server = clickhouse_settings(settings)
    delivery = LandingDelivery(lambda: connect(server), counted)
    gatherer = Gatherer(Landing(delivery, key=AddressKey.of(settings.address_key)), app)
    attach(app, LANDED_TOPICS, gatherer.handle)
    background(app, gatherer.tick, _TICK_S)
    background(app, PlanKeeper(server, counted).tick, _PLANS_S)
    if settings.tenant_events:
        background(app, QuotaWatch(server, settings.tenant_events).tick, LOOKED_EVERY_S)
    watch = TopicWatch(settings, app, gatherer)
    background(app, watch.tick, watch.pause_s)

    async def note_trouble() -> None:
        app.health.problems = counted.problems()

    background(app, note_trouble, _LONGEST_WAIT_S)

    async def on_revoked(sender: Any, revoked: Any, **_: Mapping[str, Any]) -> None:
        await gatherer.forget()

    async def on_shutdown(sender: Any, **_: Mapping[str, Any]) -> None:
        await gatherer.finish()

    async def on_assigned(sender: Any, assigned: Any, **_: Mapping[str, Any]) -> None:
        await gatherer.resume()

    app.on_partitions_revoked.connect(on_revoked, weak=False)
    app.on_partitions_assigned.connect(on_assigned, weak=False)
    app.on_before_shutdown.connect(on_shutdown, weak=False)
    return app
