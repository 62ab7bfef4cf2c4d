"""`closing`: a month of many tenants, every indicator, judged and booked."""

import time

from schemas.indicators import INDICATORS
from sinks.closing.run.close_month import close_month
from sinks.ddl import FACT_TABLES
from tests.bench.facts import MONTH, make_facts
from tests.bench.options import TENANTS_CLOSED, BenchError, Options
from tests.bench.report import note, show, whole
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
        rows = [
            (name, *_close(stage, tenants, facts, server))
            for name in ("first closing", "again, unchanged")
        ]
    header = ("", "seconds", "s per million facts", "server's CPU-s", "server's peak, MB")
    title = f"closing: {tenants:,} tenants × {len(INDICATORS)} indicators, {facts:,} facts"
    show(title, header, rows)


def _close(stage: Stage, tenants: int, facts: int, server: int) -> tuple[str, str, str, str]:
    forget_peak(server)
    cpu, begun = cpu_seconds(server), time.monotonic()
    closed = close_month(stage.client(), MONTH)
    seconds = time.monotonic() - begun
    empty = {one.indicator for each in closed for one in each.items if one.verdict == "no_data"}
    if len(closed) != tenants or any(len(one.items) != len(INDICATORS) for one in closed) or empty:
        raise BenchError(f"{len(closed)} of {tenants} tenants closed, without data: {empty}")
    return (
        f"{seconds:.1f}",
        f"{seconds / facts * 1e6:.2f}",
        f"{cpu_seconds(server) - cpu:.1f}",
        whole(peak_bytes(server) / 1e6),
    )
