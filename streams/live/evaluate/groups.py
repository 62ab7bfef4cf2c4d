"""Tenants of whom the same is known, so that one look serves all of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from mailsla.streams.live.evaluate.assessment import Assessment
from mailsla.streams.live.evaluate.dirty_sections import DirtySections, oldest_open
from mailsla.streams.live.evaluate.sections import assess_sections
from mailsla.streams.live.state.tenants import Tenants

Standing = list[tuple[Assessment, bool]]
"""The indicators of a group as they stand, and whether the month of each is over."""


@dataclass(slots=True)
class Group:
    """Tenants that are looked at as one, and what of them is dirty or due."""

    tenants: dict[str, None] = field(default_factory=dict)
    dirty: DirtySections = field(default_factory=DirtySections)
    down_until_us: int = 0
    """Until when they were ever seen, or foreseen, to be disconnected."""

    @property
    def one(self) -> str:
        """Any of its tenants: it stands for all of them."""
        return next(iter(self.tenants))


def standing(
    tenants: Tenants,
    tenant: str,
    dirty: DirtySections,
    clocks: Sequence[tuple[frozenset[int], int]],
) -> Standing:
    """How a group stands in all months that were looked at and are open, told of one of it.

    Args:
        tenants: of the task.
        tenant: of the group.
        dirty: what was looked at of the group.
        clocks: sections, and the event time up to which they are known.

    """
    month, found = dirty.present, Standing()
    if month is None:
        return found
    since = max(dirty.measured or month, oldest_open(month))
    while month >= since:
        for sections, at_us in clocks:
            for one in assess_sections(tenants, tenant, month, at_us, sections):
                found.append((one, one.is_over(at_us)))
        month = month.previous()
    return found
