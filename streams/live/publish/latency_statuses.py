"""Present states of section 2, made of columns: most tenants with news have it of their mail."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from mailsla.schemas.contract import Term
from mailsla.schemas.results import State
from mailsla.streams.clauses.model.contracts import Governed
from mailsla.streams.clauses.sections.latency import INDICATORS
from mailsla.streams.latency.row_index import Int64s
from mailsla.streams.live.evaluate.latency.figures import NANOS, Figures
from mailsla.streams.live.evaluate.latency.transitions import LatencyEvaluation
from mailsla.streams.live.evaluate.states import IndicatorStates, state_of
from mailsla.streams.live.publish.latency_news import LatencyNews
from mailsla.streams.live.publish.statuses import StatusRecords, StatusWording
from mailsla.streams.live.state.tenants import Tenants
from mailsla.streams.runtime.checkpoint.writer import Outgoing
from mailsla.streams.time.calendar import Month

_COUNTED: Final = 2
"""The number of the exceedances; before it come the means, behind it the largest latencies."""
_MOST_PROMISES: Final = 10_000


class _Promise(NamedTuple):
    """An indicator of months that are governed by one contract.

    ``governed`` is held so that its identity stays its own; ``states`` are those of numbers of
    exceedances met so far: most tenants have none.
    """

    governed: Governed
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
        self._promises: dict[tuple[int, int], _Promise] = {}

    def stand(self, slots: Int64s) -> dict[int, tuple[list[int], Figures]]:
        """Slot of a whole month → the indicators, by number, that have news; how they stand."""
        found = self.news.take(slots, self._latency.known_us)
        figures = self._latency.figures(slots)
        return {
            slot: ([number for number, is_news in enumerate(row) if is_news], of)
            for slot, row, of in zip(slots.tolist(), found.tolist(), figures, strict=True)
        }

    def records(
        self, slot: int, news: tuple[list[int], Figures], now_us: int
    ) -> Iterator[Outgoing]:
        """The records of a month, as `stand` gave it.

        Args:
            slot: of the month.
            news: what of it is to be published.
            now_us: event time reached.

        """
        numbers, of = news
        tenant = self._names[self._months.sums.tenant[slot]]
        for number in numbers:
            if number == _COUNTED and self._months.parts(slot):
                record = self._record(slot, number, of, now_us)
            else:
                record = self._written(tenant, slot, number, of, now_us)
            if record is not None:
                yield record

    def emptied(self, code: int, month: Month, now_us: int) -> Iterator[Outgoing]:
        """The records of a month that has no message any more."""
        name = self._names[code]
        for one in self._latency.assess(code, month):
            state = state_of(one, self._latency.is_over(one))
            sequence = self._states.sequence((name, one.measure.indicator, month.label))
            record = self._statuses.record(name, one, state, sequence, now_us, emptied=True)
            if record is not None:
                yield record

    def _record(self, slot: int, number: int, of: Figures, now_us: int) -> Outgoing | None:
        """What is judged by the segments of a contract: such months are few."""
        one = self._latency.present(slot, number)
        key = one.tenant_id, one.measure.indicator, one.month.label
        sequence, state = self._states.sequence(key), state_of(one, of.final)
        return self._statuses.record(one.tenant_id, one, state, sequence, now_us)

    def _written(
        self, tenant: str, slot: int, number: int, of: Figures, now_us: int
    ) -> Outgoing | None:
        numerator, denominator = of.numerators[number], of.denominators[number]
        promise = self._promise(slot, number)
        state = self._state(promise, slot, number, of)
        # Cut to nine decimals, as the value of a measure is.
        observed = numerator * NANOS // denominator / NANOS if denominator else None
        says = observed is not None or state != "ok" or bool(of.excluded[number])
        sequence = self._states.sequence((tenant, *promise.wording.key))
        return self._statuses.written(
            tenant, promise.wording, state, observed, sequence, now_us, says
        )

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

    def _promise(self, slot: int, number: int) -> _Promise:
        of = self._months.slot(slot)
        key = id(of.governed), number
        known = self._promises.get(key)
        if known is None:
            if len(self._promises) >= _MOST_PROMISES:
                self._promises.clear()
            term = of.governed.contract.term(INDICATORS[number])
            wording = StatusWording.of(INDICATORS[number], of.governed, term, of.month.label)
            known = self._promises[key] = _Promise(of.governed, term, wording, {})
        return known
