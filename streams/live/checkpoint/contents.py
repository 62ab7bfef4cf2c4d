"""What a checkpoint holds, and what waits for the next one."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from streams.runtime.delivery import Outgoing


@dataclass(frozen=True)
class Checkpoint:
    """What must become durable together: records, the head that makes them valid, offsets."""

    records: Sequence[Outgoing]
    head: Outgoing
    offsets: dict[tuple[str, int], int]


@dataclass
class Counters:
    """What a task has seen since it was claimed."""

    events: int = 0
    rejected: int = 0
    rekeyed: int = 0
    tombstones: int = 0


@dataclass
class Pending:
    """What waits for the next checkpoint."""

    outgoing: list[Outgoing] = field(default_factory=list)
    transitions: int = 0
    applied: bool = False
