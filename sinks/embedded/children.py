"""One child process: what to run, when it counts as ready, how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from mailsla.sinks.embedded.leash import leashed
from mailsla.sinks.embedded.restarts import RestartPolicy

_LOG_KEEP_BYTES = 10 * 1024 * 1024
_TAIL_BYTES = 8_192
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


def always_ready() -> bool:
    """Readiness of a child that needs none beyond being alive."""
    return True


@dataclass(frozen=True)
class Child:
    """A process of the stack.

    ``env`` is added to the supervisor's own environment. ``ready`` is asked about every 50 ms
    until it holds or ``ready_within_s`` have passed; it must not block for long. The child gets
    ``stop_signal``, and SIGKILL for its whole process group after ``stop_within_s``.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] = always_ready
    ready_within_s: float = 60.0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_within_s: float = 20.0
    metrics: str | None = None
    """Where it serves its metrics and health; None: nowhere."""
    restarts: RestartPolicy | None = None
    """When it is started again after it has ended; None: its end is the end of the stack."""


class Running:
    """A started child: leashed to this process, in a session of its own, logging to a file.

    The session keeps a Ctrl-C at the terminal from reaching the children directly: the
    supervisor alone decides the order in which they stop.
    """

    def __init__(self, child: Child, logs: Path) -> None:
        self.child = child
        self.log = logs / f"{child.name}.log"
        self.started_at = time.monotonic()
        _rotate(self.log)
        with os.fdopen(os.open(self.log, _APPEND, 0o600), "ab") as out:
            self._log_start = out.seek(0, os.SEEK_END)
            self.process = subprocess.Popen(
                leashed(child.argv),
                env={**os.environ, **child.env},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=0o077,  # whatever the stack writes is its owner's only
            )

    @property
    def pid(self) -> int:
        """The process id; also the id of its process group."""
        return self.process.pid

    def has_ended(self) -> bool:
        """Whether the process is gone."""
        return self.process.poll() is not None

    def stop(self) -> None:
        """Ask it to end, wait, then force what is left of its process group."""
        if not self.has_ended():
            with suppress(ProcessLookupError):
                self.process.send_signal(self.child.stop_signal)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(self.child.stop_within_s)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()

    def how_it_ended(self) -> str:
        """``exit code 3`` or ``signal SIGKILL``; only for an ended process."""
        code = self.process.returncode
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def last_lines(self, count: int = 3) -> str:
        """The last lines this run logged, joined by `` | ``."""
        with self.log.open("rb") as source:
            size = source.seek(0, os.SEEK_END)
            source.seek(max(self._log_start, size - _TAIL_BYTES))
            text = source.read().decode("utf-8", "replace")
        lines = [line.strip()[:300] for line in text.splitlines() if line.strip()]
        return " | ".join(lines[-count:]) or "(empty)"

    def last_words(self) -> str:
        """The sentence a worker ended with: its last line, without what the log puts around it."""
        return self.last_lines(1).rpartition("mailsla: ")[2].removesuffix('"}')


def _rotate(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if log.exists() and log.stat().st_size > _LOG_KEEP_BYTES:
        log.replace(log.with_suffix(".log.1"))
