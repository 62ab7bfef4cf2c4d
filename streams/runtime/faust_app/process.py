"""Running a Faust app in the foreground."""

import asyncio
import gc
import time
from collections.abc import Collection, Mapping
from typing import Any, Final

import faust
from aiokafka.errors import KafkaError as AioKafkaError
from faust.types import TP
from kafka import KafkaConsumer
from kafka.errors import KafkaError

from mailsla.streams.metrics.sampling import beat
from mailsla.streams.runtime.checkpoint.writer import supports_transactions
from mailsla.streams.runtime.faust_app.application import BatchApp
from mailsla.streams.runtime.faust_app.notices import BROKER, TRANSACTIONS, WRITING, Notice
from mailsla.streams.runtime.faust_app.restart import before_restart, end, give_up
from mailsla.streams.runtime.kafka.client_options import client_options
from mailsla.streams.runtime.kafka.consumer_lag import waiting_records
from mailsla.streams.runtime.kafka.groups import STREAMS_GROUP
from mailsla.streams.runtime.kafka.probe import Trouble, late_trouble, probe
from mailsla.streams.runtime.kafka.refusals import inherited, missing_topics, takes_again
from mailsla.streams.runtime.lasting import lasting_reason
from mailsla.streams.runtime.watchdog import Watchdog
from mailsla.streams.settings import ConfigurationError, Settings

_PAUSE_S: Final = 1.0
_TRY_AGAIN_S: Final = 3.0
"""Between two tries of what a topic refused."""
_LOOK_S: Final = 10.0
"""Between two looks at what is stuck."""
_ANSWER_S: Final = 5.0
"""A broker that does not tell an offset in this time is away."""
_TRANSACTIONS_S: Final = 60.0
"""After it the broker is asked anew whether it has transactions."""
_BOOTSTRAP_MS: Final = 5_000
_BREAKS_OFF: Final = 2
"""How often a broker may greet and then say nothing more: one that is starting does so once."""
_GARBAGE_THRESHOLDS: Final = (50_000, 4, 100)
"""Objects that come and go with a batch are counted in tens of thousands. With Python's own 700
they are looked through so often that many live to be taken for lasting ones, and all of the state
is walked for nothing, half a second at a time, while breaches wait. Few such lots are looked
through once more together: with 100,000 tenants twenty took 0.25 s."""


def wait_for_broker(settings: Settings) -> None:
    """Return once a broker answers; a worker outlives the broker's absence.

    Raises:
        ConfigurationError: the broker is there and cannot be used, which waiting would not mend:
            certificate, host name, encryption, login.
    """
    broker = Notice(BROKER)
    broken_off = 0
    while True:
        trouble = probe(settings)
        if trouble is None and _has_brokers(settings):
            broker.good()
            return
        if trouble is None:
            broken_off += 1
            trouble = Trouble(late_trouble(settings), passing=broken_off < _BREAKS_OFF)
        if not trouble.passing:
            raise ConfigurationError(trouble.sentence)
        broker.bad(trouble.sentence)
        time.sleep(_PAUSE_S)


def _has_brokers(settings: Settings) -> bool:
    try:
        KafkaConsumer(**client_options(settings), bootstrap_timeout_ms=_BOOTSTRAP_MS).close()
    except KafkaError:
        return False
    return True


def wait_for_topics(settings: Settings, names: Collection[str]) -> None:
    """Return once all these topics exist; which do not is said once a minute.

    Raises:
        ConfigurationError: the broker cannot be used.
    """
    notice = Notice(WRITING)
    while True:
        try:
            why = missing_topics(settings, names)
        except ConfigurationError:  # it may be away by now
            time.sleep(_PAUSE_S)
            wait_for_broker(settings)
            continue
        if why is None:
            notice.good()
            return
        notice.bad(why)
        time.sleep(_PAUSE_S)


def wait_for_transactions(settings: Settings) -> bool:
    """Whether checkpoints are transactions: as configured, else as the broker says, once it does.

    A worker that its user's rights keep from finding out ends with a sentence.

    Raises:
        ConfigurationError: the broker cannot be used.
    """
    if settings.delivery != "auto":
        return settings.delivery == "transactions"
    notice = Notice(TRANSACTIONS)
    while True:
        try:
            asked = asyncio.wait_for(supports_transactions(settings), _TRANSACTIONS_S)
            found = asyncio.run(asked)
        except (AioKafkaError, TimeoutError, AssertionError) as error:  # no broker, to the client
            if sentence := lasting_reason(error):
                give_up(sentence)
            notice.bad(repr(error))
            time.sleep(_PAUSE_S)
            wait_for_broker(settings)
        else:
            notice.good()
            return found


def wait_until_taken(settings: Settings) -> None:
    """Return once a topic takes what it refused of the process before this one."""
    refusal, notice = inherited(), Notice(WRITING)
    while refusal is not None:
        notice.bad(refusal.sentence)
        time.sleep(_TRY_AGAIN_S)
        try:
            refusal = asyncio.run(takes_again(settings, refusal, STREAMS_GROUP))
        except AioKafkaError:
            wait_for_broker(settings)
    notice.good()


def _observe(app: Any) -> None:
    """Measure the event loop and what waits at the broker, as long as the app runs."""

    def waiting() -> tuple[int, Mapping[str, int]]:
        return len(app.consumer.assignment()), waiting_records(app)

    async def observe() -> None:
        await beat(app.health, waiting)

    app.task(observe)


def _watch(app: BatchApp, settings: Settings) -> None:
    """Say when the broker goes and comes, and end a worker that is stuck, as long as the app runs.

    Stuck is one of which a partition grows while nothing of it is committed.
    """
    broker, dog = Notice(BROKER), Watchdog(settings.watchdog_s)
    look_s = min(_LOOK_S, settings.watchdog_s / 4)

    async def watch() -> None:
        look_at = 0.0
        while not app.should_stop:
            await app.sleep(_PAUSE_S)
            held = tuple(app.consumer.assignment())
            if not held:
                dog.rest()
            elif not app.consumer.is_connected():
                dog.rest()
                broker.bad(f"no connection to {settings.kafka}")
            else:
                broker.good()
                if (now := time.monotonic()) >= look_at:
                    look_at = now + look_s
                    await _look(app, dog, held)

    app.task(watch)


async def _look(app: BatchApp, dog: Watchdog, held: Collection[TP]) -> None:
    if not app.health.recovered or app.health.problems:
        dog.rest()
        return
    try:
        ends = await asyncio.wait_for(app.consumer.end_offsets(held), _ANSWER_S)
    except (AioKafkaError, TimeoutError):
        dog.rest()
        return
    if stuck := dog.look(time.monotonic(), ends, app.durable):
        end(stuck.sentence(app.conf.id))


def run(app: BatchApp, settings: Settings) -> None:
    """Run a worker until SIGTERM or SIGINT; does not return."""
    _observe(app)
    _watch(app, settings)
    before_restart(app.leave_group)
    gc.freeze()
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
    worker = faust.Worker(
        app,
        loglevel=settings.log_level,
        override_logging=False,
        redirect_stdouts=False,
        quiet=True,
        console_port=None,
        daemon=True,
    )
    worker.execute_from_commandline()
