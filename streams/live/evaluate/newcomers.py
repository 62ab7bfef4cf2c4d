"""Tenants that mail brings up: each is met at the event time at which it came."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from mailsla.streams.latency.row_index import Int64s
from mailsla.streams.live.evaluate.groups import Standing
from mailsla.streams.live.evaluate.scheduler import Scheduler
from mailsla.streams.live.evaluate.states import TICK_US, Transition


@dataclass(frozen=True, slots=True)
class Newcomers:
    """Those of a batch of mail.

    ``codes`` has the number of the tenant of each event, ``believed_us`` its time, as far as it
    moves event time; numbers from ``known`` on are new, and ``names`` has those of all.
    """

    names: Sequence[str]
    known: int
    codes: Int64s
    believed_us: Int64s

    def by_tick(self) -> Iterator[tuple[int, list[str]]]:
        """The tick of event time in which each came up, ascending."""
        places = np.flatnonzero(self.codes >= self.known)
        new, first = np.unique(self.codes[places], return_index=True)
        clocks = np.maximum.accumulate(self.believed_us)[places[first]]
        ticks = clocks // TICK_US * TICK_US
        order = np.argsort(ticks, kind="stable").tolist()
        for tick_us, some in groupby(order, key=ticks.__getitem__):
            yield int(tick_us), [self.names[code] for code in new[list(some)].tolist()]


def meet_newcomers(
    scheduler: Scheduler, newcomers: Newcomers, to_us: int, reach_us: int
) -> Iterator[Transition | None]:
    """Find their groups, wherever a batch was cut; ``None`` where others may have a turn.

    Args:
        scheduler: looks at them from now on.
        newcomers: who has come up.
        to_us: event time up to which the other topics are known.
        reach_us: that up to which the platform is.

    """
    stand: dict[int, Standing] = {}
    for at_us, tenants in newcomers.by_tick():
        for one in scheduler.advance(min(at_us, to_us), reach_us):
            stand.clear()  # something was looked at
            yield one
        if any(known.not_well for known in stand.values()):
            stand.clear()  # it is told as of its time
        for tenant in tenants:
            yield from scheduler.meet(tenant, stand)
            yield None
