"""`streams`: the live worker beside bare reading and beside Faust as its manual shows it."""

from mailsla.streams.runtime.kafka.groups import STREAMS_GROUP
from tests.bench.options import Options
from tests.bench.race import Contender, race, show_race

LIVE = Contender("live worker", ("mailsla.streams.cli.main", "worker", "streams"), STREAMS_GROUP)
CONTENDERS = (
    LIVE,
    Contender("aiokafka getmany, nothing else", ("tests.bench.peers.bare",), "bench-bare"),
    Contender(
        "Faust, one event at a time, dict", ("tests.bench.peers.faust_dict",), "bench-faust-dict"
    ),
    Contender(
        "Faust, one event at a time, Table", ("tests.bench.peers.faust_table",), "bench-faust-table"
    ),
)


def run(options: Options) -> None:
    """Race the live worker against the others and print the ratios."""
    scores = race(options, CONTENDERS, "broker")
    show_race(f"streams: {options.events_or():,} events in the topic", scores, "broker")
