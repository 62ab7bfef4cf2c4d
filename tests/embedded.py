"""The embedded stack on free ports, for tests and benchmarks."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mailsla.sinks.embedded.brokers.broker import BrokerKind
from mailsla.sinks.embedded.children import Child
from mailsla.sinks.embedded.state_file import StackState
from mailsla.sinks.embedded.supervisor import StackPlan, started_stack


@contextmanager
def embedded_stack(
    data: Path,
    broker: BrokerKind = "tansu",
    children: Callable[[StackState], Iterable[Child]] = lambda _: (),
) -> Iterator[StackState]:
    """`StackState` on entry, everything stopped on exit."""
    with started_stack(StackPlan(data=data, broker=broker, children=children)) as (state, _):
        yield state
