"""A worker's log: lines for people or JSON for machines, without floods and without chatter."""

import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, Literal

import orjson

from mailsla.schemas.codec.printable import printable

AT_ONCE: Final = 10
PER_S: Final = 60.0
"""Of one message (whatever is filled into it) so many in so many seconds; the rest is counted."""

_MESSAGES: Final = 1_000
"""So many different ones are remembered."""
_LEVELS: Final = {
    **dict.fromkeys(("aiokafka", "kafka", "clickhouse_connect", "urllib3"), logging.CRITICAL),
    **dict.fromkeys(("faust", "mode", "asyncio"), logging.ERROR),
}
"""Of the clients every lost connection and every try is an error; the worker itself says in a line
that a server is away. An error of the others is a fault of this program."""

LogFormat = Literal["console", "json"]


def set_up_logging(level: str, form: LogFormat) -> None:
    """Log to stderr from now on; at DEBUG the libraries speak as well."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else ConsoleFormatter())
    handler.addFilter(RateLimit())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name, least in _LEVELS.items():
        logging.getLogger(name).setLevel(logging.NOTSET if level == "DEBUG" else least)


class ConsoleFormatter(logging.Formatter):
    """A line for people: what others wrote makes no line of its own and steers no terminal."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """The line without a traceback."""
        return printable(super().formatMessage(record), keep="")

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """A traceback, on lines of its own."""
        return printable(super().formatException(ei))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time`` (RFC 3339, UTC), ``level``, ``logger``, ``message``."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(told).decode()


class RateLimit(logging.Filter):
    """Lets `AT_ONCE` records of one message through in `PER_S`, then counts them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._windows: dict[tuple[str, int, str], tuple[float, int]] = {}
        """logger, level and text before anything is filled in → since when, how many."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is logged; the first one after a flood says how many were left out."""
        key, now = (record.name, record.levelno, str(record.msg)), self._clock()
        if len(self._windows) > _MESSAGES:
            self._windows.clear()
        since, count = self._windows.get(key, (now, 0))
        if now - since >= PER_S:
            left_out = max(0, count - AT_ONCE)
            since, count = now, 0
            if left_out:
                record.msg = f"{record.getMessage()} (and {left_out} like it before)"
                record.args = ()
        self._windows[key] = (since, count + 1)
        return count < AT_ONCE
