"""Messages that begin or cease to count, in columns, and which of them come too late."""

from dataclasses import dataclass, fields
from typing import Final

from mailsla.streams.latency.sorted_sets import Int64s, Mask

PANE_US: Final = 300_000_000
HOUR_US: Final = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Changes:
    """Messages that count from now on (sign 1) or no longer do (-1); arrays of equal length.

    A message is taken back with the same values, late flags included, with which it was added.
    """

    series: Int64s
    """2 x tenant code + direction."""
    finished_us: Int64s
    """Event time of the end, µs since 1970 UTC: decides the five-minute and the hour pane."""
    month: Int64s
    """Number of the local month of the acceptance."""
    latency_us: Int64s
    over: Mask
    """Longer than the contract's maximum (contract §2)."""
    sign: Int64s
    late_pane: Mask
    """Came too late for its five-minute pane."""
    late_hour: Mask
    """Came too late for its hour pane."""

    def __len__(self) -> int:
        return len(self.series)

    def rows(self, chosen: Int64s | Mask) -> "Changes":
        """The chosen rows, by index or mask."""
        return Changes(*(getattr(self, column.name)[chosen] for column in fields(self)))


def late_flags(finished_us: Int64s, frontier_us: Int64s, lateness_us: int) -> tuple[Mask, Mask]:
    """Which messages come too late for their five-minute pane, and which for their hour pane.

        |------ pane ------|---- lateness ----|
                          end            end + lateness
                                              ^ a frontier here or later: too late

    Args:
        finished_us: event time of each message, µs.
        frontier_us: event time up to which mail was known when the message was read, one per
            row in the order of the log, so that batches may be cut anywhere.
        lateness_us: how long a pane stays open after its end, in event time.

    """
    known_us = frontier_us - lateness_us
    late_pane: Mask = known_us >= (finished_us // PANE_US + 1) * PANE_US
    late_hour: Mask = known_us >= (finished_us // HOUR_US + 1) * HOUR_US
    return late_pane, late_hour
