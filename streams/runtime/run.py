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
from streams.runtime.consumer_lag import waiting_records
from streams.runtime.kafka import client_options
from streams.settings import Settings

_PAUSE_S: Final = 1.0
_GARBAGE_THRESHOLDS: Final = (50_000, 20, 20)
"""Objects that come and go with a batch are counted in tens of thousands. With Python's own 700
they are looked through so often that many live to be taken for lasting ones, and all of the state
is walked for nothing, half a second at a time, while breaches wait."""

logger = logging.getLogger(__name__)


def wait_for_broker(settings: Settings) -> None:
    """Return once a broker answers; a worker outlives the broker's absence."""
    told = False
    while True:
        try:
            KafkaConsumer(**client_options(settings), bootstrap_timeout_ms=5_000).close()
        except KafkaError as error:
            if not told:
                logger.warning("no broker at %s yet (%r); waiting", settings.kafka, error)
                told = True
            time.sleep(_PAUSE_S)
        else:
            return


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
