"""Tenants of whom the same is known, so that one look serves all of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from mailsla.streams.live.evaluate.assessment import Assessment
from mailsla.streams.live.evaluate.dirty_sections import DirtySections, oldest_open
from mailsla.streams.live.evaluate.sections import assess_sections
from mailsla.streams.live.state.tenants import Tenants
from mailsla.streams.time.calendar import Month

_Found = Sequence[tuple[Assessment, bool]]


@dataclass(frozen=True, slots=True)
class Standing:
    """The indicators of a group as they stand, each with whether its month is over.

    ``not_well`` are those of them that are not ``ok``, ``months`` those of all.
    """

    found: _Found
    not_well: _Found
    months: frozenset[Month]


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


class Grouping:
    """Which group a tenant belongs to."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants
        self.groups: list[Group] = []
        self.number_of: dict[str, int] = {}
        """Tenant → the number of its group."""
        self._alike: dict[tuple[bytes, ...], int] = {}
        """Contracts, but for their tenants → the group of those of whom only mail is known."""
        self.shared: set[int] = set()
        """The numbers of those groups."""

    def find(self, tenant: str) -> int:
        """The number of the group that a tenant belongs to by now."""
        if self._tenants.has_facts(tenant):
            known = self.number_of.get(tenant)
            return known if known is not None and known not in self.shared else self._add()
        versions = self._tenants.versions(tenant)
        alike = tuple(sorted(self._tenants.promises(each) for each in versions))
        if alike not in self._alike:
            self._alike[alike] = self._add()
            self.shared.add(self._alike[alike])
        return self._alike[alike]

    def _add(self) -> int:
        self.groups.append(Group())
        return len(self.groups) - 1


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
    month, all_ = dirty.present, list[tuple[Assessment, bool]]()
    if month is None:
        return Standing((), (), frozenset())
    since = max(dirty.measured or month, oldest_open(month))
    while month >= since:
        for sections, at_us in clocks:
            for one in assess_sections(tenants, tenant, month, at_us, sections):
                all_.append((one, one.is_over(at_us)))
        month = month.previous()
    not_well = [one for one in all_ if one[0].state != "ok"]
    return Standing(all_, not_well, frozenset(one.month for one, _ in all_))
