"""`pressure`: a worker with a fifth of a processor, beside others, beside one that comes and goes.

All have a backlog to work off. What counts is that they get on: the longest time in which nothing
was committed is measured, and that everything is in the end.
"""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from mailsla.sinks.embedded.children import Running
from mailsla.streams.runtime.kafka.groups import STREAMS_GROUP
from mailsla.streams.runtime.kafka.offsets import observing
from tests.bench.busy import busy_cores
from tests.bench.live import INPUTS, worker
from tests.bench.load import publish
from tests.bench.material import Material
from tests.bench.options import BenchError, Options
from tests.bench.report import show, verdict, whole
from tests.bench.stage import Stage, cpu_seconds, new_stage

_EVENTS = 200_000
_TENANTS = 500
_HOURS = 6.0
_SHARE = 0.2
_LOOPS = 6
_PERIOD_S = 0.1
_REBALANCE_S = 10.0
_MOST_STILL_S = 60.0
"""Without any commit: `drain` gives up on standstill after as long."""
_PATIENCE_S = 900.0
_POLL_S = 0.2

Around = Callable[[Stage, Running], Iterator[None]]


def run(options: Options) -> None:
    """Work the same backlog off in peace and under each pressure, and print how it got on."""
    count, tenants = options.events_or(_EVENTS), options.tenants_or(_TENANTS)
    records = [record for _, record in Material(count, tenants, _HOURS).timed()]
    rows = []
    for name, around in (
        ("in peace", _in_peace),
        ("a fifth of a processor", _throttled),
        (f"{_LOOPS} loops on each processor", _crowded),
        ("a rebalance every 10 s", _joined_and_left),
    ):
        with new_stage(options.broker) as stage:
            asyncio.run(publish(stage.settings, records))
            with worker(stage, "pressed") as child, contextmanager(around)(stage, child):
                seconds, still_s = _worked_off(stage, child)
                cpu_s = cpu_seconds(child.pid)
        seen = verdict(still_s <= _MOST_STILL_S)
        rows.append((name, whole(seconds), f"{cpu_s:.1f}", f"{still_s:.1f}", seen))
    header = ("", "seconds", "CPU-s", f"longest without a commit, s (< {_MOST_STILL_S:.0f})", "")
    show(f"pressure: a backlog of {len(records):,} events of {tenants:,} tenants", header, rows)


def _worked_off(stage: Stage, child: Running) -> tuple[float, float]:
    """Seconds until everything is committed, and the longest time in which nothing was."""
    begun = moved = time.monotonic()
    still_s = 0.0
    with observing(stage.settings) as log:
        ends = log.ends(INPUTS)
        before = left = sum(log.behind(STREAMS_GROUP, ends).values())
        while left:
            now = time.monotonic()
            if child.has_ended() or now > begun + _PATIENCE_S:
                raise BenchError(f"{left:,} records are left: {child.last_lines()}")
            if left < before:
                before, moved = left, now
            still_s = max(still_s, now - moved)
            time.sleep(_POLL_S)
            left = sum(log.behind(STREAMS_GROUP, ends).values())
    return time.monotonic() - begun, still_s


def _in_peace(stage: Stage, child: Running) -> Iterator[None]:
    yield


def _crowded(stage: Stage, child: Running) -> Iterator[None]:
    """Let others want the processors all the time."""
    with busy_cores(_LOOPS):
        yield


def _throttled(stage: Stage, child: Running) -> Iterator[None]:
    """Let the worker run for a fifth of the time only."""
    with _beside(lambda over: _stop_and_go(child.pid, over)):
        yield


def _joined_and_left(stage: Stage, child: Running) -> Iterator[None]:
    """Have another worker join and leave, one or the other every ten seconds."""

    def come_and_go(over: threading.Event) -> None:
        while not over.wait(_REBALANCE_S):
            with worker(stage, "other"):
                over.wait(_REBALANCE_S)

    with _beside(come_and_go):
        yield


def _stop_and_go(pid: int, over: threading.Event) -> None:
    with suppress(ProcessLookupError):
        while not over.is_set():
            os.kill(pid, signal.SIGSTOP)
            over.wait((1 - _SHARE) * _PERIOD_S)
            os.kill(pid, signal.SIGCONT)
            time.sleep(_SHARE * _PERIOD_S)


@contextmanager
def _beside(do: Callable[[threading.Event], None]) -> Iterator[None]:
    """Have something done in a thread until the end; it is told when that is."""
    over = threading.Event()
    thread = threading.Thread(target=do, args=(over,))
    with ExitStack() as stack:
        thread.start()
        stack.callback(thread.join)
        stack.callback(over.set)
        yield
