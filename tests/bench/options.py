"""How large a benchmark is."""

from dataclasses import dataclass

from mailsla.sinks.embedded.brokers.broker import BrokerKind

EVENTS = 2_000_000
TENANTS_CLOSED = 10_000


@dataclass(frozen=True)
class Options:
    """Sizes of all benchmarks; each uses those that concern it.

    ``events`` in the topics and ``tenants``, None for each program's own size; ``seconds`` at most
    for each program in each of ``rounds``; ``facts`` of a closing; ``statements`` made, over a
    thousand messages each; ``rate`` in events/s, 0 for a share of what was measured.
    """

    broker: BrokerKind = "kafka"
    rounds: int = 3
    events: int | None = None
    seconds: float = 30.0
    tenants: int | None = None
    facts: int = 10_000_000
    statements: int = 1_000
    rate: float = 0.0
    quick: bool = False

    def events_or(self, usual: int = EVENTS) -> int:
        """The events asked for, else a program's usual number; a tenth of that if quick."""
        return self.events or usual // (10 if self.quick else 1)

    def tenants_or(self, usual: int) -> int:
        """The tenants asked for, else a program's usual number; a fiftieth of that if quick."""
        return self.tenants or usual // (50 if self.quick else 1)


FULL = Options()
QUICK = Options(rounds=1, seconds=8.0, facts=100_000, statements=50, quick=True)


class BenchError(Exception):
    """A benchmark cannot be measured; the message says why."""
