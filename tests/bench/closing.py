"""`closing`: a month of many tenants, every indicator, against counting its rows in plain SQL."""

import time
from collections.abc import Callable

from mailsla.schemas.indicators import INDICATORS
from mailsla.sinks.closing.run.close_month import close_month
from mailsla.sinks.ddl import FACT_TABLES
from tests.bench.facts import MONTH, make_facts
from tests.bench.options import TENANTS_CLOSED, BenchError, Options
from tests.bench.report import note, ratio, show, whole
from tests.bench.stage import Stage, cpu_seconds, forget_peak, new_stage, peak_bytes


def run(options: Options) -> None:
    """Close twice, the second time over facts that have not changed; print time and memory."""
    tenants = options.tenants_or(TENANTS_CLOSED)
    with new_stage("tansu") as stage:
        client, server = stage.client(), stage.pids["clickhouse"]
        make_facts(client, tenants, options.facts)
        counts = "SELECT sum(total_rows) FROM system.tables WHERE name IN {names:Array(String)}"
        names = {"names": list(FACT_TABLES.values())}
        facts = client.query(counts, parameters=names).result_rows[0][0]
        note(f"closing: {facts:,} facts are there")
        rows, counted_s = [], 0.0
        for name, work in (
            ("counted by plain SQL", lambda: _count(stage)),
            ("first closing", lambda: _close(stage, tenants)),
            ("again, unchanged", lambda: _close(stage, tenants)),
        ):
            seconds, *others = _timed(work, server)
            counted_s = counted_s or seconds
            speed = whole(facts / seconds), ratio(seconds / counted_s)
            rows.append((name, f"{seconds:.1f}", *speed, *others))
    header = ("", "seconds", "facts/s", "of plain SQL", "server's CPU-s", "server's peak, MB")
    title = f"closing: {tenants:,} tenants × {len(INDICATORS)} indicators, {facts:,} facts"
    show(title, header, rows)


def _timed(work: Callable[[], None], server: int) -> tuple[float, str, str]:
    """Seconds, the server's CPU seconds, its peak in MB."""
    forget_peak(server)
    cpu, begun = cpu_seconds(server), time.monotonic()
    work()
    seconds = time.monotonic() - begun
    return seconds, f"{cpu_seconds(server) - cpu:.1f}", whole(peak_bytes(server) / 1e6)


def _count(stage: Stage) -> None:
    """The events of each tenant, duplicates once: the least that a closing has to read."""
    for table in FACT_TABLES.values():
        stage.client().query(f"SELECT tenant_id, count() FROM {table} FINAL GROUP BY tenant_id")


def _close(stage: Stage, tenants: int) -> None:
    closed = close_month(stage.client(), MONTH)
    empty = {one.indicator for each in closed for one in each.items if one.verdict == "no_data"}
    if len(closed) != tenants or any(len(one.items) != len(INDICATORS) for one in closed) or empty:
        raise BenchError(f"{len(closed)} of {tenants} tenants closed, without data: {empty}")
