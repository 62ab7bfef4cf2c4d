"""How large a benchmark is."""

from dataclasses import dataclass

from sinks.embedded.broker import BrokerKind


@dataclass(frozen=True)
class Options:
    """Sizes of all benchmarks; each uses those that concern it.

    ``events`` in the topic and ``seconds`` at most for each program in each of ``rounds``;
    ``tenants`` and ``facts`` of a closing; ``statements`` made, over a thousand messages each;
    ``rate`` in events/s, 0 for half of what was measured.
    """

    broker: BrokerKind = "kafka"
    rounds: int = 3
    events: int = 2_000_000
    seconds: float = 30.0
    tenants: int = 10_000
    facts: int = 10_000_000
    statements: int = 1_000
    rate: float = 0.0


FULL = Options()
QUICK = Options(rounds=1, events=200_000, seconds=8.0, tenants=200, facts=100_000, statements=50)


class BenchError(Exception):
    """A benchmark cannot be measured; the message says why."""
