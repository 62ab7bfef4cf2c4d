"""By what the windows count the messages of a tenant: its zone, and its longest latency."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from mailsla.streams.latency.sorted_sets import Int64s, Mask, distinct
from mailsla.streams.time.months import months_of

_UNKNOWN = -1


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
        self._find = find
        self._terms: list[WindowTerms] = []
        self._numbers: dict[WindowTerms, int] = {}
        self._longest_us = np.empty(0, dtype=np.int64)
        self._of_tenant = np.full(64, _UNKNOWN, dtype=np.int64)

    def known(self, tenant: int) -> WindowTerms | None:
        """The terms by which messages of a tenant have been counted; None where none have."""
        number = int(self._of_tenant[tenant]) if tenant < len(self._of_tenant) else _UNKNOWN
        return None if number == _UNKNOWN else self._terms[number]

    def of(self, tenant: int) -> WindowTerms:
        """The terms of a tenant."""
        return self._terms[int(self._numbers_of(np.array([tenant]))[0])]

    def forget(self, tenant: int) -> None:
        """Find the terms of a tenant anew, after its contract has changed."""
        self._of_tenant[tenant] = _UNKNOWN

    def months_and_limits(self, tenants: Int64s, accepted_us: Int64s) -> tuple[Int64s, Int64s]:
        """The local month of each message's acceptance, and how long it may take, µs."""
        months = np.zeros(len(tenants), dtype=np.int64)
        for zone, own in self.zones(tenants):
            months[own] = months_of(accepted_us[own], zone)
        return months, self._longest_us[self._numbers_of(tenants)]

    def zones(self, tenants: Int64s) -> Iterator[tuple[str, Mask | slice]]:
        """The time zones of some tenants, each with which of them are in it."""
        numbers = self._numbers_of(tenants)
        zones = [terms.timezone for terms in self._terms]
        if len(set(zones)) == 1:
            yield zones[0], slice(None)
            return
        for zone in {zones[number] for number in distinct(numbers).tolist()}:
            yield zone, np.array([one == zone for one in zones])[numbers]

    def _numbers_of(self, tenants: Int64s) -> Int64s:
        most = int(tenants.max(initial=0)) + 1
        if most > len(self._of_tenant):
            more = max(most, 2 * len(self._of_tenant)) - len(self._of_tenant)
            self._of_tenant = np.append(self._of_tenant, np.full(more, _UNKNOWN))
        numbers = self._of_tenant[tenants]
        missing = numbers == _UNKNOWN
        if missing.any():
            for tenant in distinct(tenants[missing]).tolist():
                self._of_tenant[tenant] = self._number(self._find(tenant))
            numbers = self._of_tenant[tenants]
        result: Int64s = numbers
        return result

    def _number(self, terms: WindowTerms) -> int:
        number = self._numbers.setdefault(terms, len(self._terms))
        if number == len(self._terms):
            self._terms.append(terms)
            self._longest_us = np.append(self._longest_us, terms.longest_us)
        return number
