"""Section 2 of every tenant-month as sums in columns, whatever contract judges it.

A *slot* is one row of sums: a tenant-month, or a contract segment of it where the contract changes
within the month. A *stretch* is a span of acceptance times whose messages add to the same slots.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
import numpy.typing as npt

from schemas.contract import Contract, Term, default_contract
from streams.clauses.contracts import Governed, governing, month_at
from streams.latency.row_index import Int64s, Mask
from streams.windows.calendar import SECOND, Month, midnight

COUNTED: Final = "latency.exceedances"
MEANS: Final = ("latency.send.mean", "latency.receive.mean")
LARGEST: Final = ("latency.send.max", "latency.receive.max")
NOWHERE: Final = -1
OPEN_MONTHS: Final = 2
"""So many months before the present one can still change; what is older is left to the closing."""

_COMPARATORS: Final = {"<": 0, "<=": 1, ">=": 2, "=": 3}


@dataclass(frozen=True, slots=True)
class Slot:
    """What one row of sums stands for."""

    tenant: int
    month: Month
    governed: Governed
    whole: int
    """The slot of the whole month; its own number where it is that."""


@dataclass(frozen=True, slots=True)
class Totals:
    """The finished messages of a slot; pairs are sent and received, µs.

    ``counted`` leaves out what exclusions and liability do, ``everything`` does not.
    """

    count: tuple[int, int]
    sum_us: tuple[int, int]
    largest_us: tuple[int, int]


class _Columns:
    """Growing columns of numbers, zero where nothing was written."""

    def __init__(self, **kinds: tuple[type, tuple[int, ...]]) -> None:
        self._kinds = kinds
        self.used = 0
        for name, (kind, shape) in kinds.items():
            setattr(self, name, np.zeros((64, *shape), dtype=kind))

    def add(self) -> int:
        """The number of a new row."""
        row, self.used = self.used, self.used + 1
        if self.used > len(getattr(self, next(iter(self._kinds)))):
            for name in self._kinds:
                old = getattr(self, name)
                setattr(self, name, np.concatenate([old, np.zeros_like(old)]))
        return row

    def __getattr__(self, name: str) -> npt.NDArray[np.int64]:
        raise AttributeError(name)


class LatencyMonths:
    """The sums of section 2 of a task's tenants.

    Args:
        versions: the contract versions of a tenant, by its number.
        name: the id of a tenant, by its number.

    """

    def __init__(
        self, versions: Callable[[int], list[Contract]], name: Callable[[int], str]
    ) -> None:
        self._versions, self._name = versions, name
        self._slots: list[Slot | None] = []
        self._by_month: dict[tuple[int, Month], int] = {}
        self._months_of: dict[int, list[Month]] = {}
        self._parts: dict[int, tuple[int, ...]] = {}
        self.default_contract: Final = default_contract("-")
        self._by_default: dict[Month, Governed] = {}
        """Shared by all tenants without a contract of their own."""
        self.sums = _Columns(
            tenant=(np.int64, ()),
            count=(np.int64, (2,)),
            sum_us=(np.int64, (2,)),
            largest_us=(np.int64, (2,)),
            all_count=(np.int64, (2,)),
            all_sum_us=(np.int64, (2,)),
            all_largest_us=(np.int64, (2,)),
            over=(np.int64, ()),
            all_over=(np.int64, ()),
            at_risk=(np.int64, ()),
            flying_over=(np.int64, ()),
            all_flying_over=(np.int64, ()),
        )
        self.means = _Columns(
            judged=(np.bool_, (2,)),
            comparator=(np.int8, (2,)),
            target_us=(np.float64, (2,)),
            hold_us=(np.int64, ()),
            final_us=(np.int64, ()),
            failing=(np.bool_, (2,)),
        )
        """How the means of a slot are judged, whether they miss their targets by now, and up to
        when mail must be known so that they are final; `mean_target_us` has the exact target."""
        self._stretches = _Columns(
            start_us=(np.int64, ()),
            end_us=(np.int64, ()),
            slot=(np.int64, ()),
            part=(np.int64, ()),
            limit_us=(np.int64, ()),
            part_limit_us=(np.int64, ()),
        )
        self._recent = np.zeros((64, 2), dtype=np.int64)
        """The last two stretches of each tenant; stretch 0 holds nothing."""
        self._stretches.add()
        self.judges_largest: set[int] = set()
        """Slots with a largest latency that is judged."""

    def slot(self, number: int) -> Slot:
        """What a slot stands for."""
        slot = self._slots[number]
        if slot is None:
            raise KeyError(number)
        return slot

    def stands(self, number: int) -> bool:
        """Whether a slot still stands for anything."""
        return self._slots[number] is not None

    def wholes(self) -> list[int]:
        """The slots of all months."""
        return list(self._by_month.values())

    def tenants_of(self, slots: Int64s) -> Int64s:
        """The number of the tenant of each slot."""
        return self.sums.tenant[slots]

    def of_month(self, tenant: int, month: Month) -> int | None:
        """The slot of a tenant's month, if a message was ever accepted in it."""
        return self._by_month.get((tenant, month))

    def parts(self, whole: int) -> tuple[int, ...]:
        """The slots of a month's contract segments, if its exceedances are judged by them."""
        return self._parts.get(whole, ())

    def months_of(self, tenant: int) -> list[Month]:
        """The months of a tenant that have a slot."""
        return list(self._months_of.get(tenant, ()))

    def governed(self, tenant: int, month: Month) -> Governed:
        """The contract and the active part of a tenant's month."""
        versions = self._versions(tenant)
        if versions:
            return governing(self._name(tenant), versions, month)
        if month not in self._by_default:
            self._by_default[month] = governing("-", (), month)
        return self._by_default[month]

    def locate(self, tenants: Int64s, accepted_us: Int64s) -> tuple[Int64s, Int64s, Int64s, Int64s]:
        """Where messages add up.

        Args:
            tenants: number of the tenant of each.
            accepted_us: when each was accepted.

        Returns:
            For each the slot of its month and that of its contract segment (`NOWHERE` without
            one), and the longest latency that each of these allows, µs.

        """
        if len(tenants) and int(tenants.max()) >= len(self._recent):
            size = max(int(tenants.max()) + 1, 2 * len(self._recent))
            grown = np.zeros((size, 2), dtype=np.int64)
            grown[: len(self._recent)] = self._recent
            self._recent = grown
        table = self._stretches
        found = np.zeros(len(tenants), dtype=np.int64)
        missing = np.ones(len(tenants), dtype=np.bool_)
        for recent in (0, 1):
            at = self._recent[tenants, recent]
            fits = missing & (table.start_us[at] <= accepted_us) & (accepted_us < table.end_us[at])
            found[fits] = at[fits]
            missing &= ~fits
        if missing.any():
            self._look_up(tenants, accepted_us, np.flatnonzero(missing), found)
        return (
            table.slot[found],
            table.part[found],
            table.limit_us[found],
            table.part_limit_us[found],
        )

    def _look_up(
        self, tenants: Int64s, accepted_us: Int64s, missing: Int64s, found: Int64s
    ) -> None:
        """Stretches of messages that are in none of the last two of their tenants."""
        order = missing[np.argsort(tenants[missing], kind="stable")]
        distinct, starts = np.unique(tenants[order], return_index=True)
        for tenant, own in zip(distinct.tolist(), np.split(order, starts[1:]), strict=True):
            left = own
            while len(left):
                stretch = self._stretch(tenant, int(accepted_us[left[0]]))
                inside = (self._stretches.start_us[stretch] <= accepted_us[left]) & (
                    accepted_us[left] < self._stretches.end_us[stretch]
                )
                found[left[inside]] = stretch
                left = left[~inside]

    def _stretch(self, tenant: int, accepted_us: int) -> int:
        """The stretch of one instant of acceptance, the tenant's most recent one from now on."""
        versions = self._versions(tenant)
        month = month_at(versions, accepted_us)
        # Where the zone changes with the contract, a month may begin or end in another one.
        for near in (month, month.previous(), month.next()):
            governed = self.governed(tenant, near)
            if governed.period.start_us <= accepted_us < governed.period.end_us:
                stretch = self._served(tenant, governed, accepted_us)
                break
        else:
            stretch = self._unserved(tenant, month, accepted_us)
        self._recent[tenant] = (stretch, self._recent[tenant, 0])
        return stretch

    def _served(self, tenant: int, governed: Governed, accepted_us: int) -> int:
        whole = self._by_month.get((tenant, governed.period.month))
        if whole is None:
            whole = self._add_month(tenant, governed)
        part, start_us, end_us = NOWHERE, governed.period.start_us, governed.period.end_us
        part_limit_us = limit_us = _longest_us(governed)
        for number in self._parts.get(whole, ()):
            period = self.slot(number).governed.period
            if period.start_us <= accepted_us < period.end_us:
                part, start_us, end_us = number, period.start_us, period.end_us
                part_limit_us = _longest_us(self.slot(number).governed)
        return self._add_stretch(start_us, end_us, (whole, part), (limit_us, part_limit_us))

    def _unserved(self, tenant: int, month: Month, accepted_us: int) -> int:
        """A stretch outside every contract of a month that has one: it adds up nowhere."""
        governed = self.governed(tenant, month)
        period = governed.period
        first, end = midnight(month.first, period.zone), midnight(month.end, period.zone)
        if accepted_us < period.start_us:
            end = period.start_us
        elif accepted_us >= period.end_us:
            first = period.end_us
        limit_us = _longest_us(governed)
        first, end = min(first, accepted_us), max(end, accepted_us + 1)
        return self._add_stretch(first, end, (NOWHERE, NOWHERE), (limit_us, limit_us))

    def _add_stretch(
        self, start_us: int, end_us: int, slots: tuple[int, int], limits_us: tuple[int, int]
    ) -> int:
        row, table = self._stretches.add(), self._stretches
        table.start_us[row], table.end_us[row] = start_us, end_us
        table.slot[row], table.part[row] = slots
        table.limit_us[row], table.part_limit_us[row] = limits_us
        return row

    def _add_month(self, tenant: int, governed: Governed) -> int:
        whole = self._add_slot(tenant, governed, None)
        self._by_month[tenant, governed.period.month] = whole
        self._months_of.setdefault(tenant, []).append(governed.period.month)
        parts = governed.parts(COUNTED)
        if parts:
            self._parts[whole] = tuple(self._add_slot(tenant, part, whole) for part in parts)
        return whole

    def _add_slot(self, tenant: int, governed: Governed, whole: int | None) -> int:
        number = self.sums.add()
        self.sums.tenant[number] = tenant
        self.means.add()
        own = number if whole is None else whole
        self._slots.append(Slot(tenant, governed.period.month, governed, own))
        # Until then a message of the month may finish without being an exceedance.
        self.means.final_us[number] = governed.period.end_us + _longest_us(governed)
        self.means.hold_us[number] = governed.contract.profile.feed_hold_s * SECOND
        if whole is None:
            for way, indicator in enumerate(MEANS):
                term = governed.contract.term(indicator)
                judged = term.judged and term.target is not None and term.comparator is not None
                self.means.judged[number, way] = judged
                if judged:
                    self.means.comparator[number, way] = _COMPARATORS[str(term.comparator)]
                    self.means.target_us[number, way] = float(target_us(term))
            if any(_is_judged(governed.contract.term(name)) for name in LARGEST):
                self.judges_largest.add(number)
        return number

    def forget(self, tenant: int) -> list[Month]:
        """Drop the slots of a tenant, because its contract has changed; the months it had."""
        months = self._months_of.pop(tenant, [])
        for month in months:
            whole = self._by_month.pop((tenant, month))
            for number in (whole, *self._parts.pop(whole, ())):
                self._slots[number] = None
                self.judges_largest.discard(number)
        if tenant < len(self._recent):
            self._recent[tenant] = 0
        return months

    def forget_before(self, oldest: Month) -> None:
        """Drop the months before one."""
        for tenant, month in [key for key in self._by_month if key[1] < oldest]:
            whole = self._by_month.pop((tenant, month))
            self._months_of[tenant].remove(month)
            for number in (whole, *self._parts.pop(whole, ())):
                self._slots[number] = None
                self.judges_largest.discard(number)
            if tenant < len(self._recent):
                self._recent[tenant] = 0

    def add(
        self,
        slots: Int64s,
        ways: Int64s,
        latency_us: Int64s,
        signs: Int64s,
        counted: Mask,
        everything: Mask,
    ) -> None:
        """Add finished messages to the sums of their months, or take them away.

        Args:
            slots: of whole months.
            ways: 0 sent, 1 received.
            latency_us: how long each took.
            signs: 1 or -1.
            counted: which of them count.
            everything: which are new to, or leave, the sums of all messages.

        """
        for chosen, prefix in ((counted, ""), (everything, "all_")):
            places = (slots[chosen], ways[chosen])
            sign, latency = signs[chosen], latency_us[chosen]
            np.add.at(getattr(self.sums, f"{prefix}count"), places, sign)
            np.add.at(getattr(self.sums, f"{prefix}sum_us"), places, sign * latency)
            rises = sign > 0
            largest = getattr(self.sums, f"{prefix}largest_us")
            np.maximum.at(largest, (places[0][rises], places[1][rises]), latency[rises])

    def totals(self, slot: int | None, counted: bool) -> Totals:
        """The sums of a slot, of what counts or of everything."""
        if slot is None:
            return Totals((0, 0), (0, 0), (0, 0))
        prefix = "" if counted else "all_"
        columns = (
            getattr(self.sums, f"{prefix}{name}")[slot].tolist()
            for name in ("count", "sum_us", "largest_us")
        )
        count, sum_us, largest_us = (tuple(column) for column in columns)
        return Totals(count, sum_us, largest_us)

    def mean_target_us(self, slot: int, way: int) -> Fraction:
        """The exact target of a mean, µs."""
        return target_us(self.slot(slot).governed.contract.term(MEANS[way]))


def target_us(term: Term) -> Fraction:
    """The target of an indicator in seconds as microseconds, exact."""
    return Fraction(term.target or 0) * SECOND


def _longest_us(governed: Governed) -> int:
    return governed.contract.profile.max_latency_s * SECOND


def _is_judged(term: Term) -> bool:
    return term.judged and term.target is not None
