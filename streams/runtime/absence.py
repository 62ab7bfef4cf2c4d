"""Says that a server is away: once when it goes, once a minute while it is, once when it is back.

Times are monotonic seconds, which go on over a worker's restart in place.
"""

import os
from typing import Final

REPEAT_S: Final = 60.0


class Absence:
    """How long a server has been away, and when that was last said."""

    def __init__(self, since: float | None = None, said_at: float = 0.0) -> None:
        self.since, self._said_at = since, said_at

    def away(self, now: float) -> float | None:
        """It does not answer: for how many seconds, if that is to be said now; 0 at first."""
        if self.since is None:
            self.since = self._said_at = now
            return 0.0
        if now - self._said_at < REPEAT_S:
            return None
        self._said_at = now
        return now - self.since

    def back(self, now: float) -> float | None:
        """It answers: how many seconds it was away, None if it was not."""
        since, self.since = self.since, None
        return None if since is None else now - since

    def hand_on(self, variable: str) -> None:
        """Leave what is known to the process that takes this one's place."""
        if self.since is None:
            os.environ.pop(variable, None)
        else:
            os.environ[variable] = f"{self.since} {self._said_at}"

    @classmethod
    def inherited(cls, variable: str) -> "Absence":
        """What the process before this one left, or that nothing is away; it is taken once."""
        since, _, said_at = os.environ.pop(variable, "").partition(" ")
        return cls(float(since), float(said_at)) if since else cls()
