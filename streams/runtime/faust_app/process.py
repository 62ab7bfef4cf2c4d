"""Running a Faust app in the foreground."""

import asyncio
import gc
import logging
import time
from collections.abc import Collection, Mapping
from typing import Any, Final

import faust
from aiokafka.errors import KafkaError as AioKafkaError
from faust.types import TP
from kafka import KafkaConsumer
from kafka.errors import KafkaError

from mailsla.streams.metrics.sampling import beat
from mailsla.streams.runtime.absence import Absence
from mailsla.streams.runtime.faust_app.application import BatchApp
from mailsla.streams.runtime.faust_app.restart import AWAY, before_restart, end
from mailsla.streams.runtime.kafka.client_options import client_options
from mailsla.streams.runtime.kafka.consumer_lag import waiting_records
from mailsla.streams.runtime.kafka.probe import Trouble, late_trouble, probe
from mailsla.streams.runtime.watchdog import Watchdog
from mailsla.streams.settings import ConfigurationError, Settings

_PAUSE_S: Final = 1.0
_LOOK_S: Final = 10.0
"""Between two looks at what is stuck."""
_ANSWER_S: Final = 5.0
"""A broker that does not tell an offset in this time is away."""
_BOOTSTRAP_MS: Final = 5_000
_BREAKS_OFF: Final = 2
"""How often a broker may greet and then say nothing more: one that is starting does so once."""
_GARBAGE_THRESHOLDS: Final = (50_000, 20, 20)
"""Objects that come and go with a batch are counted in tens of thousands. With Python's own 700
they are looked through so often that many live to be taken for lasting ones, and all of the state
is walked for nothing, half a second at a time, while breaches wait."""

logger = logging.getLogger(__name__)


class _Broker:
    """Says in the log when the broker goes and comes, over restarts too."""

    def __init__(self) -> None:
        self._absence = Absence.inherited(AWAY)
        before_restart(lambda: self._absence.hand_on(AWAY))

    def is_away(self, why: str) -> None:
        """It does not answer."""
        if (away_s := self._absence.away(time.monotonic())) is not None:
            if away_s:
                logger.warning("Kafka has been away for %.0f s: %s", away_s, why)
            else:
                logger.warning("Kafka is away: %s; waiting", why)

    def is_there(self) -> None:
        """It answers."""
        if (away_s := self._absence.back(time.monotonic())) is not None:
            logger.info("Kafka is back after %.0f s", away_s)


def wait_for_broker(settings: Settings) -> None:
    """Return once a broker answers; a worker outlives the broker's absence.

    Raises:
        ConfigurationError: the broker is there and cannot be used, which waiting would not mend:
            certificate, host name, encryption, login.
    """
    broker = _Broker()
    broken_off = 0
    while True:
        trouble = probe(settings)
        if trouble is None and _has_brokers(settings):
            broker.is_there()
            return
        if trouble is None:
            broken_off += 1
            trouble = Trouble(late_trouble(settings), passing=broken_off < _BREAKS_OFF)
        if not trouble.passing:
            raise ConfigurationError(trouble.sentence)
        broker.is_away(trouble.sentence)
        time.sleep(_PAUSE_S)


def _has_brokers(settings: Settings) -> bool:
    try:
        KafkaConsumer(**client_options(settings), bootstrap_timeout_ms=_BOOTSTRAP_MS).close()
    except KafkaError:
        return False
    return True


def _observe(app: Any) -> None:
    """Measure the event loop and what waits at the broker, as long as the app runs."""

    def waiting() -> tuple[int, Mapping[str, int]]:
        if app.consumer is None:
            return 0, {}
        return len(app.consumer.assignment()), waiting_records(app)

    async def observe() -> None:
        await beat(app.health, waiting)

    app.task(observe)


def _watch(app: BatchApp, settings: Settings) -> None:
    """Say when the broker goes and comes, and end a worker that is stuck, as long as the app runs.

    Stuck is one of which a partition grows while nothing of it is committed.
    """
    broker, dog = _Broker(), Watchdog(settings.watchdog_s)
    look_s = min(_LOOK_S, settings.watchdog_s / 4)

    async def watch() -> None:
        look_at = 0.0
        while not app.should_stop:
            await app.sleep(_PAUSE_S)
            held = () if app.consumer is None else tuple(app.consumer.assignment())
            if not held:
                dog.rest()
            elif not app.consumer.is_connected():
                dog.rest()
                broker.is_away(f"no connection to {settings.kafka}")
            else:
                broker.is_there()
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
