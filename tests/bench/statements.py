"""`statements`: every customer's statement of a closed month, as HTML."""

import os
import time
from pathlib import Path

from mailsla.sinks.closing.run.close_month import close_month
from mailsla.sinks.statement.facts.gather import closed_revisions
from mailsla.sinks.statement.making import make_all
from tests.bench.facts import MONTH, make_facts
from tests.bench.options import BenchError, Options
from tests.bench.report import note, show, whole
from tests.bench.stage import Stage, cpu_seconds, new_stage

_MESSAGES_EACH = 1_000


def run(options: Options) -> None:
    """Make all statements twice, the second time with all of them there; print time and size."""
    with new_stage("tansu") as stage:
        client = stage.client()
        make_facts(client, options.statements, options.statements * _MESSAGES_EACH)
        close_month(client, MONTH)
        note(f"statements: the month of {options.statements:,} tenants is closed")
        folder = stage.scratch / "statements"
        rows = [(name, *_make(stage, folder, options)) for name in ("first", "again, all there")]
    messages = options.statements * _MESSAGES_EACH
    header = ("", "seconds", "statements/s", "CPU-s", "server's CPU-s", "kB each")
    show(f"statements: {options.statements:,} as HTML, {messages:,} messages", header, rows)


def _make(stage: Stage, folder: Path, options: Options) -> tuple[str, ...]:
    client, server = stage.client(), stage.pids["clickhouse"]
    begun, own, theirs = time.monotonic(), _own_cpu(), cpu_seconds(server)
    make_all(client, MONTH, closed_revisions(client, MONTH), folder, "zh", "html", lambda _: None)
    seconds = time.monotonic() - begun
    sizes = [path.stat().st_size for path in folder.iterdir()]
    if len(sizes) != options.statements:
        raise BenchError(f"{len(sizes)} of {options.statements} statements were made")
    return (
        f"{seconds:.1f}",
        whole(options.statements / seconds),
        f"{_own_cpu() - own:.1f}",
        f"{cpu_seconds(server) - theirs:.1f}",
        whole(sum(sizes) / len(sizes) / 1000),
    )


def _own_cpu() -> float:
    """Processor time of this process and of the renderers that have ended."""
    return sum(os.times()[:4])
