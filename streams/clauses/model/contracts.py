"""Which version of a tenant's contract governs a month, and the days it serves of it.

Where an indicator adds up over time, a month in which the contract changes is cut into parts:
neighbouring versions that promise and read the same of the indicator are one part.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from typing import Final

from mailsla.schemas.contract import Contract, default_contract
from mailsla.schemas.indicators import INDICATORS
from mailsla.streams.time.calendar import Month, Period, local_day, midnight

Days = tuple[date, date]
"""Local days ``[first, end)``."""

_FOR_EVER: Final = date.max
_DEFAULT_ZONE: Final = default_contract("-").zone


@dataclass(frozen=True, slots=True)
class Force:
    """The local days ``[first, end)`` on which one version is in force."""

    contract: Contract
    first: date
    end: date


@dataclass(frozen=True, slots=True)
class Governed:
    """A tenant-month: the contract that judges all of it, and its active part.

    Or a part of such a month, then with the contract that judges the part. ``versions`` is what is
    in force in the active part of the month, without gaps: each until the next.
    """

    contract: Contract
    period: Period
    versions: tuple[Force, ...] = ()

    @property
    def heard_until_us(self) -> int:
        """Up to when a topic must have carried an event: the end of the month, also of its parts.

        From then on silence means zero (contract, verdicts).
        """
        last = self.versions[-1].end if self.versions else self.period.end
        return midnight(last, self.period.zone)

    @property
    def days(self) -> Days:
        """The days that are judged."""
        return self.period.first, self.period.end

    def parts(self, indicator: str) -> tuple["Governed", ...]:
        """The parts in which an indicator is judged; none where its promise never changes."""
        if len(self.versions) < 2 or not INDICATORS[indicator].additive:
            return ()
        runs = list(_runs(self.versions, indicator))
        return tuple(self._cut(run) for run in runs) if len(runs) > 1 else ()

    def _cut(self, run: Sequence[Force]) -> "Governed":
        """The days of neighbouring versions; the last of them judges."""
        period = replace(self.period, first=run[0].first, end=run[-1].end)
        return Governed(run[-1].contract, period, self.versions)


def in_force(versions: Iterable[Contract]) -> list[Force]:
    """When each version is in force, in order; versions that never are do not appear.

    A later version (by first day, then number) ends the earlier one on its first day.
    """
    ordered = sorted(versions, key=lambda each: (each.effective_from, each.version))
    found: list[Force] = []
    for number, contract in enumerate(ordered):
        end = contract.effective_to or _FOR_EVER
        if number + 1 < len(ordered):
            end = min(end, ordered[number + 1].effective_from)
        if contract.effective_from < end:
            found.append(Force(contract, contract.effective_from, end))
    return found


def governed_since(versions: Iterable[Contract]) -> list[tuple[Month | None, Contract | None]]:
    """From which month on which version governs, in order; ``None``: the first one, the default.

    As `governing` says it of a single month.
    """
    found: list[tuple[Month | None, Contract | None]] = [(None, None)]
    ends: Month | None = None
    for each in in_force(versions):
        first = Month.of(each.first)
        if ends is not None and ends < first:
            found.append((ends, None))
        if found[-1][0] == first:
            found.pop()  # who is in force at the end of a month governs it
        found.append((first, each.contract))
        last = None if each.end == _FOR_EVER else Month.of(each.end)
        ends = last if last is None or each.end == last.first else last.next()
    if ends is not None:
        found.append((ends, None))
    return found


def governing(tenant_id: str, versions: Sequence[Contract], month: Month) -> Governed:
    """The contract and the active part of a tenant's month (contract, partial service).

    The version in force at the end of the active part governs the month: it says in which zone
    it is cut, and judges all of it but for what is judged in parts (`Governed.parts`). Where no
    version covers any day of the month, the default contract governs it.
    """
    forces = in_force(versions)
    covering = [each for each in forces if each.first < month.end and each.end > month.first]
    if not covering:
        contract = default_contract(tenant_id)
        return Governed(contract, Period.whole(month, contract.zone))
    contract = covering[-1].contract
    first, end = max(covering[0].first, month.first), min(covering[-1].end, month.end)
    new_year = date(month.year, 1, 1)
    period = Period(
        month=month,
        zone=contract.zone,
        first=first,
        end=end,
        served_from=_served_from(forces, covering[0]),
        year_from=max(new_year, min(each.first for each in forces if each.end > new_year)),
        gaps=tuple(
            (former.end, later.first)
            for former, later in pairwise(forces)
            if former.end < later.first <= first
        ),
    )
    begins = (first, *(each.first for each in covering[1:]), end)
    cut = (Force(one.contract, *days) for one, days in zip(covering, pairwise(begins), strict=True))
    return Governed(contract, period, tuple(cut))


def _runs(versions: Sequence[Force], indicator: str) -> Iterator[Sequence[Force]]:
    """Neighbouring versions that judge an indicator alike."""
    begin = 0
    for place, (former, later) in enumerate(pairwise(versions), start=1):
        if not former.contract.judges_alike(later.contract, indicator):
            yield versions[begin:place]
            begin = place
    yield versions[begin:]


def month_at(forces: Sequence[Force], us: int) -> Month:
    """The local month of an instant, in the zone of the version then in force (or the default)."""
    for each in forces:
        zone = each.contract.zone
        if midnight(each.first, zone) <= us and (day := local_day(us, zone)) < each.end:
            return Month.of(day)
    return Month.of(local_day(us, _DEFAULT_ZONE))


def _served_from(forces: Sequence[Force], reached: Force) -> date:
    """The first day of the unbroken service that ends in ``reached``."""
    first = reached.first
    for each in reversed(forces):
        if each.end == first:
            first = each.first
    return first
