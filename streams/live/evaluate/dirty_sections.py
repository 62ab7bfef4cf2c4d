"""What is stale of a tenant, and when its sections change by themselves."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from streams.windows.calendar import Month

SECTIONS: Final = frozenset(range(1, 10))

_REACH: Final = 24
"""So many months before the present one are told again when something earlier has changed."""


@dataclass
class Watch:
    """One tenant's; instants are event times, µs."""

    present: Month | None = None
    first: Month | None = None
    """The first month of the tenant's own events."""
    measured: Month | None = None
    """The earliest month that was measured."""
    stale: dict[Month, set[int]] = field(default_factory=dict)
    since: dict[int, Month] = field(default_factory=dict)
    """Section → the month from which on it is stale."""
    due_us: dict[Month, dict[int, int]] = field(default_factory=dict)
    """Month → section → when it is to be looked at by then at the latest."""
    unshown: dict[Month, set[int]] = field(default_factory=dict)
    """What was looked at since the present states were shown."""

    def mark(self, month: Month, sections: Iterable[int]) -> None:
        """Some sections of one month are stale."""
        self.stale.setdefault(month, set()).update(sections)

    def mark_since(self, month: Month, sections: Iterable[int]) -> None:
        """Some sections are stale in a month and in all later ones."""
        for section in sections:
            self.since[section] = min(month, self.since.get(section, month))

    def mark_unshown(self) -> None:
        """What was not shown yet is to be looked at once more."""
        for month, sections in self.unshown.items():
            self.mark(month, sections)
        self.unshown = {}

    def take_stale(self, present: Month, known: Month) -> dict[Month, set[int]]:
        """What is to be measured again, up to the present month; nothing is stale afterwards.

        Before the month ``known`` nothing was known, hence nothing has changed, but for months
        that were measured all the same.
        """
        known = min(known, self.measured or known)
        if self.present != present:
            self.mark_since(min(self.present or present, present), SECTIONS)
            self.present = present
        for section, first in self.since.items():
            month = present
            for _ in range(_REACH + 1):
                if month < max(first, known):
                    break
                self.mark(month, {section})
                month = month.previous()
        # A later month is measured whole when it begins.
        taken = {month: self.stale[month] for month in sorted(self.stale) if month <= present}
        self.stale, self.since = {}, {}
        self.measured = min((known, *taken))
        return taken
