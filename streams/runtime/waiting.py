"""How long work of others is waited for: while it goes on, and not much longer.

Pure: readings and the time go in, a verdict comes out.
"""

from dataclasses import dataclass
from typing import Final, Literal

STANDSTILL_S: Final = 60.0
"""Without progress for so long, waiting is given up. More than a group takes to rebalance (its
session timeout, 45 s) and to apply one fetch on a busy machine."""

GivesUp = Literal["standstill", "timeout"]


@dataclass(frozen=True, slots=True)
class Patience:
    """When to stop waiting.

    ``standstill_s`` without progress, or ``timeout_s`` in all, None for however long it takes.
    """

    standstill_s: float = STANDSTILL_S
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """A wait as far as it has come; times are seconds of one clock that never goes back.

    ``fewest`` is the smallest number of records that were left at any reading: only what falls
    below it is progress. A group that is put back and reads the same records again makes none.
    """

    patience: Patience
    started_s: float
    progressed_s: float
    fewest: int | None = None

    @classmethod
    def begin(cls, patience: Patience, now_s: float) -> "Wait":
        """A wait that begins now."""
        return cls(patience, now_s, now_s)

    def next_stage(self, now_s: float) -> "Wait":
        """Other records are waited for from now on; that the last ones are done is progress."""
        return Wait(self.patience, self.started_s, now_s)

    def after(self, remaining: int, now_s: float) -> "Wait":
        """The wait after a reading of how many records are left."""
        if self.fewest is not None and remaining >= self.fewest:
            return self
        return Wait(self.patience, self.started_s, now_s, remaining)

    def gives_up(self, now_s: float) -> GivesUp | None:
        """Why to stop waiting now, None to go on."""
        if now_s - self.progressed_s >= self.patience.standstill_s:
            return "standstill"
        timeout_s = self.patience.timeout_s
        if timeout_s is not None and now_s - self.started_s >= timeout_s:
            return "timeout"
        return None
