"""How far a batch of messages can be applied at once so that nothing is missed on the way.

Between two places of the log at which somebody must look, messages only add to sums, and those
are followed step by step (`streams.windows.steps`). One must look where a message that has been
in flight for too long is finished, or first heard of.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from streams.latency.in_flight import InFlight, Waiting, without_direction
from streams.latency.messages import ACCEPTED, LATENCY, Int64s, Rows

Limits = Callable[[Int64s, Int64s], tuple[Int64s, Int64s]]
"""Series and acceptance, µs → from which age on a message in flight is at risk, and an exceedance,
µs."""


@dataclass(frozen=True)
class Cut:
    """So many rows can be applied at once; a ``turn`` is one row, to be looked at by itself.

    ``counted`` are the places of rows that finish what was an exceedance already.
    """

    rows: int
    turn: bool
    counted: tuple[int, ...] = ()


def next_cut(
    rows: Rows,
    clocks_us: Int64s,
    in_flight: InFlight,
    limits: Limits,
    is_lost: Callable[[int, Waiting], bool],
) -> Cut:
    """The first stretch of rows, none of which is beyond an instant at which something is due.

    Args:
        rows: messages in log order; at least one.
        clocks_us: event time reached at each.
        in_flight: messages not finished before the first row.
        limits: ages of messages in flight that matter.
        is_lost: whether the exceedances of a message's month, given a series, are too many
            already, so that one more or less at risk makes no difference.

    """
    found, counted = len(rows), []
    for place, series, waiting in in_flight.waiting_for(rows):
        if place >= found:
            break
        ages = limits(np.array([series]), np.array([waiting.accepted_us]))
        risky, limit = (int(age[0]) for age in ages)
        if waiting.accepted_us + risky > clocks_us[place]:
            continue
        over = waiting.accepted_us + limit < clocks_us[place]
        if not is_lost(series, waiting):
            found = place
        elif over and _exceeds(rows[place], limit):
            counted.append(place)
        elif over:
            found = place
    if found > 0:
        found = _first_stuck(rows[:found], clocks_us[:found], in_flight, limits)
    if found == 0:
        return Cut(1, True)
    return Cut(found, False, tuple(place for place in counted if place < found))


def _exceeds(row: np.void, limit_us: int) -> bool:
    late = int(row["finished_us"]) - int(row["accepted_us"]) > limit_us
    return int(row["kind"]) == LATENCY and late and not row["liable"]


def _first_stuck(rows: Rows, clocks_us: Int64s, in_flight: InFlight, limits: Limits) -> int:
    """The first row before which a message accepted here is in flight for too long.

    Where it is so from the beginning, its own row.
    """
    places = np.flatnonzero(rows["kind"] == ACCEPTED)
    if len(places) == 0:
        return len(rows)
    accepted_us = rows["accepted_us"][places]
    stuck_us = accepted_us + limits(rows["series"][places], accepted_us)[0]
    places, stuck_us = places[stuck_us <= clocks_us[-1]], stuck_us[stuck_us <= clocks_us[-1]]
    if len(places) == 0:
        return len(rows)
    keys = without_direction(rows[places])
    unknown = ~in_flight.is_finished(keys)
    places, stuck_us, keys = places[unknown], stuck_us[unknown], keys[unknown]
    at = np.maximum(np.searchsorted(clocks_us, stuck_us), places)
    ends = np.flatnonzero(rows["kind"] != ACCEPTED)
    end_keys = without_direction(rows[ends])
    order = np.argsort(end_keys, kind="stable")
    ends, end_keys = np.append(ends[order], len(rows)), end_keys[order]
    first = np.searchsorted(end_keys, keys)
    ended = np.zeros(len(keys), dtype=np.bool_)
    inside = first < len(end_keys)
    ended[inside] = end_keys[first[inside]] == keys[inside]
    finished = np.where(ended, ends[first], len(rows))
    late = at <= finished
    return int(at[late].min(initial=len(rows)))
