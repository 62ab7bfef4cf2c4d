"""When a task's checkpoint is due: data and a rule, with the time as an argument."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WaitingRecords:
    """What waits for a checkpoint of one task.

    ``since_s`` is how long ago the last one was begun; ``events`` are the rows that wait, a record
    counting for several; ``urgent`` says that transitions are among them, ``anything`` that there
    is anything at all.
    """

    since_s: float
    events: int
    urgent: bool
    anything: bool


@dataclass(frozen=True, slots=True)
class CheckpointPolicy:
    """A checkpoint every ``pause_s``, sooner for urgent news or after so many events."""

    pause_s: float = 1.0
    urgent_s: float = 0.2
    events: int = 200_000

    def should_checkpoint(self, waiting: WaitingRecords) -> bool:
        """Whether to begin a checkpoint now."""
        if waiting.urgent and waiting.since_s >= min(self.urgent_s, self.pause_s):
            return True
        if waiting.events >= self.events:
            return True
        return waiting.anything and waiting.since_s >= self.pause_s
