"""One run of the live worker: started, fed, waited for, measured from outside.

Measured is what lies between the first record published and the last one committed, so that
start-up takes no part. Publishing does: it is the same work in all runs that are compared.
"""

import asyncio
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import nan

from mailsla.schemas.topics import CONTRACTS, EVENT_TOPICS
from mailsla.sinks.embedded.children import Running
from mailsla.streams.runtime.kafka.groups import STREAMS_GROUP
from mailsla.streams.runtime.kafka.offsets import observing
from mailsla.streams.simulate.record import SimulatedRecord
from tests.bench.load import publish, publish_in_order
from tests.bench.options import BenchError
from tests.bench.report import ratio, show, whole
from tests.bench.stage import Stage, cpu_seconds, peak_bytes
from tests.bench.streams import LIVE
from tests.mta_flood import flood

INPUTS = tuple(topic.name for topic in (*EVENT_TOPICS, CONTRACTS))
_WARM_UP = 200
_WARM_UP_AT = datetime(2025, 9, 30, tzinfo=UTC)
"""Before everything that is measured: what follows must not be late."""
_PATIENCE_S = 900.0
_STOP_WITHIN_S = 30.0
_POLL_S = 0.05
_HOLD = re.compile(r"longest hold of the event loop: ([\d.]+) ms")
_READ_BACK = re.compile(r"task \d+: .* read back in ([\d.]+) s")


@dataclass(frozen=True)
class Measure:
    """What a run took: records, seconds, seconds of the worker's processor time, its memory.

    ``hold_ms`` is the longest hold of the worker's event loop, nan where it does not log any.
    """

    name: str
    records: int
    seconds: float
    cpu_s: float
    peak_bytes: int
    hold_ms: float

    @property
    def per_s(self) -> float:
        """Records a second."""
        return self.records / self.seconds

    @property
    def per_cpu_s(self) -> float:
        """Records a second of the worker's processor time."""
        return self.records / self.cpu_s if self.cpu_s else nan


@contextmanager
def worker(stage: Stage, name: str) -> Iterator[Running]:
    """The live worker, ended on exit with time to say what it has to say."""
    with stage.running(name, *LIVE.program, stop_within_s=_STOP_WITHIN_S) as child:
        yield child


def warm_up(stage: Stage, child: Running) -> None:
    """Have the worker apply a few older events: it is up when they are committed."""
    hour = timedelta(hours=1)
    records = flood(3, 50, _WARM_UP, start=_WARM_UP_AT, duration=hour).records()
    asyncio.run(publish(stage.settings, records))
    await_level(stage, child)


def await_level(stage: Stage, child: Running) -> None:
    """Return when the worker has committed everything that is in its topics now.

    Raises:
        BenchError: it ended, or is not through in a quarter of an hour.
    """
    deadline = time.monotonic() + _PATIENCE_S
    with observing(stage.settings) as log:
        ends = log.ends(INPUTS)
        while behind := log.behind(STREAMS_GROUP, ends):
            if child.has_ended():
                raise BenchError(f"{child.child.name} ended by itself: {child.last_lines()}")
            if time.monotonic() > deadline:
                raise BenchError(f"{child.child.name} is {sum(behind.values()):,} records behind")
            time.sleep(_POLL_S)


def measured(
    stage: Stage,
    name: str,
    phases: Sequence[Sequence[SimulatedRecord]],
    *,
    before: Sequence[SimulatedRecord] = (),
    stopped: bool = False,
) -> Measure:
    """Publish phase after phase, each when the one before is committed, to a worker of its own.

    ``before`` is published and committed beforehand, unmeasured. With ``stopped`` the worker is
    away while all is published, and is measured from its first commit after that on.
    """
    with worker(stage, f"{name.replace(' ', '-')}") as child:
        warm_up(stage, child)
        asyncio.run(publish(stage.settings, before))
        await_level(stage, child)
        if not stopped:
            begun, cpu_s = time.monotonic(), cpu_seconds(child.pid)
            for phase in phases:
                asyncio.run(publish_in_order(stage.settings, phase))
                await_level(stage, child)
            seconds, cpu_s = time.monotonic() - begun, cpu_seconds(child.pid) - cpu_s
            peak, records = peak_bytes(child.pid), sum(len(phase) for phase in phases)
    if stopped:
        for phase in phases:
            asyncio.run(publish_in_order(stage.settings, phase))
        with worker(stage, f"{name.replace(' ', '-')}-again") as child:
            records, seconds, cpu_s = _catching_up(stage, child)
            peak = peak_bytes(child.pid)
    return Measure(name, records, seconds, cpu_s, peak, longest_hold_ms(child))


def _catching_up(stage: Stage, child: Running) -> tuple[int, float, float]:
    """Records, seconds and processor time from the first commit of a started worker to the last."""
    with observing(stage.settings) as log:
        ends = log.ends(INPUTS)
        total = sum(log.behind(STREAMS_GROUP, ends).values())
        while (left := sum(log.behind(STREAMS_GROUP, ends).values())) == total:
            if child.has_ended():
                raise BenchError(f"{child.child.name} ended by itself: {child.last_lines()}")
            time.sleep(_POLL_S)
    begun, cpu_s = time.monotonic(), cpu_seconds(child.pid)
    if not left:
        raise BenchError("everything was in the first commit; try with more --events")
    await_level(stage, child)
    return left, time.monotonic() - begun, cpu_seconds(child.pid) - cpu_s


def longest_hold_ms(child: Running) -> float:
    """The longest hold of the event loop that the worker has logged; nan if it logs none."""
    return max((float(text) for text in _HOLD.findall(child.log.read_text())), default=nan)


def recovery_s(child: Running) -> list[float]:
    """How long each task of the worker took to read its state back, of those that have."""
    return [float(text) for text in _READ_BACK.findall(child.log.read_text())]


def show_measures(title: str, measures: Sequence[Measure], least: float) -> None:
    """Print every run beside the first; ``least`` is the share of its rate the others must have."""
    first = measures[0]
    rows = []
    for measure in measures:
        share = measure.per_s / first.per_s
        verdict = "" if measure is first else ("holds" if share >= least else f"below {least}")
        rows.append(
            (
                measure.name,
                whole(measure.per_s),
                f"{measure.cpu_s:.1f}",
                whole(measure.per_cpu_s),
                ratio(share),
                ratio(measure.per_cpu_s / first.per_cpu_s),
                whole(measure.hold_ms),
                verdict,
            )
        )
    header = (
        "", "events/s", "CPU-s", "per CPU-s", f"/ {first.name}", "per CPU-s", "longest hold, ms", ""
    )  # fmt: skip
    show(title, header, rows)
