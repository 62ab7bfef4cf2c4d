"""`flood`: the live worker beside bare reading, and what a hundred thousand tenants cost."""

import time
from dataclasses import dataclass
from statistics import median

from tests.bench.live import Measure, measured, recovery_s, worker
from tests.bench.material import Material, is_mail
from tests.bench.options import EVENTS, BenchError, Options
from tests.bench.race import Contender, race, show_race
from tests.bench.report import note, ratio, show, verdict, whole
from tests.bench.stage import new_stage
from tests.bench.streams import LIVE

BARE = Contender("aiokafka getmany, nothing else", ("tests.bench.peers.bare",), "bench-bare")
_FEW = 500
_MANY = 100_000
_MANY_EVENTS = 6_000_000
"""A minute of 100,000 a second. With 1,600,000, sixteen for each of very many tenants, half of the
time goes into telling of each for the first time, eight records a tenant."""
_HOURS = 6.0
_LEAST_OF_BARE = 0.40
_MOST_CPU_US = 6.0
_LEAST_OF_FEW = 0.6
_MOST_MIB = 2_048
_MOST_RECOVERY_S = 20
_RECOVERY_PATIENCE_S = 300.0
_MIB = 2**20


@dataclass(frozen=True)
class _Life:
    """A flood of so many tenants, and what a restart took: until everything was read back, in all
    and for the slowest task alone; seconds.
    """

    tenants: int
    measure: Measure
    restart_s: float
    recovery_s: float


def run(options: Options) -> None:
    """Race against bare reading; then few tenants beside many."""
    events = options.events_or(EVENTS)
    scores = race(options, (LIVE, BARE), "broker")
    show_race(f"flood: {events:,} events in the topic", scores, "broker")
    ours, theirs = scores[LIVE.name], scores[BARE.name]
    share = median(a.events_per_s / b.events_per_s for a, b in zip(ours, theirs, strict=True))
    cpu_us = 1e6 / median(score.events_per_cpu_s for score in ours)
    note(
        f"flood: {ratio(share)} of bare reading (at least {_LEAST_OF_BARE}), between first and "
        f"last commit {cpu_us:.1f} CPU-µs an event (at most {_MOST_CPU_US:.0f}): "
        f"{verdict(share >= _LEAST_OF_BARE and cpu_us <= _MOST_CPU_US)}"
    )
    several = [_life(options, count) for count in (_FEW, options.tenants_or(_MANY))]
    few = several[0].measure
    rows = [
        (
            f"{life.tenants:,} tenants",
            whole(life.measure.per_s),
            f"{life.measure.cpu_s:.1f}",
            f"{1e6 * life.measure.cpu_s / life.measure.records:.1f}",
            ratio(life.measure.per_s / few.per_s),
            ratio(life.measure.per_cpu_s / few.per_cpu_s),
            whole(life.measure.peak_bytes / _MIB),
            f"{life.restart_s:.1f}",
            f"{life.recovery_s:.1f}",
            whole(life.measure.hold_ms),
            verdict(
                life.measure.per_s >= _LEAST_OF_FEW * few.per_s
                and life.measure.peak_bytes <= _MOST_MIB * _MIB
                and life.recovery_s <= _MOST_RECOVERY_S
            ),
        )
        for life in several
    ]
    header = (
        "", "events/s", "CPU-s", "CPU-µs an event", f"/ {_FEW:,} tenants", "per CPU-s",
        "peak, MiB", "restart, s", "slowest task, s", "longest hold, ms", "",
    )  # fmt: skip
    bounds = f"rate at least {_LEAST_OF_FEW}, {_MOST_MIB:,} MiB, {_MOST_RECOVERY_S} s"
    show(f"flood: {few.records:,} events ({bounds})", header, rows)


def _life(options: Options, tenants: int) -> _Life:
    timed = Material(options.events_or(_MANY_EVENTS), tenants, _HOURS).timed()
    mail = [record for _, record in timed if is_mail(record)]
    with new_stage(options.broker) as stage:
        measure = measured(stage, f"{tenants} tenants", [mail])
        with worker(stage, f"{tenants}-tenants-again") as child:
            begun = time.monotonic()
            deadline = begun + _RECOVERY_PATIENCE_S
            while len(times := recovery_s(child)) < stage.settings.partitions:
                if child.has_ended() or time.monotonic() > deadline:
                    raise BenchError(f"the state was not read back: {child.last_lines()}")
                time.sleep(0.1)
            restart_s = time.monotonic() - begun
    note(f"flood: {tenants:,} tenants: {whole(measure.per_s)} events/s")
    return _Life(tenants, measure, restart_s, max(times))
