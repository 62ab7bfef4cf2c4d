"""`sinks`: the sinks worker beside a consumer that passes its batches on to ClickHouse."""

from mailsla.streams.runtime.kafka.groups import SINKS_GROUP
from tests.bench.options import BenchError, Options
from tests.bench.peers.naive_insert import BATCH, TABLE
from tests.bench.race import Contender, race, show_race
from tests.bench.stage import Stage

SINKS = Contender("sinks worker", ("mailsla.streams.cli.main", "worker", "sinks"), SINKS_GROUP)
NAIVE = Contender(
    f"JSONEachRow, batches of {BATCH:,}", ("tests.bench.peers.naive_insert",), "bench-naive"
)
TABLES = {SINKS: "mta_events", NAIVE: TABLE}


def run(options: Options) -> None:
    """Race both and print the ratios; what both have landed has to be there."""

    def check(stage: Stage, contender: Contender, committed: int) -> None:
        query = "SELECT count() FROM {table:Identifier} FINAL"
        parameters = {"table": TABLES[contender]}
        landed = stage.client().query(query, parameters=parameters).result_rows[0][0]
        if landed < committed:
            raise BenchError(f"{contender.name}: {landed} rows of {committed} events committed")

    scores = race(options, (SINKS, NAIVE), "clickhouse", check)
    show_race(f"sinks: {options.events_or():,} events in the topic", scores, "clickhouse")
