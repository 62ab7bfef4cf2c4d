"""Which version of a tenant's contract governs a month, and the days it serves of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from schemas.contract import Contract, default_contract
from streams.windows.calendar import Month, Period, local_day, midnight

_FOR_EVER: Final = date.max


@dataclass(frozen=True, slots=True)
class Force:
    """The local days ``[first, end)`` on which one version is in force."""

    contract: Contract
    first: date
    end: date


@dataclass(frozen=True, slots=True)
class Governed:
    """A tenant-month: the contract that judges all of it, and its active part."""

    contract: Contract
    period: Period


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


def governing(tenant_id: str, versions: Sequence[Contract], month: Month) -> Governed:
    """The contract and the active part of a tenant's month (contract, partial service).

    The version in force at the end of the active part judges the whole month. Where no version
    covers any day of the month, the default contract judges all of it.
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
    )
    return Governed(contract, period)


def month_at(versions: Sequence[Contract], us: int) -> Month:
    """The local month of an instant, in the zone of the version then in force (or the default)."""
    for each in in_force(versions):
        zone = each.contract.zone
        if midnight(each.first, zone) <= us and local_day(us, zone) < each.end:
            return Month.of(local_day(us, zone))
    return Month.of(local_day(us, default_contract("-").zone))


def _served_from(forces: Sequence[Force], reached: Force) -> date:
    """The first day of the unbroken service that ends in ``reached``."""
    first = reached.first
    for each in reversed(forces):
        if each.end == first:
            first = each.first
    return first
