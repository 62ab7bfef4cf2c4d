"""`busy`: `mailsla demo` on a machine that does nothing else, and on one that is busy."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryDirectory

from mailsla.sinks.embedded.leash import leashed
from tests.bench.options import BenchError, Options
from tests.bench.report import note, ratio, show, verdict, whole

_EVENTS = 600_000
"""Of mail; the demonstration's 300,000 messages. Some 75,000 others come besides."""
_TENANTS = 28
_EVENTS_PER_MESSAGE = 2
_LONGEST_S = 900
_QUIET_S = 75
_BUSY_S = 240
_LOOP = f"import time\nend = time.monotonic() + {_LONGEST_S}\nwhile time.monotonic() < end: pass"


def run(options: Options) -> None:
    """Run the demonstration twice and print seconds and processor time."""
    quiet = _demo(options)
    note(f"busy: quiet {quiet[0]:.0f} s")
    with busy_cores():
        busy = _demo(options)
    rows = [
        (
            name,
            whole(seconds),
            whole(cpu_s),
            ratio(seconds / quiet[0]),
            f"< {limit}",
            verdict(seconds < limit),
        )
        for name, (seconds, cpu_s), limit in (("quiet", quiet, _QUIET_S), ("busy", busy, _BUSY_S))
    ]
    header = ("", "seconds", "CPU-s", "/ quiet", "at full size, s", "")
    show(f"busy: mailsla demo on {options.broker}", header, rows)


def _demo(options: Options) -> tuple[float, float]:
    """Seconds of a demonstration, and seconds of processor time of all its processes."""
    messages = options.events_or(_EVENTS) // _EVENTS_PER_MESSAGE
    with TemporaryDirectory(prefix="mailsla-bench-", ignore_cleanup_errors=True) as data:
        argv = [
            *(sys.executable, "-m", "mailsla.streams.cli.main", "demo", "--broker", options.broker),
            *("--messages", str(messages), "--tenants", str(options.tenants or _TENANTS)),
            *("--data", data),
        ]
        begun, before = time.monotonic(), _children_cpu_s()
        done = subprocess.run(leashed(argv), capture_output=True, text=True, timeout=_LONGEST_S)
        seconds = time.monotonic() - begun
    if done.returncode:
        raise BenchError(f"the demonstration failed: {done.stderr.strip()[-500:]}")
    return seconds, _children_cpu_s() - before


def _children_cpu_s() -> float:
    """Processor time of children that have ended, and of theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@contextmanager
def busy_cores(loops: int = 1) -> Iterator[None]:
    """Every processor runs so many loops besides, which end by themselves should nobody do it."""
    with ExitStack() as stack:
        for _ in range(loops * (os.cpu_count() or 1)):
            loop = subprocess.Popen(leashed([sys.executable, "-c", _LOOP]))
            stack.callback(loop.wait)
            stack.callback(loop.kill)
        yield
