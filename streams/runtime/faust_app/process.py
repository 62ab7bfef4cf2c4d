"""Running a Faust app in the foreground."""

import gc
import logging
import time
from collections.abc import Mapping
from typing import Any, Final

import faust
from kafka import KafkaConsumer
from kafka.errors import KafkaError

from streams.metrics.sampling import beat
from streams.runtime.kafka.client_options import client_options
from streams.runtime.kafka.consumer_lag import waiting_records
from streams.runtime.kafka.probe import Trouble, late_trouble, probe
from streams.settings import ConfigurationError, Settings

_PAUSE_S: Final = 1.0
_BOOTSTRAP_MS: Final = 5_000
_BREAKS_OFF: Final = 2
"""How often a broker may greet and then say nothing more: one that is starting does so once."""
_GARBAGE_THRESHOLDS: Final = (50_000, 20, 20)
"""Objects that come and go with a batch are counted in tens of thousands. With Python's own 700
they are looked through so often that many live to be taken for lasting ones, and all of the state
is walked for nothing, half a second at a time, while breaches wait."""

logger = logging.getLogger(__name__)


def wait_for_broker(settings: Settings) -> None:
    """Return once a broker answers; a worker outlives the broker's absence.

    Raises:
        ConfigurationError: the broker is there and cannot be used, which waiting would not mend:
            certificate, host name, encryption, login.
    """
    told: str | None = None
    broken_off = 0
    while True:
        trouble = probe(settings)
        if trouble is None and _has_brokers(settings):
            return
        if trouble is None:
            broken_off += 1
            trouble = Trouble(late_trouble(settings), passing=broken_off < _BREAKS_OFF)
        if not trouble.passing:
            raise ConfigurationError(trouble.sentence)
        if trouble.sentence != told:
            logger.warning("no broker yet: %s; waiting", trouble.sentence)
            told = trouble.sentence
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


def run(app: Any, settings: Settings) -> None:
    """Run a worker until SIGTERM or SIGINT; does not return."""
    _observe(app)
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
