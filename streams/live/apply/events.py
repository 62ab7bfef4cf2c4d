"""Events applied in the order of the log, with a look wherever one is due on the way.

What is told depends on the order of the records alone: where a deadline lies between two of them
the batch is cut there, whoever fetched how much at a time.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import orjson
import pyarrow as pa

from schemas.identifiers import PLATFORM
from schemas.registry import TYPES
from schemas.topics import MTA
from streams.clauses.facts import Fact
from streams.clauses.registry import Scope
from streams.latency.in_flight import Waiting, without_direction
from streams.latency.messages import LATENCY, Int64s, Rows
from streams.live.apply.cuts import next_cut
from streams.live.apply.invalidation import EXCLUSIONS, changed_since, is_quiet
from streams.live.decode.facts import facts_of
from streams.live.decode.message_rows import message_rows
from streams.live.evaluate.scheduler import SECTIONS_OF_TOPIC, Evaluation
from streams.live.state.platform import encode_fact
from streams.live.state.tenants import Ledger
from streams.runtime.delivery import Outgoing

_WINDOW: Final = 256
"""Rows looked through at a time after one of them had to be looked at by itself."""


@dataclass
class Arrived:
    """What came of events and waits for the next checkpoint: news, and what the state keeps.

    ``names`` are the references of the rows that say a message was accepted, in their order.
    """

    told: list[Outgoing] = field(default_factory=list)
    rows: list[Rows] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    kept: list[bytes] = field(default_factory=list)


class Arrivals:
    """Applies events to the ledger of a task."""

    def __init__(self, ledger: Ledger, evaluation: Evaluation) -> None:
        self._ledger, self._evaluation = ledger, evaluation
        self.arrived = Arrived()

    def take(self) -> Arrived:
        """What came since the last call."""
        arrived, self.arrived = self.arrived, Arrived()
        return arrived

    def settle(self, tenants: Sequence[str], reach_us: int) -> None:
        """Tell what is news of some tenants at this place of the log."""
        self.arrived.told.extend(self._evaluation.settle(tenants, reach_us))

    def advance(self, to_us: int, reach_us: int) -> None:
        """Tell what is due up to an event time, which is reached."""
        soonest = self._evaluation.soonest_us(reach_us)
        if soonest is not None and soonest <= to_us:
            self.arrived.told.extend(self._evaluation.advance(to_us, reach_us))
        begins = self._evaluation.position_us <= 0 < to_us
        self._evaluation.position_us = max(self._evaluation.position_us, to_us)
        if begins:
            # Contracts may have come before the first event: what of them is due is known from now.
            self.settle(self._ledger.names, reach_us)

    def facts(self, events: pa.Table, clocks_us: Int64s, reach_us: int) -> Iterator[Fact]:
        """Apply events of a thin topic one by one; yields those of the platform, not applied.

        Args:
            events: the topic's Arrow table.
            clocks_us: event time reached at each.
            reach_us: event time up to which the platform's events are known.

        """
        for fact, clock_us in zip(facts_of(events), clocks_us.tolist(), strict=True):
            tenant, before_us = fact["tenant_id"], self._evaluation.position_us
            if tenant != PLATFORM and fact["type"] in EXCLUSIONS:
                self.settle((tenant,), reach_us)
            self.advance(clock_us, reach_us)
            yield fact
            if tenant == PLATFORM:
                continue
            self._ledger.observe(fact)
            self.arrived.kept.append(b'{"fact":' + encode_fact(fact) + b"}")
            for sections, instant in self.changes(fact, self._ledger.scope(tenant), (tenant,)):
                self._evaluation.touch(tenant, sections, instant)
            if not self._is_quiet(fact, before_us):
                self.settle((tenant,), reach_us)

    def _is_quiet(self, fact: Fact, before_us: int) -> bool:
        tenant = fact["tenant_id"]
        versions = self._ledger.versions(tenant)
        watched = any("operations.monitoring" in each.overrides for each in versions)
        down_until_us = self._evaluation.down_until_us.get(tenant, 0)
        quiet = is_quiet(fact, before_us, down_until_us, watched)
        return quiet and not self._evaluation.is_new(tenant)

    def changes(
        self, fact: Fact, scope: Scope, tenants: Sequence[str]
    ) -> Iterator[tuple[frozenset[int], int]]:
        """Which sections of some tenants a fact changes, and from which instant on."""
        since = changed_since(fact, scope)
        yield SECTIONS_OF_TOPIC[TYPES[fact["type"]].topic], since
        if fact["type"] in EXCLUSIONS:
            # A message is left out that was accepted before the exclusion and finished in it.
            yield SECTIONS_OF_TOPIC[MTA.name], self._ledger.in_system_since(tenants, since)

    def messages(
        self, events: pa.Table, times_us: Int64s, clocks_us: Int64s, reach_us: int
    ) -> None:
        """Apply events of ``mail.mta``, as many at once as can be.

        Args:
            events: the topic's Arrow table.
            times_us: event time of each.
            clocks_us: event time reached at each.
            reach_us: event time up to which the platform's events are known.

        """
        rows, places, codes = message_rows(events, self._ledger.code)
        first = self._ledger.note_mta(codes, times_us)
        if first:
            self.arrived.kept.append(orjson.dumps({"first": first}))
            self._touch(first)
        sources, ids = events.column("source"), events.column("id")

        def name(place: int) -> str:
            return f"{sources[int(places[place])].as_py()}#{ids[int(places[place])].as_py()}"

        self._evaluation.mail_reach_us = int(clocks_us[-1])
        if self._evaluation.position_us <= 0 and clocks_us[-1] > 0:
            self._advance_to(int(clocks_us[clocks_us > 0][0]), reach_us)
        self._apply(rows, clocks_us[places], name, reach_us)
        self._advance_to(int(clocks_us[-1]), reach_us)

    def _advance_to(self, clock_us: int, reach_us: int) -> None:
        """`advance` to a row, up to whose event time the messages are known."""
        self.advance(clock_us, reach_us)
        self._evaluation.mail_us = max(self._evaluation.mail_us, clock_us)

    def _apply(
        self, rows: Rows, clocks_us: Int64s, name: Callable[[int], str], reach_us: int
    ) -> None:
        at, window = 0, len(rows)
        alone = sorted({*self._strangers(rows, clocks_us), *self._largest(rows)})
        while at < len(rows):
            soonest = self._evaluation.soonest_us(reach_us)
            if soonest is not None and soonest <= clocks_us[at]:
                self._advance_to(int(clocks_us[at]), reach_us)
            stop = next((place for place in alone if place >= at), len(rows))
            end = min(at + window, max(stop, at + 1), self._quiet_until(clocks_us, reach_us))
            cut = next_cut(
                rows[at:end],
                clocks_us[at:end],
                self._ledger.in_flight,
                self._ledger.limits,
                self._is_lost,
            )
            turn, count = cut.turn or stop == at, cut.rows
            window = _WINDOW if turn else 2 * window
            met = self._met(rows[at : at + 1]) if turn else []
            self._settle_at(met, int(clocks_us[at]), reach_us)
            self._advance_to(int(clocks_us[at + count - 1]), reach_us)
            start = at
            met += self._admit(
                rows[at : at + count],
                clocks_us[at : at + count],
                lambda place, start=start: name(start + place),  # type: ignore[misc]
                cut.counted,
            )
            if turn:
                self._settle_at(met, int(clocks_us[at]), reach_us)
            at += count

    def _settle_at(self, tenants: Sequence[str], clock_us: int, reach_us: int) -> None:
        """`settle` at a row, up to whose event time the messages are known."""
        self._evaluation.mail_reach_us, end_us = clock_us, self._evaluation.mail_reach_us
        self.settle(tenants, reach_us)
        self._evaluation.mail_reach_us = end_us

    def _admit(
        self, rows: Rows, clocks_us: Int64s, name: Callable[[int], str], counted: Sequence[int]
    ) -> list[str]:
        """Apply rows with nothing to look at in between; the tenants they changed."""
        admission = self._ledger.admit(rows, name, clocks_us, counted)
        if len(admission.news):
            self.arrived.rows.append(admission.news)
            self.arrived.names.extend(admission.names)
        if len(admission.opened):
            self._expect(admission.opened)
        self._evaluation.urgent.update(self._ledger.names[code] for code in admission.slow)
        return self._touch(earliest(np.concatenate([admission.news, admission.gone])))

    def _expect(self, opened: Rows) -> None:
        """Look at each tenant again when the first of its messages has been in flight for long."""
        stuck_us, _ = self._ledger.limits(opened["series"], opened["accepted_us"])
        stuck_us += opened["accepted_us"]
        order = np.argsort(stuck_us, kind="stable")
        codes, first = np.unique(opened["series"][order] // 2, return_index=True)
        for code, place in zip(codes.tolist(), order[first].tolist(), strict=True):
            accepted_us = int(opened["accepted_us"][place])
            self._evaluation.expect(self._ledger.names[code], accepted_us, int(stuck_us[place]))

    def _touch(self, since: Sequence[tuple[int, int]]) -> list[str]:
        tenants = []
        for code, instant_us in since:
            tenants.append(self._ledger.names[code])
            self._evaluation.touch(tenants[-1], SECTIONS_OF_TOPIC[MTA.name], instant_us)
        return tenants

    def _quiet_until(self, clocks_us: Int64s, reach_us: int) -> int:
        """The place of the first row beyond an instant at which something is due."""
        soonest = self._evaluation.soonest_us(reach_us)
        return len(clocks_us) if soonest is None else int(np.searchsorted(clocks_us, soonest))

    def _strangers(self, rows: Rows, clocks_us: Int64s) -> list[int]:
        """Where tenants are first met for whom something of the platform may be due."""
        codes, first = np.unique(rows["series"] // 2, return_index=True)
        names = self._ledger.names
        found = [
            place
            for code, place in zip(codes.tolist(), first.tolist(), strict=True)
            if self._evaluation.is_new(names[code])
        ]
        if self._ledger.platform.since_us is not None:
            return sorted(found)
        for place in found:
            tenant = names[int(rows["series"][place]) // 2]
            self._evaluation.meet(tenant, int(clocks_us[place]))
        return []

    def _largest(self, rows: Rows) -> list[int]:
        """Where a message may change the state of a largest latency that is judged."""
        found: list[int] = []
        codes = rows["series"] // 2
        for code in np.unique(codes).tolist():
            least_us = self._ledger.limits_of(code).largest_us
            if least_us is None:
                continue
            places = np.flatnonzero((codes == code) & (rows["kind"] == LATENCY))
            own, keys = rows[places], without_direction(rows[places])
            slow = own["finished_us"] - own["accepted_us"] >= least_us
            # Word of an earlier finish may take the largest latency away.
            _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
            again = self._ledger.in_flight.is_finished(keys) | (counts[inverse] > 1)
            found += places[slow | again].tolist()
        return found

    def _met(self, row: Rows) -> list[str]:
        """The tenants that a row may concern: its own, and whose message it finishes."""
        codes = {int(row["series"][0]) // 2}
        codes |= {series // 2 for _, series, _ in self._ledger.in_flight.waiting_for(row)}
        return [self._ledger.names[code] for code in sorted(codes)]

    def _is_lost(self, series: int, waiting: Waiting) -> bool:
        tenant = self._ledger.names[series // 2]
        broken = self._evaluation.is_broken(tenant, "latency.exceedances", waiting.accepted_us)
        return broken and not waiting.liable and not self._ledger.excuses(tenant)


def earliest(rows: Rows) -> list[tuple[int, int]]:
    """Tenant code and earliest acceptance of the rows of each tenant."""
    if len(rows) == 0:
        return []
    distinct, inverse = np.unique(rows["series"] // 2, return_inverse=True)
    first = np.full(len(distinct), np.iinfo(np.int64).max)
    np.minimum.at(first, inverse, rows["accepted_us"])
    return list(zip(distinct.tolist(), first.tolist(), strict=True))
