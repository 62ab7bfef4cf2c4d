"""Present states of section 2, made of columns: most tenants with news have it of their mail."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np

from mailsla.schemas.contract import Term
from mailsla.schemas.results import State
from mailsla.streams.clauses.sections.latency import INDICATORS
from mailsla.streams.latency.sorted_sets import Int64s
from mailsla.streams.live.evaluate.assessment import Assessment
from mailsla.streams.live.evaluate.latency.figures import NANOS, Figures
from mailsla.streams.live.evaluate.latency.transitions import LatencyEvaluation
from mailsla.streams.live.evaluate.states import IndicatorStates, state_of
from mailsla.streams.live.publish.latency_news import LatencyNews
from mailsla.streams.live.publish.statuses import Found, StatusRecords, StatusWording
from mailsla.streams.live.state.tenants import Tenants
from mailsla.streams.runtime.checkpoint.writer import Outgoing
from mailsla.streams.time.calendar import Month

_COUNTED: Final = 2
"""The number of the exceedances; before it come the means, behind it the largest latencies."""
_MOST_PROMISES: Final = 10_000


_Stand = tuple[StatusWording, State, float | None]
"""How an indicator stands: its wording, state and value."""


class _Promise(NamedTuple):
    """An indicator of a month of all tenants who are judged alike.

    ``states`` are those of numbers of exceedances met so far: most tenants have none.
    """

    term: Term
    wording: StatusWording
    states: dict[tuple[int, int, int, bool], State]


class LatencyStatuses:
    """Those of a task.

    Args:
        tenants: of the task.
        latency: how section 2 stands.
        states: the states of indicators.
        statuses: makes the records.

    """

    def __init__(
        self,
        tenants: Tenants,
        latency: LatencyEvaluation,
        states: IndicatorStates,
        statuses: StatusRecords,
    ) -> None:
        self._months, self._names = tenants.latency.months, tenants.names
        self._latency, self._states, self._statuses = latency, states, statuses
        self.news = LatencyNews(tenants)
        self._alike = tenants.alike
        self._promises: dict[tuple[tuple[bytes, ...], Month], tuple[_Promise, ...]] = {}
        self._told: set[int] = set()
        """Tenants, months and directions of which a former life may have told a value."""

    def resume(self) -> None:
        """A state is restored: whatever has data of it may have been told of."""
        slots = np.array(self._months.wholes(), dtype=np.int64)
        places, ways = np.nonzero(self._months.sums.all_count[slots])
        for slot, way in zip(slots[places].tolist(), ways.tolist(), strict=True):
            of = self._months.slot(slot)
            self._told.add(_key(of.tenant, of.month, way))

    def may_have_told(self, tenant: int, months: Iterable[Month]) -> None:
        """A former life may have told of a tenant's months what they have no data of any more."""
        self._told.update(_key(tenant, month, way) for month in months for way in (0, 1))

    def records(self, slots: Int64s, now_us: int) -> list[Outgoing]:
        """What is news of some months.

        Args:
            slots: of whole months, those of a tenant month after month.
            now_us: event time reached.

        """
        news = self.news.take(slots, self._latency.known_us)
        some = news.any(axis=1)
        slots = slots[some]
        tenants = self._months.tenants_of(slots).tolist()
        figures, records = self._latency.figures(slots), list[Outgoing]()
        for slot, row, of, code in zip(
            slots.tolist(), news[some].tolist(), figures, tenants, strict=True
        ):
            tenant = self._names[code]
            if row[_COUNTED] and self._months.parts(slot):
                row[_COUNTED] = False
                if (record := self._by_parts(slot, of, now_us)) is not None:
                    records.append(record)
            records += self._statuses.of(tenant, self._found(tenant, slot, row, of), now_us)
        return records

    def emptied(
        self, tenants: Iterable[int], month: Month, now_us: int, always: bool = True
    ) -> Iterator[Outgoing]:
        """The records of a month without a message: who is judged alike stands alike.

        Args:
            tenants: whose, by number.
            month: which.
            now_us: event time reached.
            always: also of what was never told.

        """
        alike: dict[tuple[tuple[bytes, ...], bool], list[_Stand]] = {}
        for code in tenants:
            key = self._alike(code), self._latency.has_spoken(code, month)
            if key not in alike:
                alike[key] = [self._stand_of(one) for one in self._latency.assess(code, month)]
            name = self._names[code]
            found = [
                (wording, state, observed, self._states.sequence((name, *wording.key)), always)
                for wording, state, observed in alike[key]
            ]
            yield from self._statuses.of(name, found, now_us)

    def _stand_of(self, found: Assessment) -> _Stand:
        measure, observed = found.measure, found.measure.observed
        wording = StatusWording.of(measure.indicator, found.governed, found.term, found.month.label)
        state = state_of(found, self._latency.is_over(found))
        return wording, state, None if observed is None else float(observed)

    def _by_parts(self, slot: int, of: Figures, now_us: int) -> Outgoing | None:
        """What is judged by the segments of a contract: such months are few."""
        one = self._latency.present(slot, _COUNTED)
        key = one.tenant_id, one.measure.indicator, one.month.label
        sequence, state = self._states.sequence(key), state_of(one, of.final)
        return self._statuses.record(one.tenant_id, one, state, sequence, now_us)

    def _found(self, tenant: str, slot: int, row: list[bool], of: Figures) -> list[Found]:
        """How those indicators of a month stand that ``row`` says are news."""
        promises = self._promises_of(slot)
        turned, found = self._states.knows(tenant), []
        for number, promise in enumerate(promises):
            if not row[number]:
                continue
            numerator, denominator = of.numerators[number], of.denominators[number]
            state = self._state(promise, slot, number, of)
            # Cut to nine decimals, as the value of a measure is.
            observed = numerator * NANOS // denominator / NANOS if denominator else None
            says = denominator > 0 or state != "ok" or of.excluded[number] > 0
            says = says or self._may_be_told(slot, number)
            sequence = self._states.sequence((tenant, *promise.wording.key)) if turned else 0
            found.append((promise.wording, state, observed, sequence, says))
        return found

    def _may_be_told(self, slot: int, number: int) -> bool:
        """Whether a former life may have told a value of an indicator."""
        if not self._told or number == _COUNTED:  # exceedances always have one
            return False
        of = self._months.slot(slot)
        return _key(of.tenant, of.month, number % (_COUNTED + 1)) in self._told

    def _state(self, promise: _Promise, slot: int, number: int, of: Figures) -> State:
        if number < _COUNTED:
            if not of.missed[number]:
                return "ok"
            return "breached" if of.final else "failing"
        if not promise.term.judged:
            return "ok"
        key = of.numerators[number], of.denominators[number], of.impending, of.final
        if number != _COUNTED or key not in promise.states:
            state = state_of(self._latency.present(slot, number), of.final)
            if number != _COUNTED or len(promise.states) >= _MOST_PROMISES:
                return state
            promise.states[key] = state
        return promise.states[key]

    def _promises_of(self, slot: int) -> tuple[_Promise, ...]:
        of = self._months.slot(slot)
        key = self._alike(of.tenant), of.month
        known = self._promises.get(key)
        if known is None:
            if len(self._promises) >= _MOST_PROMISES:
                self._promises.clear()
            found = []
            for indicator in INDICATORS:
                term = of.governed.contract.term(indicator)
                wording = StatusWording.of(indicator, of.governed, term, of.month.label)
                found.append(_Promise(term, wording, {}))
            known = self._promises[key] = tuple(found)
        return known


def _key(tenant: int, month: Month, way: int) -> int:
    """A direction of a tenant's month, whichever slot it has: a number takes little room."""
    return (tenant << 20) + (month.year << 5) + (month.number << 1) + way
