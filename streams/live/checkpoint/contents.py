"""What a checkpoint holds."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from streams.runtime.delivery import Outgoing


@dataclass(frozen=True)
class Checkpoint:
    """What must become durable together: records, the head that makes them valid, offsets.

    ``applied`` are the offsets up to which the head's state has taken in what was read; those to be
    committed may be behind, while what follows from it is still to be published.
    """

    records: Sequence[Outgoing]
    head: Outgoing
    offsets: dict[tuple[str, int], int]
    applied: dict[tuple[str, int], int] = field(default_factory=dict)
