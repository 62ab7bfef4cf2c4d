"""How many records wait at the broker for this worker, by topic, without asking the broker."""

from collections import Counter
from collections.abc import Mapping
from typing import Any


def waiting_records(app: Any) -> Mapping[str, int]:
    """Topic → records not yet fetched, of the partitions assigned now; empty between assignments.

    The broker tells its high watermark with every fetch. The positions pass the markers of
    transactions, which are no records; so nothing waits where everything is read. The consumer
    runs in a thread of its own: single attributes are read, which needs no lock.
    """
    thread = getattr(app.consumer, "_thread", None)
    consumer = getattr(thread, "_consumer", None)
    subscription = None if consumer is None else consumer._subscription.subscription
    found: Counter[str] = Counter()
    if subscription is None or subscription.assignment is None:
        return found
    for place in tuple(subscription.assignment.tps):
        state = subscription.assignment.state_value(place)
        found[place.topic] += 0 if state is None else _behind(state)
    return found


def _behind(state: Any) -> int:
    """Records of one partition that lie before what may be read, and after the position."""
    position = position_of(state)
    if position is None or state.highwater is None:
        return 0
    stable = state.highwater if state.lso is None else min(state.highwater, state.lso)
    return max(0, int(stable) - position)


def position_of(state: Any) -> int | None:
    """Where the client reads on in a partition; None while that has still to be found out.

    Read once: the client's thread may take a position back between a look whether it is known and
    one at what it is, and its own `position` fails then.
    """
    position: int | None = state._position
    return position
