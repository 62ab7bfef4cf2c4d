"""Section 9: customer service."""

from collections.abc import Sequence
from fractions import Fraction

from tests.reference.instants import measure
from tests.reference.log import Event, of_type, seen_by
from tests.reference.period import Period
from tests.reference.values import NOTHING, Value, plain


def support(events: Sequence[Event], period: Period) -> dict[str, Value]:
    """``support.availability``."""
    changes = of_type(seen_by(events, period.tenant_id), "channel.up", "channel.down")
    boundaries = [event["time"] for event in changes]

    def known(instant: int) -> bool:
        return bool(_states(changes, instant))

    def unreachable(instant: int) -> bool:
        return known(instant) and set(_states(changes, instant).values()) == {"channel.down"}

    if not measure(period.start, period.end, boundaries, known):
        return {"support.availability": NOTHING}
    down = measure(period.start, period.end, boundaries, unreachable)
    return {"support.availability": plain(1 - Fraction(down, period.length))}


def _states(changes: Sequence[Event], instant: int) -> dict[str, str]:
    """The last change of each channel at an instant; at the same time up wins."""
    past = [event for event in changes if event["time"] <= instant]
    past.sort(key=lambda event: (event["time"], event["type"] == "channel.up"))
    return {event["channel"]: event["type"] for event in past}
