"""What contracts say of messages, for whole columns: equal terms of tenants have one number."""

from collections.abc import Callable, Hashable, Iterator
from typing import Final, Generic, NamedTuple, TypeVar

import numpy as np

from mailsla.schemas.contract import Contract
from mailsla.streams.clauses.model.stuck_limits import LatencyLimits
from mailsla.streams.latency.messages import tenant_of
from mailsla.streams.latency.sorted_sets import Int64s, Mask, distinct
from mailsla.streams.time.months import months_of

_UNKNOWN: Final = -1
T = TypeVar("T", bound=Hashable)


class Numbered(Generic[T]):
    """A value of each tenant of a task; equal ones have one number.

    Args:
        find: the value of a tenant, by its number.

    """

    def __init__(self, find: Callable[[int], T]) -> None:
        self._find = find
        self.values: list[T] = []
        """By their numbers."""
        self._numbers: dict[T, int] = {}
        self._of_tenant = np.full(64, _UNKNOWN, dtype=np.int64)

    def known(self, tenant: int) -> T | None:
        """The value of a tenant if it was ever asked for."""
        number = int(self._of_tenant[tenant]) if tenant < len(self._of_tenant) else _UNKNOWN
        return None if number == _UNKNOWN else self.values[number]

    def of(self, tenant: int) -> T:
        """The value of a tenant."""
        return self.values[int(self.numbers(np.array([tenant]))[0])]

    def forget(self, tenant: int) -> None:
        """Find the value of a tenant anew, after its contract has changed."""
        if tenant < len(self._of_tenant):
            self._of_tenant[tenant] = _UNKNOWN

    def numbers(self, tenants: Int64s) -> Int64s:
        """The numbers of the values of some tenants."""
        most = int(tenants.max(initial=0)) + 1
        if most > len(self._of_tenant):
            more = max(most, 2 * len(self._of_tenant)) - len(self._of_tenant)
            self._of_tenant = np.append(self._of_tenant, np.full(more, _UNKNOWN))
        numbers: Int64s = self._of_tenant[tenants]
        if (missing := numbers == _UNKNOWN).any():
            for tenant in distinct(tenants[missing]).tolist():
                self._of_tenant[tenant] = self._number(self._find(tenant))
            numbers = self._of_tenant[tenants]
        return numbers

    def _number(self, value: T) -> int:
        number = self._numbers.setdefault(value, len(self.values))
        if number == len(self.values):
            self.values.append(value)
        return number


class WindowTerms(NamedTuple):
    """The time zone of the contract, and how long a message may take, µs."""

    timezone: str
    longest_us: int


class TermsOfTenants:
    """The terms of every tenant of a task, found for whole columns: few of them differ.

    Args:
        find: the terms of a tenant, by its number.

    """

    def __init__(self, find: Callable[[int], WindowTerms]) -> None:
        self._terms = Numbered(find)
        self.known, self.of, self.forget = self._terms.known, self._terms.of, self._terms.forget

    def months_and_limits(self, tenants: Int64s, accepted_us: Int64s) -> tuple[Int64s, Int64s]:
        """The local month of each message's acceptance, and how long it may take, µs."""
        months = np.zeros(len(tenants), dtype=np.int64)
        for zone, own in self.zones(tenants):
            months[own] = months_of(accepted_us[own], zone)
        numbers = self._terms.numbers(tenants)
        longest_us = np.array([one.longest_us for one in self._terms.values], dtype=np.int64)
        return months, longest_us[numbers]

    def zones(self, tenants: Int64s) -> Iterator[tuple[str, Mask | slice]]:
        """The time zones of some tenants, each with which of them are in it."""
        numbers = self._terms.numbers(tenants)
        zones = [terms.timezone for terms in self._terms.values]
        if len(set(zones)) == 1:
            yield zones[0], slice(None)
            return
        for zone in {zones[number] for number in distinct(numbers).tolist()}:
            yield zone, np.array([one == zone for one in zones])[numbers]


class LimitsOfTenants:
    """The ages that matter to the messages of tenants; those who are judged alike share them.

    Args:
        versions: the contract versions of a tenant, by its number.
        alike: what is equal for tenants whose contracts judge alike.

    """

    def __init__(
        self,
        versions: Callable[[int], list[Contract]],
        alike: Callable[[int], tuple[bytes, ...]],
    ) -> None:
        self._versions, self._alike = versions, alike
        self._known: dict[tuple[bytes, ...], LatencyLimits] = {}
        self._limits = Numbered(self._find)
        self._first = np.empty((0, 2), dtype=np.int64)
        """The ages before the first contract, by number."""
        self.forget = self._limits.forget

    def of_series(self, series: Int64s, accepted_us: Int64s) -> tuple[Int64s, Int64s]:
        """From which age on messages in flight are at risk, and the longest allowed, µs.

        Args:
            series: theirs.
            accepted_us: when each was accepted.

        """
        numbers, limits = self._limits.numbers(tenant_of(series)), self._limits.values
        if len(self._first) < len(limits):
            more = [one.first for one in limits[len(self._first) :]]
            self._first = np.concatenate([self._first, np.array(more, dtype=np.int64)])
        at_risk, longest = self._first[numbers].T
        for number in distinct(numbers).tolist():
            if not limits[number].constant:
                own = numbers == number
                at_risk[own], longest[own] = limits[number].at(accepted_us[own])
        return at_risk, longest

    def _find(self, tenant: int) -> LatencyLimits:
        alike = self._alike(tenant)
        known = self._known.get(alike)
        if known is None:
            known = self._known[alike] = LatencyLimits("-", self._versions(tenant))
        return known
