"""Ending a worker that cannot go on, and starting it again in its place."""

import logging
import os
import sys
import time
from collections.abc import Callable
from typing import Final, NoReturn

_COUNT: Final = "MAILSLA_RESTARTS"
_ENDED: Final = 1
GIVEN_UP: Final = 3
"""Exit code of a worker that cannot go on until somebody acts: whoever runs it leaves it down."""
_LONGEST_PAUSE_S: Final = 10.0

logger = logging.getLogger(__name__)

_parting: list[Callable[[], None]] = []


def before_restart(do: Callable[[], None]) -> None:
    """Have something done right before this process is replaced, such as leaving it a word."""
    _parting.append(do)


def restart(reason: str, error: BaseException | None = None) -> NoReturn:
    """Replace this process by a fresh one of the same command; nothing more is committed.

    The pause before it doubles with every restart in a row, up to ten seconds.
    """
    count = _restarts()
    pause = min(_LONGEST_PAUSE_S, 0.1 * 2**count)
    logger.error(
        "%s; starting again in %.1f s", reason, pause, exc_info=error if count == 0 else None
    )
    for handler in logging.getLogger().handlers:
        handler.flush()
    time.sleep(pause)
    for do in _parting:
        do()
    os.environ[_COUNT] = str(count + 1)
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606


def fewer(size: int, least: int) -> int:
    """How much to do at a time: half as much for every restart in a row without any progress."""
    return max(least, size >> _restarts())


def _restarts() -> int:
    return int(os.environ.get(_COUNT, "0"))


def give_up(reason: str) -> NoReturn:
    """End this process at once: starting again would meet the same trouble."""
    _leave(reason, GIVEN_UP)


def end(reason: str) -> NoReturn:
    """End this process at once, with nothing more committed; whoever runs it starts a fresh one."""
    _leave(reason, _ENDED)


def leave(reason: str) -> NoReturn:
    """End this process at once as it was told to, with nothing more committed."""
    _leave(reason, 0)


def _leave(reason: str, code: int) -> NoReturn:
    # The last line of all, and marked: `mailsla up` shows it.
    logger.critical("mailsla: %s", reason)
    for handler in logging.getLogger().handlers:
        handler.flush()
    os._exit(code)


def settled() -> None:
    """The worker makes progress: the next restart is the first again."""
    os.environ.pop(_COUNT, None)
