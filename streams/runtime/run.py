"""Running a Faust app in the foreground."""

import gc
import logging
import time
from typing import Any, Final

import faust
from kafka import KafkaConsumer
from kafka.errors import KafkaError

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


def run(app: Any, settings: Settings) -> None:
    """Run a worker until SIGTERM or SIGINT; does not return."""
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
