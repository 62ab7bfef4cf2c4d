"""`month`: a simulated month of everything, the demo's, through the live worker."""

from mailsla.streams.simulate.plan import plan
from tests.bench.live import measured
from tests.bench.options import Options
from tests.bench.report import note, show, verdict, whole
from tests.bench.stage import new_stage

_EVENTS = 600_000
"""Of mail; the demonstration's 300,000 messages. Some 75,000 others come besides."""
_TENANTS = 28
_EVENTS_PER_MESSAGE = 2
_LEAST_PER_CPU_S = 60_000


def run(options: Options) -> None:
    """Publish the month as it happened, and print events per second of processor time."""
    messages = options.events_or(_EVENTS) // _EVENTS_PER_MESSAGE
    simulated = plan(1, options.tenants or _TENANTS, "2025-10", messages)
    with new_stage(options.broker) as stage:
        month = measured(stage, "month", [list(simulated.records())])
    rows = [
        (
            f"{month.records:,} records",
            whole(month.per_s),
            f"{month.cpu_s:.1f}",
            whole(month.per_cpu_s),
            whole(month.hold_ms),
        )
    ]
    header = ("", "events/s", "CPU-s", "per CPU-s", "longest hold, ms")
    show("month: a provider's month with everything in it", header, rows)
    seen = verdict(month.per_cpu_s >= _LEAST_PER_CPU_S)
    note(f"month: at least {_LEAST_PER_CPU_S:,} events per CPU-second {seen}")
