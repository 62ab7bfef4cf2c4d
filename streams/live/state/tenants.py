"""What one task knows of each of its tenants, measured and judged as the month runs.

Pure: events and contracts go in, the present state of every indicator comes out. What changed is
told once; the same facts give the same states, however they were cut into batches.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from schemas.calendars import Calendars
from schemas.contract import DEFAULT_TIMEZONE, Contract, Profile, Term, default_contract
from schemas.indicators import INDICATORS
from streams.clauses.base import Measure
from streams.clauses.contracts import Days, Governed, governing, in_force
from streams.clauses.exclusions import LATENCY, Exclusions
from streams.clauses.facts import Fact
from streams.clauses.limits import LatencyLimits
from streams.clauses.parts import Judged
from streams.clauses.registry import Context, Scope
from streams.clauses.registry import measure as measure_sections
from streams.latency.in_flight import InFlight
from streams.latency.messages import ACCEPTED, Admitted, Int64s, Mask, Rows
from streams.latency.messages import LATENCY as LATENCY_ROW
from streams.latency.slow_messages import Exceeding
from streams.live.apply.invalidation import EXCLUSIONS
from streams.live.evaluate.assessment import Finding, found
from streams.live.evaluate.latency_measure import latency_measures
from streams.live.state.platform import Platform
from streams.windows.calendar import Month
from streams.windows.latency import LatencyWindows, Terms
from streams.windows.margins import Margins
from streams.windows.months import month_date, months_of
from streams.windows.steps import StepLog, steps_of

_SECOND = 1_000_000
_DEFAULT_TERMS: Final = {name: default_contract("-").term(name) for name in INDICATORS}


@dataclass(frozen=True, slots=True)
class Admission:
    """What a batch of messages changed.

    ``news`` are rows that said something new, ``names`` the references of those among them that
    are ``opened``, now in flight; ``gone`` is what they took the place of: an event of the same
    message that no longer counts, or the message's wait in flight. ``slow`` are the numbers of
    tenants of whose messages one took longer than some contract allows, or does so no more.
    """

    news: Rows
    names: tuple[str, ...]
    gone: Rows
    opened: Rows
    slow: frozenset[int]


class Ledger:
    """The tenants of a task: own facts, contracts, messages."""

    def __init__(self, platform: Platform, lateness_us: int) -> None:
        self.platform = platform
        self.calendars = Calendars()
        """Working days by the names that contracts give."""
        self.names: list[str] = []
        self.latency = LatencyWindows(self._terms, self._excluded, lateness_us)
        self.in_flight = InFlight(self.latency.store)
        self.exceeding = Exceeding()
        self.margins = Margins()
        self.steps = StepLog()
        """What changed of section 2, message by message, since each tenant was looked at."""
        self._codes: dict[str, int] = {}
        self._scopes: dict[str, Scope] = {}
        self._contracts: dict[str, dict[int, Contract]] = {}
        self._newest: dict[str, Contract] = {}
        self._limits: dict[int, LatencyLimits] = {}
        self._first_mta_us: dict[int, int] = {}
        self._least_limit_us = Profile().max_latency_s * _SECOND
        """The shortest of all tenants' maximum latencies."""
        self._excused: set[int] = set()
        """Tenants with exclusions of their own."""

    def code(self, tenant: str) -> int:
        """The number of a tenant; a new tenant gets the next one."""
        known = self._codes.get(tenant)
        if known is None:
            known = self._codes[tenant] = len(self.names)
            self.names.append(tenant)
        return known

    def observe(self, fact: Fact) -> None:
        """Take a fact of a tenant."""
        tenant = fact["tenant_id"]
        self.code(tenant)
        self.scope(tenant).observe(fact)
        if fact["type"] in EXCLUSIONS:
            self._excused.add(self.code(tenant))
            self.recount([tenant])

    def admit(
        self, rows: Rows, name: Callable[[int], str], clocks_us: Int64s, counted: Sequence[int] = ()
    ) -> Admission:
        """Take rows of messages of any kind.

        Args:
            rows: in log order.
            name: the reference of a row's event, by its place.
            clocks_us: event time reached at each row.
            counted: places of rows that finish what was an exceedance in flight already.

        """
        latencies = np.flatnonzero(rows["kind"] == LATENCY_ROW)
        admitted = self.latency.admit(rows[latencies])
        slow = self._name_exceeding(admitted, lambda place: name(int(latencies[place])))
        steps, places = steps_of(rows, clocks_us, admitted, self.latency.left_out)
        if len(counted):
            steps["fresh"] = ~np.isin(places, counted)
        self.steps.add(steps, len(rows))
        self.margins.add(steps)
        others, names, ended = self.in_flight.observe(rows, name)
        return Admission(
            np.concatenate([admitted.added, others]),
            tuple(names),
            np.concatenate([admitted.replaced, ended]),
            others[others["kind"] == ACCEPTED],
            slow,
        )

    def _name_exceeding(self, admitted: Admitted, name: Callable[[int], str]) -> frozenset[int]:
        """Remember the references of messages over the limit; the tenants with slow ones."""
        self.exceeding.drop(admitted.replaced["key"])
        added, slow = admitted.added, self._slow(admitted.added)
        if len(slow):
            _, limits_us = self.limits(added["series"][slow], added["accepted_us"][slow])
            places = admitted.places[slow]
            self.exceeding.note(added[slow], limits_us, lambda place: name(int(places[place])))
        gone = admitted.replaced[self._slow(admitted.replaced)]
        return frozenset((np.append(added["series"][slow], gone["series"]) // 2).tolist())

    def _slow(self, rows: Rows) -> Int64s:
        """The places of rows whose messages took longer than the shortest maximum."""
        places: Int64s = np.flatnonzero(
            rows["finished_us"] - rows["accepted_us"] > self._least_limit_us
        )
        return places

    def restore(self, rows: Rows, names: Sequence[str]) -> None:
        """Take up rows that a former life kept, and the references of those in flight."""
        admitted = self.latency.admit(rows[rows["kind"] == LATENCY_ROW])
        self.exceeding.drop(admitted.replaced["key"])
        accepted = np.cumsum(rows["kind"] == ACCEPTED) - 1
        self.in_flight.observe(rows, lambda place: names[int(accepted[place])])

    def limits(self, series: Int64s, accepted_us: Int64s) -> tuple[Int64s, Int64s]:
        """From which age on messages in flight are at risk, and exceedances, µs.

        Args:
            series: theirs.
            accepted_us: when each was accepted.

        """
        codes, inverse = np.unique(series // 2, return_inverse=True)
        each = [self.limits_of(code) for code in codes.tolist()]
        stuck, longest = np.array([one.first for one in each], dtype=np.int64)[inverse].T
        changing = [place for place, one in enumerate(each) if not one.constant]
        if changing:
            order = np.argsort(inverse, kind="stable")
            ends = np.cumsum(np.bincount(inverse))
            for place in changing:
                own = order[ends[place - 1] if place else 0 : ends[place]]
                stuck[own], longest[own] = each[place].at(accepted_us[own])
        return stuck, longest

    def limits_of(self, code: int) -> LatencyLimits:
        """The ages that matter to the messages of a tenant, by its number."""
        known = self._limits.get(code)
        if known is None:
            tenant = self.names[code]
            known = self._limits[code] = LatencyLimits(tenant, self.versions(tenant))
        return known

    def excuses(self, tenant: str) -> bool:
        """Whether there is any exclusion that concerns a tenant."""
        return bool(self.exclusions(tenant).declarations)

    def note_mta(self, codes: np.ndarray, times_us: np.ndarray) -> list[tuple[int, int]]:
        """Remember the earliest event time of ``mail.mta`` of each tenant; what is new of it."""
        distinct, inverse = np.unique(codes, return_inverse=True)
        first = np.full(len(distinct), np.iinfo(np.int64).max)
        np.minimum.at(first, inverse, times_us)
        news = []
        for code, time_us in zip(distinct.tolist(), first.tolist(), strict=True):
            if time_us < self._first_mta_us.get(code, time_us + 1):
                self._first_mta_us[code] = time_us
                news.append((code, time_us))
        return news

    def agree(self, contract: Contract) -> None:
        """Take a version of a tenant's contract; a version published again replaces itself."""
        self.code(contract.tenant_id)
        self._contracts.setdefault(contract.tenant_id, {})[contract.version] = contract
        self._newest.pop(contract.tenant_id, None)
        self._limits.pop(self.code(contract.tenant_id), None)
        limit_us = contract.profile.max_latency_s * _SECOND
        self._least_limit_us = min(self._least_limit_us, limit_us)
        self.recount([contract.tenant_id])

    def recount(self, tenants: Sequence[str]) -> None:
        """Count the messages of tenants again, after an exclusion or a contract changed."""
        series = [2 * self._codes[t] + way for t in tenants if t in self._codes for way in (0, 1)]
        if series and len(self.latency.store):
            self.latency.recount_series(series)

    def in_system_since(self, tenants: Collection[str], instant_us: int) -> int:
        """When the oldest message of some tenants was accepted that was there at an instant."""
        codes = np.array([self._codes[each] for each in tenants], dtype=np.int64)
        rows = self.latency.store.rows
        there = (rows["accepted_us"] < instant_us) & (rows["finished_us"] >= instant_us)
        accepted = rows["accepted_us"][there & np.isin(rows["series"] // 2, codes)]
        waiting = (
            each.accepted_us
            for code in codes.tolist()
            for way in (0, 1)
            for each in self.in_flight.of(2 * code + way)
        )
        earliest: int = min((instant_us, *accepted.tolist(), *waiting))
        return earliest

    def versions(self, tenant: str) -> list[Contract]:
        """The versions of a tenant's contract."""
        return list(self._contracts.get(tenant, {}).values())

    def first_us(self, tenant: str) -> int | None:
        """Time of a tenant's earliest event."""
        firsts = (self.scope(tenant).first_us, self._first_mta_us.get(self.code(tenant)))
        return min((first for first in firsts if first is not None), default=None)

    def findings(
        self, tenant: str, month: Month, now_us: int, sections: Collection[int]
    ) -> Iterator[Finding]:
        """The indicators of some sections of a tenant-month as known at ``now_us``."""
        context = self.context(tenant, month, now_us)
        judged = self._judged(context, tenant, sections)
        parts = self._parts(context, tenant, judged)
        for name, whole in judged.items():
            yield found(tenant, month, whole, parts.get(name, ()))

    def _judged(
        self, context: Context, tenant: str, sections: Collection[int]
    ) -> dict[str, Judged]:
        """The indicators of some sections of a month or a part of it, in order."""
        found = {}
        for measure in self._measures(context, tenant, sections):
            term = self.term(context.contract, measure.indicator)
            found[measure.indicator] = Judged.of(context.governed, measure, term)
        return found

    def _parts(
        self, context: Context, tenant: str, wholes: Mapping[str, Judged]
    ) -> dict[str, tuple[Judged, ...]]:
        """The parts of the indicators whose promise changes within the month."""
        cut = {name: parts for name in wholes if (parts := context.governed.parts(name))}
        sections: dict[Days, set[int]] = {}
        part_of = {part.days: part for parts in cut.values() for part in parts}
        for name, parts in cut.items():
            for part in parts:
                sections.setdefault(part.days, set()).add(wholes[name].term.section)
        judged = {
            days: self._judged(replace(context, governed=part), tenant, sections[days])
            for days, part in part_of.items()
        }
        return {name: tuple(judged[part.days][name] for part in cut[name]) for name in cut}

    def term(self, contract: Contract, indicator: str) -> Term:
        """The promise of an indicator under a contract."""
        if contract.version == 0 and not contract.overrides:
            return _DEFAULT_TERMS[indicator]
        return contract.term(indicator)

    def context(self, tenant: str, month: Month, now_us: int) -> Context:
        """What a tenant-month is measured from."""
        governed = governing(tenant, self.versions(tenant), month)
        return Context(
            self.scope(tenant),
            self.platform.scope,
            governed,
            now_us,
            self.platform.register,
            self.calendars,
        )

    def exclusions(self, tenant: str) -> Exclusions:
        """The exclusions that concern a tenant."""
        own = self.scope(tenant).ops.exclusions
        return Exclusions.of((own, self.platform.scope.ops.exclusions))

    def _measures(
        self, context: Context, tenant: str, sections: Collection[int]
    ) -> Iterator[Measure]:
        others = [section for section in sections if section != LATENCY]
        yield from measure_sections(context, others) if others else ()
        if LATENCY in sections:
            code = self.code(tenant)
            yield from latency_measures(
                self.latency,
                self.in_flight,
                self.exceeding,
                code,
                context,
                self._first_mta_us.get(code),
                self._is_window(tenant, context.governed),
            )

    def _is_window(self, tenant: str, governed: Governed) -> bool:
        """Whether what is judged of a month is exactly what its month window adds up."""
        period, judging = governed.period, governed.contract
        newest = self._windows_contract(tenant)
        whole = (period.first, period.end) == (period.month.first, period.month.end)
        return whole and (
            newest is judging
            or (
                newest.timezone == judging.timezone
                and newest.reading(LATENCY) == judging.reading(LATENCY)
            )
        )

    def scope(self, tenant: str) -> Scope:
        """The facts of a tenant."""
        known = self._scopes.get(tenant)
        if known is None:
            known = self._scopes[tenant] = Scope(tenant)
        return known

    def _terms(self, series: int) -> Terms:
        contract = self._windows_contract(self.names[series // 2])
        return Terms(contract.timezone, contract.profile.max_latency_s * _SECOND)

    def _windows_contract(self, tenant: str) -> Contract:
        """The contract by which the windows of a tenant are cut and counted: its newest."""
        known = self._newest.get(tenant)
        if known is None:
            forces = in_force(self.versions(tenant))
            contract = forces[-1].contract if forces else default_contract(tenant)
            known = self._newest[tenant] = contract
        return known

    def _excluded(self, rows: Rows) -> Mask:
        """Which messages an exclusion in force leaves out."""
        mask: Mask = np.zeros(len(rows), dtype=np.bool_)
        shared = any(True for _ in self.platform.scope.ops.exclusions.in_force())
        if not shared and not self._excused:
            return mask
        tenants = rows["series"] // 2
        for code in np.unique(tenants).tolist():
            own = self._scopes.get(self.names[code])
            if not shared and (own is None or not any(True for _ in own.ops.exclusions.in_force())):
                continue
            tenant = self.names[code]
            contract = self._windows_contract(tenant)
            inside = tenants == code
            for each in self.exclusions(tenant).declarations:
                if each.applies(LATENCY, contract.profile):
                    mask |= (
                        inside
                        & (rows["accepted_us"] < each.ends_us)
                        & (rows["finished_us"] >= each.starts_us)
                    )
        return mask


def month_of(instant_us: int) -> Month:
    """The local month of an instant in the default time zone."""
    number = int(months_of(np.array([instant_us]), DEFAULT_TIMEZONE)[0])
    return Month.of(month_date(number))
