"""What a window is made of, and the value that is published of it."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from mailsla.streams.latency.windows.changes import HOUR_US, PANE_US


class PaneWidth(IntEnum):
    """The widths of panes; a month pane is numbered by its local month."""

    FIVE_MINUTES = 0
    HOUR = 1
    MONTH = 2


WIDTH_US: Final = {PaneWidth.FIVE_MINUTES: PANE_US, PaneWidth.HOUR: HOUR_US}
RETAINED_BEHIND: Final = {PaneWidth.FIVE_MINUTES: 12, PaneWidth.HOUR: 24}
"""How many panes are kept behind the first one that is still open to messages."""


@dataclass(frozen=True, slots=True)
class WindowKind:
    """A kind of window: its name on the topic and the panes it is made of."""

    number: int
    name: str
    width: PaneWidth
    span: int


KINDS: Final = (
    WindowKind(0, "5m", PaneWidth.FIVE_MINUTES, 1),
    WindowKind(1, "1h", PaneWidth.FIVE_MINUTES, 12),
    WindowKind(2, "24h", PaneWidth.HOUR, 24),
    WindowKind(3, "month", PaneWidth.MONTH, 1),
)


class LatencyWindow(NamedTuple):
    """One window ``[start_us, end_us)`` of one series; quantiles in seconds, to the µs."""

    series: int
    window: str
    start_us: int
    end_us: int
    messages: int
    sum_us: int
    max_us: int
    exceedances: int
    quantiles_s: tuple[float, float, float]
    revision: int
    """1 for the first publication of this end, one more for each further one."""
