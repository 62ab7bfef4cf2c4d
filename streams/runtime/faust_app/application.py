"""A Faust application on the batch entrance, with the known traps closed.

No web server (it would listen on every address), no leader topic, no tables, no acks by Faust.
An error in an agent must not be survived: Faust would go on with the next batch and the failed
one would be lost to the state. So any unexpected error ends the process image at once, nothing
committed, and starts it anew (`restart`).
"""

import atexit
import logging
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import faust
from faust.auth import OAuthCredentials
from faust.types import TP

from mailsla.streams.metrics.health import Health
from mailsla.streams.metrics.names import LAST_CHECKPOINT
from mailsla.streams.metrics.sampling import applying
from mailsla.streams.runtime.checkpoint.state_log import StateError
from mailsla.streams.runtime.faust_app.batches import BatchTransport, RecordBatch, batch_topic
from mailsla.streams.runtime.faust_app.restart import before_restart, give_up, restart
from mailsla.streams.runtime.kafka.client_options import FileToken, is_encrypted, login, tls_context
from mailsla.streams.runtime.kafka.refusals import hand_on
from mailsla.streams.runtime.lasting import is_of_kafka, lasting_reason, refusal_of
from mailsla.streams.settings import Settings

_METADATA_MS: Final = 10_000
"""How old knowledge of the topics may be: one that was deleted and made anew is read again within
this time. The client's own five minutes would be a standstill."""

logger = logging.getLogger(__name__)

Handler = Callable[[RecordBatch], Awaitable[None]]
Current = Callable[[], bool]
"""Whether a batch was fetched since the latest rebalance, so that nothing lies between it and what
was handed on before."""


class BatchApp(faust.App):  # type: ignore[misc]  # an untyped base
    """A Faust app whose transport delivers batches."""

    reads_committed = False
    """Whether records of open or aborted transactions are held back."""
    health = Health("worker", consumes=True)
    """What is known of this process; read by ``/live`` and ``/ready``."""

    has_room: Callable[[TP], bool] | None = None
    """Whether more of a partition may be fetched by now; always where nobody knows better."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.durable: dict[tuple[str, int], int] = {}
        """(topic, partition) → offset before which everything read by this process is durable."""

    def may_fetch(self, tp: TP) -> bool:
        """Whether more of a partition may be fetched by now."""
        return self.has_room is None or self.has_room(tp)

    def is_behind(self, topic: str, partition: int, offered: int) -> bool:
        """Whether records of a partition beyond an offset wait, or it is not known yet."""
        return bool(self.consumer.is_behind(TP(topic, partition), offered))

    def leave_group(self) -> None:
        """Tell the broker that this member goes, if it ever came."""
        if self.consumer is not None:
            self.consumer.leave_group()

    def _new_transport(self) -> BatchTransport:
        return BatchTransport(self.conf.broker_consumer, self, loop=self.loop)


def build_app(
    name: str, settings: Settings, transactions: bool, buffered_batches: int = 2
) -> BatchApp:
    """A worker application; ``name`` is its consumer group.

    Args:
        name: application id and consumer group.
        settings: broker address and time-outs.
        transactions: whether the broker has transactions; then only committed ones are read.
        buffered_batches: batches held ready for the agent; with the fetch size this bounds memory.
    """
    app = BatchApp(
        name,
        broker=[f"aiokafka://{server}" for server in settings.kafka.split(",")],
        broker_credentials=_credentials(settings),
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.session_timeout_s / 5,
        broker_request_timeout=max(30.0, 3 * settings.session_timeout_s),
        broker_max_poll_interval=600.0,
        broker_check_crcs=True,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=settings.fetch_bytes,
        consumer_metadata_max_age_ms=_METADATA_MS,
        stream_buffer_maxsize=buffered_batches,
        stream_wait_empty=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        datadir=_scratch(name),
        autodiscover=False,
    )
    app.reads_committed = transactions
    app.health = Health(name, consumes=True)
    return app


def attach(app: BatchApp, topics: Sequence[str], handler: Handler, name: str = "entrance") -> None:
    """Feed every batch of some topics to a handler, one at a time; ``name`` is its own in the app.

    A batch fetched before the latest rebalance is skipped: it is fetched again by whoever has
    the partition now.
    """

    async def handle(batch: RecordBatch, current: Current) -> None:
        if current():
            await handler(batch)

    attach_checking(app, topics, handle, name)


def attach_checking(
    app: BatchApp,
    topics: Sequence[str],
    handler: Callable[[RecordBatch, Current], Awaitable[None]],
    name: str = "entrance",
) -> None:
    """`attach` for a handler that may have to wait: it looks itself whether a batch is current."""

    async def entrance(stream: Any) -> None:
        async for event in stream.events():
            generation = event.message.generation_id

            def current(generation: int = generation) -> bool:
                return bool(generation == app.consumer_generation_id)

            try:
                async with applying(app.health, event.message.topic, len(event.value)):
                    await handler(event.value, current)
            except Exception as error:
                _fail(app, f"a batch of {event.message.topic} failed: {error!r}", error)

    app.agent(batch_topic(app, topics), name=f"{app.conf.id}.{name}")(entrance)


def background(
    app: BatchApp, step: Callable[[], Awaitable[None]], pause_s: float | Callable[[], float]
) -> None:
    """Run ``step`` again and again beside the agent, with a pause before each, until the end."""

    async def loop() -> None:
        while not app.should_stop:
            await app.sleep(pause_s() if callable(pause_s) else pause_s)
            try:
                await step()
            except Exception as error:
                _fail(app, f"background work failed: {error!r}", error)

    app.task(loop)


def _fail(app: BatchApp, reason: str, error: Exception) -> None:
    """Go on in a fresh process, unless this one is ending anyway or that would not help."""
    if app.should_stop:
        logger.warning("%s (while stopping)", reason)
    elif isinstance(error, StateError):
        give_up(str(error))
    elif sentence := lasting_reason(error):
        give_up(sentence)
    elif refusal := refusal_of(error):
        hand_on(refusal)
        restart(refusal.sentence)
    elif is_of_kafka(error):
        restart(reason)  # the broker's absence is said elsewhere; a traceback would tell no more
    else:
        restart(reason, error)


async def commit_offsets(app: BatchApp, offsets: Mapping[tuple[str, int], int]) -> bool:
    """Commit next-to-read offsets; False when the partitions belong to somebody else now."""
    held = app.consumer.assignment()
    wanted = {TP(*place): offset for place, offset in offsets.items()}
    if not set(wanted) <= set(held):
        return False
    committed = bool(await app.consumer._commit(wanted))
    if committed:
        app.durable |= offsets
        LAST_CHECKPOINT.set_to_current_time()
    return committed


def _scratch(name: str) -> str:
    """A directory of this process alone, under a name nobody can prepare; gone at the end.

    Faust wants one for its tables, of which there are none.
    """
    made = tempfile.mkdtemp(prefix=f"{name}-")

    def remove() -> None:
        shutil.rmtree(made, ignore_errors=True)

    atexit.register(remove)
    before_restart(remove)
    return made


def _credentials(settings: Settings) -> Any:
    """What Faust's clients show the broker, and over which protocol they do.

    Faust derives the protocol from the credentials: with a login and no TLS context it would send
    the password in clear text, whatever was asked for.
    """
    context = tls_context(settings) if is_encrypted(settings) else None
    if not settings.kafka_security.startswith("SASL"):
        return faust.SSLCredentials(context) if context else None
    if settings.kafka_sasl_mechanism == "OAUTHBEARER":
        return OAuthCredentials(oauth_cb=FileToken(settings), ssl_context=context)
    user, password = login(settings)
    return faust.SASLCredentials(
        username=user,
        password=password,
        ssl_context=context,
        mechanism=settings.kafka_sasl_mechanism,
    )
