"""What a checkpoint holds."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from mailsla.streams.runtime.checkpoint.writer import Outgoing


@dataclass(frozen=True)
class Checkpoint:
    """What must become durable together: records, the head that makes them valid, offsets.

    ``applied`` says by topic up to where the head's state has taken in what was read. The offsets
    to be committed may be behind that, while what follows is still to be published.
    """

    records: Sequence[Outgoing]
    head: Outgoing
    offsets: dict[tuple[str, int], int]
    applied: dict[str, int] = field(default_factory=dict)
