"""The event clock of one task: how far event time has come, by the log and by idle time.

The clock is moved on by elapsed system time while the partition is idle, so that absent events
are noticed. It takes the system time as an argument and has no clock of its own.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]

MICROS = 1_000_000
_LONGEST_QUIETS = 12


@dataclass
class EventClock:
    """Largest event time seen, µs, and when that was by the system's monotonic clock.

    ``skew_cap_us`` bounds how far beyond the broker's time an event may move the clock;
    ``quiet_s`` is how long nothing must come before the clock takes that for idleness, and not
    for records that are only on their way, as they are after a restart.
    """

    skew_cap_us: int = 60 * MICROS
    quiet_s: float = 5.0
    latest_us: int = 0
    _seen_at_s: float | None = None
    _heard_at_s: float = 0.0

    def observe(self, event_us: int, broker_us: int, now_s: float) -> None:
        """Take note of the largest event time of a batch.

        Args:
            event_us: event time, µs since 1970.
            broker_us: when the broker received it; a future event does not move the clock.
            now_s: system time, monotonic seconds.
        """
        self._heard_at_s = now_s
        if event_us > broker_us + self.skew_cap_us:
            return
        if event_us >= self.latest_us:
            self.latest_us = event_us
            self._seen_at_s = now_s

    def believed(self, event_us: Int64s, broker_us: Int64s) -> Int64s:
        """Event times that move the clock; 0 for one too far beyond the broker's time."""
        result: Int64s = np.where(event_us <= broker_us + self.skew_cap_us, event_us, 0)
        return result

    def now_us(self, now_s: float) -> int:
        """Event time reached; moves on by elapsed time since the last event that moved it."""
        if self._seen_at_s is None:
            return self.latest_us
        idle_s = max(0.0, now_s - self._seen_at_s)
        # Events that do not move time on keep it from idling for a while only.
        if now_s - self._heard_at_s < self.quiet_s and idle_s < _LONGEST_QUIETS * self.quiet_s:
            return self.latest_us
        return self.latest_us + int(idle_s * MICROS)
