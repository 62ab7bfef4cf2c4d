"""Whether something goes on growing while a load goes on: a line through what was read of it."""

from dataclasses import dataclass

import numpy as np

WARM_UP = 1 / 3
"""Of the time, at its beginning: until then caches and buffers are filled."""
BLOCK_S = 30.0
"""Of each such time the least counts. What is held until the next collection, insert or checkpoint
comes and goes above it; what is never let go raises it."""


@dataclass(frozen=True)
class Bound:
    """How much something may grow: in an hour, and however short the time is.

    An allocator gives back what is free at its end only, so that one long-lived object among many
    keeps a few MB until they are used again: that comes in steps and ends, and is no slope.
    """

    per_hour: float
    at_least: float


BOUNDS = {
    # Three bytes of each of 5,000 events a second; whatever stays of an event takes eight or more.
    "MB": Bound(54.0, 18.0),
    # One that is left open at every hundredth checkpoint would be 36.
    "descriptors": Bound(6.0, 2.0),
    # A worker that does not keep up at 70 % loses seconds in every minute.
    "s behind": Bound(6.0, 0.5),
}


@dataclass(frozen=True)
class Slope:
    """How much something was in the middle, and what its line rises by in an hour."""

    unit: str
    mean: float
    per_hour: float
    hours: float

    @property
    def most_per_hour(self) -> float:
        """What it may rise by."""
        bound = BOUNDS[self.unit]
        return max(bound.per_hour, bound.at_least / self.hours)

    @property
    def holds(self) -> bool:
        """Whether it does not."""
        return self.per_hour < self.most_per_hour

    def __str__(self) -> str:
        """A line of the table."""
        seen = "holds" if self.holds else "GROWS"
        return (
            f"{self.mean:8.1f} {self.unit:<11} {self.per_hour:+8.2f} an hour over "
            f"{60 * self.hours:.0f} min, at most {self.most_per_hour:.1f}: {seen}"
        )


def slope_of(unit, readings):
    """The slope of ``(seconds, value)`` in order of time, by least squares."""
    seconds, values = np.array(readings, dtype=float).T
    begun = seconds[0] + (seconds[-1] - seconds[0]) * WARM_UP
    blocks = ((seconds - begun) // BLOCK_S).astype(int)
    # Not the last one: the least of few is none.
    floors = np.array([values[blocks == one].min() for one in range(blocks[-1])])
    hours = np.arange(len(floors)) * BLOCK_S / 3600
    rise, _ = np.polyfit(hours, floors, 1)
    return Slope(unit, floors.mean(), rise, len(floors) * BLOCK_S / 3600)
