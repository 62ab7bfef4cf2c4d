"""The live worker's Faust app: where batches, rebalances and the end reach the tasks."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from mailsla.schemas.topics import CALENDARS, CONTRACTS, MTA
from mailsla.streams.live.checkpoint.same_topics import SameTopics
from mailsla.streams.live.checkpoint.watched import WatchedDelivery
from mailsla.streams.live.measures import Measures
from mailsla.streams.live.topics import INPUT
from mailsla.streams.live.worker import Live
from mailsla.streams.maillog.worker import attach_maillog
from mailsla.streams.runtime.checkpoint.writer import (
    Delivery,
    Offsets,
    OrderedDelivery,
    TransactionalDelivery,
)
from mailsla.streams.runtime.faust_app.application import (
    BatchApp,
    attach_checking,
    background,
    build_app,
    commit_offsets,
)
from mailsla.streams.runtime.kafka.groups import STREAMS_GROUP
from mailsla.streams.settings import Settings
from mailsla.streams.time.clock import MICROS

_TOPICS_S: Final = 10.0
"""Between two looks whether the topics are still those that the tasks go on from."""

logger = logging.getLogger(__name__)


def build_live(settings: Settings, transactions: bool) -> BatchApp:
    """The live worker's Faust app."""
    app = build_app(STREAMS_GROUP, settings, transactions)

    async def commit(offsets: Offsets) -> bool:
        return await commit_offsets(app, offsets)

    inner: Delivery = (
        TransactionalDelivery(settings, STREAMS_GROUP)
        if transactions
        else OrderedDelivery(settings, commit)
    )
    delivery = WatchedDelivery(inner, settings, app)
    logger.info("checkpoints are delivered with: %s", delivery.name)
    silence_us = int(settings.source_silence_s * MICROS)
    live = Live(settings, delivery, app.is_behind, Measures(app.health, silence_us), app.durable)
    app.has_room = live.may_fetch
    attach_checking(app, [*INPUT, CONTRACTS.name, CALENDARS.name], live.handle)
    background(app, live.work, live.pause_s)
    background(app, SameTopics(settings, live.heads).tick, _TOPICS_S)
    maillog = attach_maillog(app, settings, delivery)

    async def close() -> None:
        if maillog is not None:
            await maillog.close()
        await live.close()

    _connect(app, live, close)
    return app


def _connect(app: BatchApp, live: Live, close: Callable[[], Awaitable[None]]) -> None:
    """Bind rebalances and the end of the app to the tasks."""

    async def on_revoked(sender: Any, revoked: Any, **_: Mapping[str, Any]) -> None:
        await live.drop_all()

    async def on_assigned(sender: Any, assigned: Any, **_: Mapping[str, Any]) -> None:
        app.consumer.forget_yielded()
        await live.resume({tp.partition for tp in assigned if tp.topic == MTA.name})

    async def on_shutdown(sender: Any, **_: Mapping[str, Any]) -> None:
        await close()

    app.on_partitions_revoked.connect(on_revoked, weak=False)
    app.on_partitions_assigned.connect(on_assigned, weak=False)
    app.on_before_shutdown.connect(on_shutdown, weak=False)
