"""What a checkpoint holds."""

from collections.abc import Sequence
from dataclasses import dataclass

from streams.runtime.checkpoint.writer import Outgoing


@dataclass(frozen=True)
class Checkpoint:
    """What must become durable together: records, the head that makes them valid, offsets."""

    records: Sequence[Outgoing]
    head: Outgoing
    offsets: dict[tuple[str, int], int]
