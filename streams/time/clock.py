"""The event clock of one task: how far event time has come, by the log and by idle time.

The clock is moved on by elapsed system time while nothing waits to be read, so that absent events
are noticed. It takes the system time as an argument and has no clock of its own.
"""

from dataclasses import dataclass

MICROS = 1_000_000
SKEW_CAP_US = 60 * MICROS
"""How far beyond the broker's time an event may be and still be believed."""
QUIET_US = MICROS
"""By how much idle time trails the system's, so that it does not overtake what comes in order."""


@dataclass
class EventClock:
    """Largest event time seen, µs, and when that was by the system's monotonic clock.

    ``quiet_s`` is by how much idle time trails the system's; ``waiting`` says that records are
    known, or after a start likely, to wait at the broker: then nothing is idle.
    """

    quiet_s: float = QUIET_US / MICROS
    latest_us: int = 0
    received_us: int = 0
    """When the last event came that moved event time, by the broker's clock."""
    waiting: bool = False
    _seen_at_s: float | None = None
    _idle_us: int = 0
    """What idle time had come to when it was looked at last."""

    def observe(self, event_us: int, now_s: float, received_us: int = 0) -> None:
        """Take note of an event time.

        One behind what idle time has come to does not move time: it would hold up all that is due
        until idle time is there once more. What it had come to when the broker received the event
        counts too: whoever reads it later, after a restart, is where all others are.

        Args:
            event_us: event time, µs since 1970.
            now_s: system time, monotonic seconds.
            received_us: when the broker received the event, µs.

        """
        if event_us >= max(self._idle_at(received_us), self._idle_us):
            self.latest_us = max(event_us, self.now_us(now_s))
            self.received_us = max(received_us, self.received_us)
            self._seen_at_s = now_s

    def _idle_at(self, received_us: int) -> int:
        """What idle time had come to at a time of the broker's clock; none passed if it is 0."""
        if not (received_us and self.received_us):
            return self.latest_us
        idle_us = received_us - self.received_us - int(self.quiet_s * MICROS)
        return self.latest_us + max(0, idle_us)

    def anchor(self, now_s: float, present_us: int) -> None:
        """Count idle time from when the broker had the newest event, however late it was read.

        Args:
            now_s: system time, monotonic seconds.
            present_us: the system's time.

        """
        self._seen_at_s = moment(self.received_us, now_s, present_us)

    def passed(self, reached_us: int) -> None:
        """A former life has come to an event time, µs, by idle time or otherwise."""
        self._idle_us = max(self._idle_us, reached_us)

    def now_us(self, now_s: float) -> int:
        """Event time reached; moves on by elapsed time since the last event that moved it.

        Before the first event there is none that could move on.
        """
        if self._seen_at_s is None or self.waiting or self.latest_us <= 0:
            return self.latest_us
        idle_s = max(0.0, now_s - self._seen_at_s - self.quiet_s)
        reached_us = self.latest_us + int(idle_s * MICROS)
        self._idle_us = max(self._idle_us, reached_us)
        return reached_us


def moment(heard_us: int, now_s: float, present_us: int) -> float:
    """The monotonic time at which something came that the broker received at ``heard_us``."""
    return now_s - max(0, present_us - heard_us) / MICROS if heard_us else now_s
