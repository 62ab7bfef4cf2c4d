"""Whether a worker is live (would a restart help?) and ready (does it do its work?). Pure.

Live: its event loop runs. Ready: its state is read back, it has partitions, records that wait are
taken, and what it takes lands. Times are monotonic seconds, given by whoever asks.
"""

from dataclasses import dataclass, field
from typing import Final

HELD_S: Final = 30.0
"""An event loop that was not free for so long is held for good."""
MOVING_S: Final = 60.0
"""Records that wait are taken within such a time, whatever is done meanwhile."""
LANDING_S: Final = 60.0
"""So long ClickHouse may take nothing before a sinks worker is not ready."""


@dataclass
class Health:
    """What is known of a worker; its parts write, the HTTP thread reads.

    Every field is one assignment of one value: no lock is needed.
    """

    name: str
    consumes: bool = False
    """Whether it reads topics, and so has to have partitions and to move."""
    beat_at: float | None = None
    """When the event loop last ran; None: it has not begun."""
    recovered: bool = True
    """False while a task's state is being read back."""
    partitions: int = 0
    waiting: int = 0
    """Records at the broker that are still to be fetched."""
    busy_since: float | None = None
    """Since when one batch is being worked on; None: none is."""
    moved_at: float = 0.0
    """When a batch was last done, or nothing waited."""
    problems: dict[str, tuple[float, str]] = field(default_factory=dict)
    """What is wrong with something else it needs: since when, and the sentence."""

    def dead(self, now: float) -> dict[str, str]:
        """Why a restart would help; empty: it is live."""
        if self.beat_at is not None and now - self.beat_at > HELD_S:
            held = now - self.beat_at
            return {"loop": f"the event loop has been held for {held:.0f} s; restart the worker"}
        return {}

    def missing(self, now: float) -> dict[str, str]:
        """Why it does not do its work; empty: it is ready."""
        found = self.dead(now)
        if self.beat_at is None:
            found["loop"] = "not started yet; wait, or see its log"
        if not self.recovered:
            found["recovery"] = "the state is being read back; wait"
        if self.consumes and self.partitions == 0:
            found["partitions"] = (
                "no partition is assigned; wait, or run fewer workers than there are partitions"
            )
        stuck = self._stuck_s(now)
        if stuck > MOVING_S:
            found["moving"] = (
                f"nothing was done for {stuck:.0f} s while {self.waiting} records wait; see its log"
            )
        for name, (since, sentence) in list(self.problems.items()):
            if now - since > LANDING_S:
                found[name] = sentence
        return found

    def _stuck_s(self, now: float) -> float:
        if self.busy_since is not None:
            return now - self.busy_since
        return now - self.moved_at if self.waiting > 0 else 0.0
