"""Times for which the provider is not liable (contract, exclusions)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from zoneinfo import ZoneInfo

from mailsla.schemas.contract import Profile
from mailsla.streams.clauses.facts.exclusions import MAINTENANCE, Declaration, ExclusionRegister
from mailsla.streams.time.calendar import HOUR, local_day, midnight
from mailsla.streams.time.intervals import BEFORE_ALL, EMPTY, IntervalSet, union


@dataclass(frozen=True, slots=True)
class Exclusions:
    """The exclusions that concern one tenant: its own and the platform's, not revoked."""

    declarations: tuple[Declaration, ...] = ()

    @classmethod
    def of(cls, registers: Iterable[ExclusionRegister]) -> "Exclusions":
        """What several scopes have in force together."""
        return cls(tuple(each for register in registers for each in register.in_force()))

    def limited(self, profile: Profile, zone: ZoneInfo) -> "Exclusions":
        """With no more agreed maintenance in a local year than a contract lets count.

        The hours of a year are used up in order of time, overlapping windows once, whichever
        sections they name. A window is cut where they end, and at the turn of the year.
        """
        if profile.max_hours_per_year is None:
            return self
        windows = [
            each
            for each in self.declarations
            if each.code == MAINTENANCE and each.counts("exclusion", profile)
        ]
        allowed = _earliest_of_years(
            IntervalSet.of((each.starts_us, each.ends_us) for each in windows),
            profile.max_hours_per_year * HOUR,
            zone,
        )
        cut = [
            replace(each, starts_us=starts_us, ends_us=ends_us)
            for each in windows
            for starts_us, ends_us in allowed.clip(each.starts_us, each.ends_us).pairs()
        ]
        others = [each for each in self.declarations if each.code != MAINTENANCE]
        return Exclusions((*others, *cut))

    def intervals(self, section: int, profile: Profile) -> IntervalSet:
        """The excluded time of a section, microseconds."""
        pairs = [
            (each.starts_us, each.ends_us)
            for each in self.declarations
            if each.applies(section, profile)
        ]
        return IntervalSet.of(pairs) if pairs else EMPTY


def _earliest_of_years(windows: IntervalSet, most_us: int, zone: ZoneInfo) -> IntervalSet:
    """Of each local year its first instants in the windows, ``most_us`` of them at most."""
    if len(windows) == 0 or most_us == 0:
        return EMPTY
    first, last = (
        local_day(int(us), zone).year for us in (windows.starts[0], windows.ends[-1] - 1)
    )
    edges = [midnight(date(year, 1, 1), zone) for year in range(first, last + 2)]
    years = [windows.clip(start_us, end_us) for start_us, end_us in pairwise(edges)]
    return union(
        year if (end_us := year.reach(most_us)) is None else year.clip(BEFORE_ALL, end_us)
        for year in years
    )
