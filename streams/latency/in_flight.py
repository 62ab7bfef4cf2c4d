"""Messages accepted and not finished yet, in columns (contract section 2).

The finish may be heard of before the acceptance, so finished messages are remembered too.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from mailsla.streams.latency.flights import (
    AT_RISK,
    FLIGHT,
    NO_END,
    OVER,
    SHARED,
    YOUNG,
    Aging,
    FinishedHere,
    Flights,
    FlightStretches,
    Limits,
    as_rows,
    first_of_each,
    in_order,
    join,
    set_ages,
    without_direction,
)
from mailsla.streams.latency.keyhash import turned
from mailsla.streams.latency.messages import ACCEPTED, ENDED, MessageStore, Rows, tenant_of
from mailsla.streams.latency.row_index import (
    Int64s,
    KeySet,
    Mask,
    RowIndex,
    UInt64s,
    dense,
    running_least,
)
from mailsla.streams.latency.sorted_sets import are_distinct, firsts_of
from mailsla.streams.latency.sources import Watermarks
from mailsla.streams.latency.tables import chosen, put
from mailsla.streams.time.intervals import BEFORE_ALL


class InFlight:
    """What every series of a task has in flight.

    ``finished`` is the store of messages that have a latency; those that ended without one are
    kept here. Keys are without direction.
    """

    def __init__(self, finished: MessageStore, limits: Limits) -> None:
        self._finished, self._limits = finished, limits
        self._ended = KeySet()
        self._start_over(np.empty(0, dtype=FLIGHT), [])
        nothing = FlightStretches(
            self._flights[:0], *(np.empty(0, dtype=np.int64) for _ in range(3))
        )
        self.finished_here = FinishedHere(nothing, nothing, (), str)

    def __len__(self) -> int:
        return int(np.count_nonzero(self._alive[: self._count]))

    @property
    def flights(self) -> Flights:
        """Every message in flight, a copy."""
        return chosen(self._flights[: self._count], self._alive[: self._count])

    def apply(
        self,
        rows: Rows,
        places: Int64s,
        count: int,
        marks: Mapping[int, Watermarks],
        name: Callable[[int], str],
    ) -> tuple[list[Aging], Rows]:
        """Take a batch's rows of every kind, before the store takes those with a latency.

        Args:
            rows: a batch in log order.
            places: at which record of the batch each row is.
            count: how many records the batch has.
            marks: how far each source is known, record by record.
            name: the reference of the event of a record.

        Returns:
            What aged or ended, in log order, and the rows of kind `ENDED` that are news.

        """
        keys = without_direction(rows)
        # 1. Where the batch finishes each message first.
        ends = np.flatnonzero(rows["kind"] != ACCEPTED)
        end_keys, first = firsts_of(keys[ends])
        end_places = places[ends[first]]
        # 2. What is in flight at some record: held ones that end here, and those that begin here.
        held = self._held(end_keys, end_places)
        waiting = rows["kind"] == ACCEPTED
        begun = self._begun(chosen(rows, waiting), places[waiting], (end_keys, end_places), count)
        held, begun = self._best(held, begun)
        # 3. What comes to an age that matters while it is in flight.
        ripe = self._ripe(marks, held.slots, count)
        agings: list[Aging] = []
        for some in (held, ripe, begun):
            agings += self._age(some, marks, count, name)
        agings.sort(key=in_order)
        self.finished_here = FinishedHere(held, begun, self._references, name)
        # 4. Who is left.
        self._alive[held.slots] = False
        left = begun.ends == count
        begins = begun.begins[left].tolist()
        self._append(chosen(begun.flights, left), [name(place) for place in begins])
        ended = chosen(rows, rows["kind"] == ENDED)
        ended = chosen(ended, ~self._ended.has(without_direction(ended)))
        self._ended.add(without_direction(ended))
        return agings, ended

    def take_out(self, source: int, event: int) -> tuple[list[Aging], Rows]:
        """Forget the flight that an event began, if there is one: what ends, and its row."""
        flights = self._flights[: self._count]
        same = (flights["event"] == event) & (flights["source"] == source)
        slots = np.flatnonzero(same & self._alive[: self._count])
        self._alive[slots] = False
        gone = zip(flights[slots], slots.tolist(), strict=True)
        ended = [Aging(0, one, self._references[at], int(one["age"]), None) for one, at in gone]
        return ended, as_rows(flights[slots])

    def _held(self, end_keys: UInt64s, end_places: Int64s) -> FlightStretches:
        """The flights of the table that the batch finishes."""
        slots = self._index.find(end_keys, self._alive)
        found = slots >= 0
        slots = slots[found]
        begins = np.full(len(slots), -1, dtype=np.int64)
        return FlightStretches(chosen(self._flights, slots), begins, end_places[found], slots)

    def _begun(
        self, accepted: Rows, places: Int64s, finishes: tuple[UInt64s, Int64s], count: int
    ) -> FlightStretches:
        """The flights that begin in the batch: acceptances of messages not finished before."""
        keys, (end_keys, end_places) = without_direction(accepted), finishes
        ends = np.full(len(places), count, dtype=np.int64)
        if len(end_keys):
            at = np.minimum(np.searchsorted(end_keys, keys), len(end_keys) - 1)
            same = end_keys[at] == keys
            ends[same] = end_places[at[same]]
        open_ = ends > places
        open_[open_] = ~self.is_finished(keys[open_])
        flights = self._flights_of(chosen(accepted, open_), keys[open_])
        nowhere = np.full(len(flights), -1, dtype=np.int64)
        return FlightStretches(flights, places[open_], ends[open_], nowhere)

    def _best(
        self, held: FlightStretches, begun: FlightStretches
    ) -> tuple[FlightStretches, FlightStretches]:
        """Of several acceptances of a message each counts that is better than all before it."""
        slots = self._index.find(begun.flights["key"], self._alive)
        if (slots < 0).all() and are_distinct(begun.flights["key"]):
            return held, begun
        # 1. What is held leads the acceptances of the batch, which keep their order.
        more = np.setdiff1d(slots[slots >= 0], held.slots)
        every = join(
            held,
            FlightStretches(
                chosen(self._flights, more),
                np.full(len(more), -1, dtype=np.int64),
                np.full(len(more), NO_END, dtype=np.int64),
                more,
            ),
            begun,
        )
        groups = dense(every.flights["key"])
        order = np.lexsort((every.begins, groups))
        every, groups = every[order], groups[order]
        # 2. A better one takes the place of the one before it.
        flights = every.flights
        ranks = dense(flights["accepted_us"], flights["time_us"], flights["order"])
        better = ranks < running_least(groups, ranks)
        every, groups = every[better], groups[better]
        followed = np.flatnonzero(groups[1:] == groups[:-1])
        every.ends[followed] = np.minimum(every.ends[followed], every.begins[followed + 1])
        # 3. A held one that nothing takes the place of, and that does not end, stays as it is.
        every = every[every.ends < NO_END]
        return every[every.slots >= 0], every[every.slots < 0]

    def _ripe(self, marks: Mapping[int, Watermarks], ended: Int64s, count: int) -> FlightStretches:
        """The flights of the table that come to an age in the batch, and do not end in it."""
        known = np.full(self._sources, BEFORE_ALL, dtype=np.int64)
        for source, mark in marks.items():
            if source < self._sources:
                known[source] = mark.known_us[-1]
        slots = self._due(known)
        slots = slots[~np.isin(slots, ended)]
        begins = np.full(len(slots), -1, dtype=np.int64)
        ends = np.full(len(slots), count, dtype=np.int64)
        return FlightStretches(chosen(self._flights, slots), begins, ends, slots)

    def _due(self, known_us: Int64s) -> Int64s:
        """Places of flights whose next age has come by the watermarks of their sources."""
        flights = self._flights[: self._count]
        next_us = np.where(flights["age"] == YOUNG, flights["at_risk_us"], flights["over_us"])
        due = self._alive[: self._count] & (flights["age"] < OVER)
        due &= next_us <= known_us[flights["source"]]
        return np.flatnonzero(due)

    def _age(
        self,
        some: FlightStretches,
        marks: Mapping[int, Watermarks],
        count: int,
        name: Callable[[int], str],
    ) -> list[Aging]:
        """The ages that flights come to, and the ends of those that had come to one."""
        flights = some.flights
        nowhere = count + 1
        at_risk = np.full(len(flights), nowhere, dtype=np.int64)
        over = at_risk.copy()
        for source in np.flatnonzero(np.bincount(flights["source"])).tolist():
            mark = marks.get(source)
            if mark is None:
                continue
            own = flights["source"] == source
            at_risk[own] = mark.passes(flights["at_risk_us"][own], nowhere)
            over[own] = mark.passes(flights["over_us"][own], nowhere)
        at_risk, over = np.maximum(at_risk, some.begins + 1), np.maximum(over, some.begins + 1)
        ages = flights["age"]
        risky = (at_risk <= some.ends) & (ages < AT_RISK)
        late = (over <= some.ends) & (ages < OVER)
        found: list[Aging] = []
        for one in np.flatnonzero(risky | late | (ages > YOUNG)).tolist():
            flight, slot = flights[one], int(some.slots[one])
            reference = self._references[slot] if slot >= 0 else name(int(some.begins[one]))
            age = int(ages[one])
            if risky[one]:
                found.append(Aging(int(at_risk[one]), flight, reference, age, AT_RISK))
                age = AT_RISK
            if late[one]:
                found.append(Aging(int(over[one]), flight, reference, age, OVER))
                age = OVER
            flight["age"] = age
            if slot >= 0:
                self._flights["age"][slot] = age
            if some.ends[one] < count and age > YOUNG:
                found.append(Aging(int(some.ends[one]), flight, reference, age, None))
        return found

    def go_on(self, sources: Sequence[int], known_us: Int64s) -> list[Aging]:
        """What ages without a record, because more is known of some sources.

        Args:
            sources: their numbers.
            known_us: the watermarks of all sources, by number.

        """
        marks = {
            source: Watermarks(np.zeros(1, dtype=np.int64), known_us[source : source + 1])
            for source in sources
        }
        # One record that says nothing stands for the time that has passed.
        found = self._age(self._ripe(marks, np.empty(0, dtype=np.int64), 1), marks, 1, str)
        return sorted(found, key=in_order)

    def next_us(self, sources: Sequence[int]) -> int | None:
        """The next instant at which a flight of some sources comes to an age that matters."""
        flights = self._flights[: self._count]
        young = self._alive[: self._count] & (flights["age"] < OVER)
        young &= np.isin(flights["source"], np.asarray(sources, dtype=np.int32))
        if not young.any():
            return None
        ours = chosen(flights, young)
        return int(np.where(ours["age"] == YOUNG, ours["at_risk_us"], ours["over_us"]).min())

    def aged(self, tenants: Collection[int] | None) -> list[tuple[np.void, str]]:
        """The flights that are at risk or over, of some tenants or of all, and references."""
        flights = self._flights[: self._count]
        wanted = self._alive[: self._count] & (flights["age"] > YOUNG)
        if tenants is not None:
            codes = np.fromiter(tenants, np.int64, len(tenants))
            wanted &= np.isin(tenant_of(flights["series"]), codes)
        return [
            (self._flights[slot], self._references[slot])
            for slot in np.flatnonzero(wanted).tolist()
        ]

    def limit_again(self, series: Sequence[int], known_us: Int64s) -> None:
        """Work out the ages of some series' flights again, after a contract has come.

        Args:
            series: theirs.
            known_us: the watermark of each source, by its number.

        """
        flights = self._flights[: self._count]
        slots = np.flatnonzero(
            self._alive[: self._count]
            & np.isin(flights["series"], np.asarray(series, dtype=np.int32))
        )
        some = self._flights[slots]
        self._set_limits(some)
        set_ages(some, known_us)
        self._flights[slots] = some

    def take_unsaved(self) -> tuple[Rows, list[str]]:
        """Flights that the state does not know yet as rows, and their references."""
        alive = self._alive[: self._count]
        slots = np.flatnonzero(alive & ~self._flights["saved"][: self._count])
        self._flights["saved"][slots] = True
        return as_rows(chosen(self._flights, slots)), [
            self._references[slot] for slot in slots.tolist()
        ]

    def forget(self, before_us: int) -> None:
        """Drop the flights that began before an instant: their months are given up."""
        self._alive[: self._count] &= self._flights["accepted_us"][: self._count] >= before_us

    def save_again(self) -> None:
        """The state is to know every flight anew: where it knew them is given up."""
        self._flights["saved"] = False

    def restore(self, rows: Rows, references: Sequence[str], known_us: Int64s) -> None:
        """Take up what a former life kept, once the store of finished messages is whole.

        Args:
            rows: of kinds `ACCEPTED` and `ENDED`.
            references: of those of kind `ACCEPTED`.
            known_us: the watermark of each source, by its number.

        """
        self._ended.add(without_direction(rows[rows["kind"] == ENDED]))
        accepted = rows[rows["kind"] == ACCEPTED]
        keys = without_direction(accepted)
        open_ = ~self.is_finished(keys)
        names = [references[one] for one in np.flatnonzero(open_).tolist()]
        flights = self._flights_of(accepted[open_], keys[open_])
        kept = first_of_each(flights)
        flights = flights[kept]
        flights["saved"] = True
        self._append(flights, [names[one] for one in kept.tolist()])
        set_ages(self._flights[: self._count], known_us)

    def is_finished(self, keys: UInt64s) -> Mask:
        """Which messages, by keys without direction, are known to be finished."""
        out, into = np.zeros(len(keys), dtype=np.bool_), np.ones(len(keys), dtype=np.bool_)
        result: Mask = (
            self._ended.has(keys)
            | self._finished.knows(turned(keys, out))
            | self._finished.knows(turned(keys, into))
        )
        return result

    def _flights_of(self, rows: Rows, keys: UInt64s) -> Flights:
        flights = np.zeros(len(rows), dtype=FLIGHT)
        for column in SHARED:
            flights[column] = rows[column]
        flights["key"], flights["time_us"] = keys, rows["finished_us"]
        self._set_limits(flights)
        return flights

    def _set_limits(self, flights: Flights) -> None:
        at_risk, longest = self._limits(flights["series"].astype(np.int64), flights["accepted_us"])
        flights["at_risk_us"] = flights["accepted_us"] + at_risk
        # An exceedance takes longer than the limit; equality passes.
        flights["over_us"] = flights["accepted_us"] + longest + 1

    def _start_over(self, flights: Flights, references: list[str]) -> None:
        self._flights = np.empty(64, dtype=FLIGHT)
        self._references: list[str] = []
        self._alive, self._count = np.zeros(64, dtype=np.bool_), 0
        self._index, self._sources = RowIndex(), 0
        self._append(flights, references)

    def _append(self, flights: Flights, references: list[str]) -> None:
        if len(flights) == 0:
            return
        end = self._count + len(flights)
        if end > len(self._flights):
            living = np.flatnonzero(self._alive[: self._count])
            if len(living) < self._count // 2:
                # Most are gone: move the others together instead of growing.
                names = [self._references[slot] for slot in living.tolist()]
                self._start_over(self._flights[living].copy(), names)
                self._append(flights, references)
                return
            size = max(end, 2 * len(self._flights))
            grown, alive = np.empty(size, dtype=FLIGHT), np.zeros(size, dtype=np.bool_)
            put(grown, 0, self._flights[: self._count])
            alive[: self._count] = self._alive[: self._count]
            self._flights, self._alive = grown, alive
        put(self._flights, self._count, flights)
        self._alive[self._count : end] = True
        self._references += references
        self._index.add(flights["key"], np.arange(self._count, end), self._alive)
        self._count = end
        self._sources = max(self._sources, int(flights["source"].max()) + 1)
