"""Section 2 of every tenant-month as sums in columns, whatever contract judges it.

A *slot* is one row of sums: a tenant-month, or a contract segment of it where the contract changes
within the month.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from operator import is_not
from typing import Final

import numpy as np

from mailsla.schemas.contract import Contract, Term, default_contract
from mailsla.streams.clauses.model.contracts import Governed, governing, in_force, month_at
from mailsla.streams.latency.columns import Columns
from mailsla.streams.latency.sorted_sets import Int64s, Mask, distinct, members
from mailsla.streams.live.state.stretches import NOWHERE, Alike, Located, Place, Stretches
from mailsla.streams.time.calendar import SECOND, Month, midnight
from mailsla.streams.time.months import month_first, months_of

COUNTED: Final = "latency.exceedances"
MEANS: Final = ("latency.send.mean", "latency.receive.mean")
LARGEST: Final = ("latency.send.max", "latency.receive.max")

_MANY: Final = 4
"""Tenants for whom it pays to find the same at once."""
_NO_MONTHS: Final[Mapping[Month, int]] = {}
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


class LatencyMonths:
    """The sums of section 2 of a task's tenants.

    Args:
        versions: the contract versions of a tenant, by its number.
        judged_by: the promises of all of them: equal ones judge alike.
        name: the id of a tenant, by its number.

    """

    def __init__(
        self,
        versions: Callable[[int], list[Contract]],
        judged_by: Callable[[int], tuple[bytes, ...]],
        name: Callable[[int], str],
    ) -> None:
        self._versions, self._judged_by, self._name = versions, judged_by, name
        self._slots: list[Slot | None] = []
        self._wholes: dict[int, dict[Month, int]] = {}
        """Tenant → month → its slot"""
        self._parts: dict[int, tuple[int, ...]] = {}
        self.default_contract: Final = default_contract("-")
        self._by_default: dict[Month, Governed] = {}
        """Shared by all tenants without a contract of their own."""
        self._governed: dict[tuple[int, Month], tuple[list[Contract], Governed]] = {}
        """Tenant, month → what it was found to be, and from which versions."""
        self.sums = Columns(
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
        self.means = Columns(
            judged=(np.bool_, (2,)),
            comparator=(np.int8, (2,)),
            target_us=(np.float64, (2,)),
            hold_us=(np.int64, ()),
            final_us=(np.int64, ()),
            heard_until_us=(np.int64, ()),
            failing=(np.bool_, (2,)),
        )
        """How the means of a slot are judged, whether they miss their targets by now, and up to
        when mail must be known so that they are final; `mean_target_us` has the exact target."""
        self._stretches = Stretches(self._stretch, self._alike)
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
        return [slot for own in self._wholes.values() for slot in own.values()]

    def slots_of(self, tenants: Iterable[int]) -> Int64s:
        """The slots of the months of some tenants, tenant by tenant, each month after month."""
        slots: list[int] = []
        for tenant in tenants:
            own = self._wholes.get(tenant, _NO_MONTHS)
            slots += own.values() if len(own) < 2 else (own[month] for month in sorted(own))
        return np.array(slots, dtype=np.int64)

    def tenants_of(self, slots: Int64s) -> Int64s:
        """The number of the tenant of each slot."""
        return self.sums.tenant[slots]

    def of_month(self, tenant: int, month: Month) -> int | None:
        """The slot of a tenant's month, if a message was ever accepted in it."""
        return self._wholes.get(tenant, _NO_MONTHS).get(month)

    def parts(self, whole: int) -> tuple[int, ...]:
        """The slots of a month's contract segments, if its exceedances are judged by them."""
        return self._parts.get(whole, ())

    def months_of(self, tenant: int) -> list[Month]:
        """The months of a tenant that have a slot."""
        return list(self._wholes.get(tenant, ()))

    def governed(self, tenant: int, month: Month) -> Governed:
        """The contract and the active part of a tenant's month."""
        versions = self._versions(tenant)
        if versions:
            known, governed = self._governed.get((tenant, month), ([], None))
            if governed is None or len(known) != len(versions) or any(map(is_not, known, versions)):
                governed = governing(self._name(tenant), versions, month)
                self._governed[tenant, month] = versions, governed
            return governed
        if month not in self._by_default:
            self._by_default[month] = governing("-", (), month)
        return self._by_default[month]

    def locate(self, tenants: Int64s, accepted_us: Int64s) -> Located:
        """Where messages add up, given the number of the tenant and the acceptance of each, µs."""
        return self._stretches.locate(tenants, accepted_us)

    def of_first(self, tenant: int, month: Month) -> int:
        """The slot of a tenant's month, whether a message was ever accepted in it or not."""
        known = self.of_month(tenant, month)
        return self._add_month(tenant, self.governed(tenant, month)) if known is None else known

    def near(self, tenant: int, month: Month) -> tuple[Month, ...]:
        """A local month, and those that may hold some of its instants, the earliest first.

        Where the zone changes, from one contract to another or from or to none, months may
        overlap, or leave a gap.
        """
        if all(one.timezone == self.default_contract.timezone for one in self._versions(tenant)):
            return (month,)
        return (month.previous(), month, month.next())

    def _stretch(self, tenant: int, accepted_us: int) -> tuple[int, int, list[Place]]:
        """The stretch of one instant of acceptance, as `Stretches` wants it."""
        versions = self._versions(tenant)
        month = month_at(in_force(versions), accepted_us)
        near = self.near(tenant, month)
        zone = self.governed(tenant, month).period.zone
        first, end = midnight(month.first, zone), midnight(month.end, zone)
        edges_us, places = {first, end}, list[Place]()
        for each in near:
            governed = self.governed(tenant, each)
            period = governed.period
            edges_us |= {period.start_us, period.end_us}
            if period.holds(accepted_us):
                slot = self.of_first(tenant, each)
                part, some_us, part_limit_us = self._part(slot, accepted_us)
                edges_us |= some_us
                places.append(Place(slot, part, longest_us(governed), part_limit_us))
        if not places:
            limit_us = longest_us(self.governed(tenant, month))
            places.append(Place(NOWHERE, NOWHERE, limit_us, limit_us))
        since_us = max((at for at in edges_us if at <= accepted_us), default=accepted_us)
        until_us = min(at for at in edges_us if at > accepted_us)
        return since_us, until_us, places

    def _alike(self, tenants: Int64s, accepted_us: Int64s) -> Iterator[Alike]:
        """The stretches of tenants who are judged alike by one contract, or by the default one."""
        judged_by: dict[tuple[bytes, ...], list[int]] = {}
        for tenant in distinct(tenants).tolist():
            judged_by.setdefault(self._judged_by(tenant), []).append(tenant)
        for promises, own in judged_by.items():
            if len(promises) <= 1 and len(own) >= _MANY:
                inside = members(tenants, np.array(own))
                yield from self._whole_months(own[0], tenants[inside], accepted_us[inside])

    def _whole_months(self, one: int, tenants: Int64s, accepted_us: Int64s) -> Iterator[Alike]:
        """Those of months that are judged as a whole, of tenants who are judged like one."""
        by_default = not self._versions(one)
        contract = self.default_contract if by_default else self._versions(one)[0]
        numbers = months_of(accepted_us, contract.timezone)
        for number in distinct(numbers).tolist():
            month = Month.of(month_first(number))
            governed = self.governed(one, month)
            is_whole = governed.days == (month.first, month.end)
            if not by_default and not (governed.contract is contract and is_whole):
                continue  # a few at the edges of contracts
            near = (self.governed(one, each) for each in (month.previous(), month.next()))
            if any(each.period.zone != governed.period.zone for each in near):
                continue
            codes = distinct(tenants[numbers == number])
            known = [self.of_month(tenant, month) for tenant in codes.tolist()]
            slots = np.array([NOWHERE if slot is None else slot for slot in known], dtype=np.int64)
            new = codes[slots == NOWHERE].tolist()
            if new:
                own = [governed] * len(new) if by_default else self._governed_like(governed, new)
                slots[slots == NOWHERE] = self._add_months(new, own)
            start_us, end_us = governed.period.start_us, governed.period.end_us
            yield Alike(codes, start_us, end_us, slots, longest_us(governed))

    def _governed_like(self, one: Governed, tenants: Sequence[int]) -> list[Governed]:
        """The same month of tenants who each have one contract, and all the same promises."""
        found = []
        for tenant in tenants:
            versions = self._versions(tenant)
            forces = tuple(replace(force, contract=versions[0]) for force in one.versions)
            governed = Governed(versions[0], one.period, forces)
            self._governed[tenant, one.period.month] = versions, governed
            found.append(governed)
        return found

    def _part(self, whole: int, accepted_us: int) -> tuple[int, set[int], int]:
        """The contract segment of an instant; where all of them begin and end; its limit, µs."""
        found, edges_us = NOWHERE, set[int]()
        limit_us = longest_us(self.slot(whole).governed)
        for number in self._parts.get(whole, ()):
            period = self.slot(number).governed.period
            edges_us |= {period.start_us, period.end_us}
            if period.holds(accepted_us):
                found, limit_us = number, longest_us(self.slot(number).governed)
        return found, edges_us, limit_us

    def _add_month(self, tenant: int, governed: Governed) -> int:
        whole = int(self._add_months([tenant], [governed])[0])
        parts = governed.parts(COUNTED)
        if parts:
            self._parts[whole] = tuple(
                int(self._add_slots([tenant], [part], whole)[0]) for part in parts
            )
        return whole

    def _add_months(self, tenants: Sequence[int], every: Sequence[Governed]) -> Int64s:
        """The slots of a month of some tenants who are judged alike, and have none of it yet."""
        slots, month = self._add_slots(tenants, every, None), every[0].period.month
        for tenant, slot in zip(tenants, slots.tolist(), strict=True):
            self._wholes.setdefault(tenant, {})[month] = slot
        return slots

    def _add_slots(
        self, tenants: Sequence[int], every: Sequence[Governed], whole: int | None
    ) -> Int64s:
        first, count = self.sums.add(len(tenants)), len(tenants)
        self.means.add(count)
        new, numbers = slice(first, first + count), range(first, first + count)
        self.sums.tenant[new] = tenants
        governed = every[0]
        self._slots += [
            Slot(tenant, of.period.month, of, number if whole is None else whole)
            for tenant, of, number in zip(tenants, every, numbers, strict=True)
        ]
        # Until then a message of the month may finish without being an exceedance.
        self.means.final_us[new] = governed.period.end_us + longest_us(governed)
        self.means.heard_until_us[new] = governed.heard_until_us
        self.means.hold_us[new] = governed.contract.profile.feed_hold_s * SECOND
        if whole is None:
            for way, indicator in enumerate(MEANS):
                term = governed.contract.term(indicator)
                judged = term.judged and term.target is not None and term.comparator is not None
                self.means.judged[new, way] = judged
                if judged:
                    self.means.comparator[new, way] = _COMPARATORS[str(term.comparator)]
                    self.means.target_us[new, way] = float(target_us(term))
            if any(_is_judged(governed.contract.term(name)) for name in LARGEST):
                self.judges_largest.update(numbers)
        return np.arange(first, first + count)

    def forget(self, tenant: int) -> list[Month]:
        """Drop the slots of a tenant, because its contract has changed; the months it had."""
        months = self._wholes.pop(tenant, {})
        for whole in months.values():
            for number in (whole, *self._parts.pop(whole, ())):
                self._slots[number] = None
                self.judges_largest.discard(number)
        self._stretches.forget(tenant)
        return list(months)

    def forget_before(self, oldest: Month) -> None:
        """Drop the months before one."""
        for key in [key for key in self._governed if key[1] < oldest]:
            del self._governed[key]
        for tenant, own in self._wholes.items():
            for month in [month for month in own if month < oldest]:
                whole = own.pop(month)
                for number in (whole, *self._parts.pop(whole, ())):
                    self._slots[number] = None
                    self.judges_largest.discard(number)
                self._stretches.forget(tenant)

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
        every = 2 * slots + ways  # places in a table of two columns
        for chosen, prefix in ((counted, ""), (everything, "all_")):
            places, sign, latency = every[chosen], signs[chosen], latency_us[chosen]
            count, sum_us, largest_us = (
                getattr(self.sums, f"{prefix}{name}").reshape(-1)
                for name in ("count", "sum_us", "largest_us")
            )
            np.add.at(count, places, sign)
            np.add.at(sum_us, places, sign * latency)
            rises = sign > 0
            np.maximum.at(largest_us, places[rises], latency[rises])

    def totals(self, slot: int | None, counted: bool) -> Totals:
        """The sums of a slot, of what counts or of everything."""
        if slot is None:
            return Totals((0, 0), (0, 0), (0, 0))
        sums = self.sums
        if counted:
            pairs = sums.count[slot], sums.sum_us[slot], sums.largest_us[slot]
        else:
            pairs = sums.all_count[slot], sums.all_sum_us[slot], sums.all_largest_us[slot]
        count, sum_us, largest_us = (tuple(pair.tolist()) for pair in pairs)
        return Totals(count, sum_us, largest_us)

    def mean_target_us(self, slot: int, way: int) -> Fraction:
        """The exact target of a mean, µs."""
        return target_us(self.slot(slot).governed.contract.term(MEANS[way]))


def target_us(term: Term) -> Fraction:
    """The target of an indicator in seconds as microseconds, exact."""
    return _in_us(term.target or Decimal(0))


@lru_cache(maxsize=4096)
def _in_us(seconds: Decimal) -> Fraction:
    return Fraction(seconds) * SECOND


def longest_us(governed: Governed) -> int:
    """The longest latency that a contract allows, µs."""
    return governed.contract.profile.max_latency_s * SECOND


def _is_judged(term: Term) -> bool:
    return term.judged and term.target is not None
