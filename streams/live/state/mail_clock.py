"""How far mail has come by the log and by idle time, whatever other topics say."""

from mailsla.streams.live.state.latency import Latency
from mailsla.streams.time.clock import MICROS, EventClock, moment


class MailClock:
    """That of one task.

    Idle time is what has passed by the broker's clock since the last event of ``mail.mta``, as it
    is between two of them when they are read later.

    Args:
        latency: knows the time of the events, and when the broker received the last one.
        events: of all topics; whether records wait.

    """

    def __init__(self, latency: Latency, events: EventClock) -> None:
        self._latency, self._events = latency, events
        self._heard_s = 0.0

    def heard(self, now_s: float) -> None:
        """Mail has come."""
        self._heard_s = now_s

    def restore(self, now_s: float, present_us: int) -> None:
        """Take up a former life: time has passed since the last mail came.

        Args:
            now_s: the system's monotonic clock.
            present_us: the system's time.

        """
        self._heard_s = moment(self._latency.heard_us, now_s, present_us)

    def reached_us(self, now_s: float) -> tuple[int, int]:
        """Event time that mail has come to, and the broker's clock by it; idle time included."""
        clock_us, heard_us = self._latency.clock_us, self._latency.heard_us
        if self._events.waiting or clock_us <= 0:
            return clock_us, heard_us
        idle_us = int(max(0.0, now_s - self._heard_s - self._events.quiet_s) * MICROS)
        return clock_us + idle_us, heard_us + idle_us
