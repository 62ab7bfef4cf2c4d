"""Everything a task remembers of section 2: messages, who is in flight, sums, rolling windows."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import numpy as np

from mailsla.schemas.contract import Contract
from mailsla.streams.clauses.model.contracts import in_force
from mailsla.streams.latency.flights import AT_RISK, OVER
from mailsla.streams.latency.folded import (
    Folded,
    FoldedMonth,
    FoldedMonths,
    quarters_of,
    sums_of,
)
from mailsla.streams.latency.in_flight import InFlight
from mailsla.streams.latency.messages import (
    LATE_HOUR,
    LATE_PANE,
    LATENCY,
    MessageStore,
    Rows,
    spans_of,
    tenant_of,
)
from mailsla.streams.latency.row_index import Int64s, Mask
from mailsla.streams.latency.slow_messages import SlowMessages
from mailsla.streams.latency.sources import Sources
from mailsla.streams.latency.windows.changes import HOUR_US, PANE_US, Changes
from mailsla.streams.latency.windows.rolling_windows import RollingWindows
from mailsla.streams.latency.windows.window_kinds import PaneWidth
from mailsla.streams.live.state.excluded_spans import ExcludedSpans
from mailsla.streams.live.state.latency_months import LatencyMonths
from mailsla.streams.live.state.stretches import NOWHERE
from mailsla.streams.live.state.terms_of_tenants import LimitsOfTenants, TermsOfTenants, WindowTerms
from mailsla.streams.time.calendar import SECOND, Month
from mailsla.streams.time.intervals import BEFORE_ALL
from mailsla.streams.time.months import month_number, month_starts_us


class Latency:
    """Section 2 of one task.

    Args:
        versions: the contract versions of a tenant, by its number.
        alike: what is equal for tenants whose contracts judge alike.
        name: the id of a tenant, by its number.
        excluded: which messages exclusions leave out.
        lateness_us: how late an event may be, µs.
        silence_us: how long a source may be silent until it is taken to go on, µs.

    """

    def __init__(
        self,
        versions: Callable[[int], list[Contract]],
        alike: Callable[[int], tuple[bytes, ...]],
        name: Callable[[int], str],
        excluded: ExcludedSpans,
        lateness_us: int,
        silence_us: int,
    ) -> None:
        self._versions, self._excluded = versions, excluded
        self.store = MessageStore()
        self._limits = LimitsOfTenants(versions, alike)
        self.in_flight = InFlight(self.store, self._limits.of_series)
        self.sources = Sources(lateness_us, silence_us)
        self.months = LatencyMonths(versions, alike, name)
        self.slow = SlowMessages()
        self.windows = RollingWindows(lateness_us, self._largest, self._month_bounds)
        self.lateness_us = lateness_us
        self.clock_us = 0
        """Event time that the mail read so far has come to."""
        self.heard_us = 0
        """When the last of it came, by the broker's clock."""
        self._window_terms = TermsOfTenants(self._find_window_terms)
        self._folded = FoldedMonths()

    def left_out(self, messages: Rows) -> Mask:
        """Which messages, finished or in flight, the provider is not liable for in their months."""
        liable: Mask = messages["liable"]
        return liable | self._excluded.messages(*spans_of(messages))

    def left_out_of_parts(self, messages: Rows, of_month: Mask) -> Mask:
        """The same in the parts of their months, given those that are left out of the month."""
        liable: Mask = messages["liable"]
        return liable | self._excluded.in_parts(of_month, *spans_of(messages))

    def window_changes(self, rows: Rows, signs: Int64s) -> Changes:
        """Messages that count from now on, or no longer do, as the windows see them."""
        tenants = tenant_of(rows["series"]).astype(np.int64)
        months, limits = self._window_terms.months_and_limits(tenants, rows["accepted_us"])
        latency = rows["finished_us"] - rows["accepted_us"]
        return Changes(
            rows["series"].astype(np.int64),
            rows["finished_us"],
            months,
            latency,
            latency > limits,
            signs,
            (rows["late"] & LATE_PANE).astype(np.bool_),
            (rows["late"] & LATE_HOUR).astype(np.bool_),
        )

    def _month_bounds(self, series: Int64s, months: Int64s) -> tuple[Int64s, Int64s]:
        """First µs of local months, in the zones of their series' contracts, and of the next."""
        first, end = np.zeros((2, len(series)), dtype=np.int64)
        for zone, own in self._window_terms.zones(tenant_of(series)):
            first[own] = month_starts_us(zone, months[own])
            end[own] = month_starts_us(zone, months[own] + 1)
        return first, end

    def _find_window_terms(self, tenant: int) -> WindowTerms:
        forces = in_force(self._versions(tenant))
        contract = forces[-1].contract if forces else self.months.default_contract
        return WindowTerms(contract.timezone, contract.profile.max_latency_s * SECOND)

    def _largest(self, width: PaneWidth, series: Int64s, panes: Int64s) -> Int64s:
        """The largest latency of panes whose largest one was taken away."""
        found = np.full(len(series), -1, dtype=np.int64)
        for place, (one, pane) in enumerate(zip(series.tolist(), panes.tolist(), strict=True)):
            rows = self.store.of_series(one)
            rows = rows[~self.left_out(rows)]
            own = self.window_changes(rows, np.ones(len(rows), dtype=np.int64))
            match width:
                case PaneWidth.FIVE_MINUTES:
                    inside = (own.finished_us // PANE_US == pane) & ~own.late_pane
                case PaneWidth.HOUR:
                    inside = (own.finished_us // HOUR_US == pane) & ~own.late_hour
                case PaneWidth.MONTH:
                    inside = own.month == pane
            found[place] = own.latency_us[inside].max(initial=-1)
        return found

    def rows_of(self, tenant: int) -> Rows:
        """The finished messages of a tenant that are remembered one by one."""
        return np.concatenate([self.store.of_series(2 * tenant + way) for way in (0, 1)])

    def sum_up(self, rows: Rows) -> None:
        """Add finished messages to the sums of their months, exceedances included."""
        at = self.months.locate(tenant_of(rows["series"]).astype(np.int64), rows["accepted_us"])
        rows, slots = at.expand(rows), at.slots
        counted = ~self.left_out(rows)
        latency = rows["finished_us"] - rows["accepted_us"]
        inside = slots != NOWHERE
        ones = np.ones(len(rows), dtype=np.int64)
        self.months.add(
            slots[inside],
            (rows["series"] % 2).astype(np.int64)[inside],
            latency[inside],
            ones[inside],
            counted[inside],
            np.ones(int(inside.sum()), dtype=np.bool_),
        )
        in_part = ~self.left_out_of_parts(rows, ~counted)
        for some, longest, counts in (
            (slots, at.limits_us, counted),
            (at.parts, at.part_limits_us, in_part),
        ):
            over = (some != NOWHERE) & (latency > longest)
            np.add.at(self.months.sums.all_over, some[over], 1)
            np.add.at(self.months.sums.over, some[over & counts], 1)

    def count_flights(self, tenants: Collection[int]) -> None:
        """Count the aged messages in flight of some tenants again."""
        sums = self.months.sums
        for tenant in tenants:
            for month in self.months.months_of(tenant):
                whole = self.months.of_month(tenant, month)
                if whole is not None:
                    for slot in (whole, *self.months.parts(whole)):
                        sums.at_risk[slot] = sums.flying_over[slot] = 0
                        sums.all_flying_over[slot] = 0
        self._add_flights(self.aged_flights(tenants))

    def aged_flights(self, tenants: Collection[int]) -> np.ndarray:
        """The aged messages in flight of some tenants."""
        flights = self.in_flight.flights
        aged = flights[flights["age"] > 0]
        chosen = np.isin(tenant_of(aged["series"]), np.fromiter(tenants, np.int64, len(tenants)))
        return aged[chosen]

    def _add_flights(self, flights: np.ndarray) -> None:
        """Add aged messages in flight to what is at risk or over."""
        at = self.months.locate(
            tenant_of(flights["series"]).astype(np.int64), flights["accepted_us"]
        )
        flights = at.expand(flights)
        left_out = self.left_out(flights)
        over, at_risk = flights["age"] == OVER, flights["age"] == AT_RISK
        sums = self.months.sums
        for some, counted in (
            (at.slots, ~left_out),
            (at.parts, ~self.left_out_of_parts(flights, left_out)),
        ):
            inside = some != NOWHERE
            np.add.at(sums.all_flying_over, some[inside & over], 1)
            chosen = inside & over & counted
            np.add.at(sums.flying_over, some[chosen], 1)
            chosen = inside & at_risk & counted
            np.add.at(sums.at_risk, some[chosen], 1)

    def look_up_largest(self, steps: np.ndarray) -> None:
        """Find the largest latency of a month again where the largest one was taken away.

        Args:
            steps: signed changes of sums with the columns slot, way, latency_us, sign, counted.

        """
        sums = self.months.sums
        # What counts is never larger than everything, so this finds both.
        gone = steps[steps["sign"] < 0]
        gone = gone[gone["latency_us"] >= sums.largest_us[gone["slot"], gone["way"]]]
        for slot, way in {(int(one["slot"]), int(one["way"])) for one in gone}:
            stands_for = self.months.slot(slot)
            period = stands_for.governed.period
            rows = self.store.of_series(2 * stands_for.tenant + way)
            rows = rows[
                (rows["accepted_us"] >= period.start_us) & (rows["accepted_us"] < period.end_us)
            ]
            counted = rows[~self.left_out(rows)]
            latency = counted["finished_us"] - counted["accepted_us"]
            least = self._folded.largest_us(stands_for.tenant, stands_for.month.label, way)
            sums.largest_us[slot, way] = max(int(latency.max(initial=0)), least[0])
            every = rows["finished_us"] - rows["accepted_us"]
            sums.all_largest_us[slot, way] = max(int(every.max(initial=0)), least[1])

    def judge_again(self, tenant: int) -> list[Month]:
        """Work out all sums of a tenant anew, after its contract has changed.

        Returns:
            The months it had, and those it has now.

        """
        self._limits.forget(tenant)
        rows = self.rows_of(tenant)
        counted = rows[~self.left_out(rows)]
        if (known := self._window_terms.known(tenant)) is not None:
            gone = self.window_changes(counted, np.full(len(counted), -1, dtype=np.int64))
            self._window_terms.forget(tenant)
            came = self.window_changes(counted, np.ones(len(counted), dtype=np.int64))
            if len(counted) and known != self._window_terms.of(tenant):
                frontier_us = self.frontier_us()
                self.windows.apply(gone, frontier_us)
                self.windows.apply(came, frontier_us)
        series = [2 * tenant, 2 * tenant + 1]
        former = self.months.forget(tenant)
        self.sum_up(rows)
        for (owner, label), folded in self._folded:
            if owner == tenant:
                self._add_folded(tenant, Month.parse(label), folded)
        self.in_flight.limit_again(series, self.sources.all_known_us())
        self._add_flights(self.aged_flights([tenant]))
        return sorted({*former, *self.months.months_of(tenant)})

    def frontier_us(self) -> int:
        """Event time up to which the mail of all sources that are not silent has come."""
        return self.sources.least_newest_us(self.heard_us)

    def known_us(self, silent_us: int, heard_us: int) -> int:
        """Event time up to which all mail is known.

        Args:
            silent_us: up to when that of silent sources is taken to be.
            heard_us: the present time of the broker's clock.

        """
        least = self.sources.least_known_us(heard_us)
        return silent_us if least == BEFORE_ALL else least

    def restore(self, rows: Rows, names: Sequence[str]) -> None:
        """Take up what a former life kept, once sources, exclusions and contracts are known.

        Args:
            rows: events of all kinds in the order they were kept.
            names: the references of the rows that say a message was accepted, in their order.

        """
        self.store.restore(rows[rows["kind"] == LATENCY])
        self.in_flight.restore(rows[rows["kind"] != LATENCY], names, self.sources.all_known_us())
        living = self.store.rows
        self.sum_up(living)
        for (tenant, label), folded in self._folded:
            self._add_folded(tenant, Month.parse(label), folded)
        flights = self.in_flight.flights
        self._add_flights(flights[flights["age"] > 0])
        counted = living[~self.left_out(living)]
        ones = np.ones(len(counted), dtype=np.int64)
        self.windows.rebuild(self.window_changes(counted, ones), self.frontier_us())

    def fold(self, count: int) -> tuple[list[Folded], bytes]:
        """Forget the messages that came first; their sums stay.

        A repeated message among them is no longer recognised, and an exclusion declared later
        no longer reaches them, nor does another limit of a contract that comes later.

        Returns:
            What must be kept so that `unfold` brings back the sums of months, and of windows.

        """
        rows = self.store.drop_oldest(count)
        counted = rows[~self.left_out(rows)]
        ones = np.ones(len(counted), dtype=np.int64)
        panes = self.windows.fold(self.window_changes(counted, ones))
        folded = list(self._fold_months(rows))
        self.unfold(folded, b"")
        return folded, panes

    def _fold_months(self, rows: Rows) -> Iterator[Folded]:
        at = self.months.locate(tenant_of(rows["series"]).astype(np.int64), rows["accepted_us"])
        rows, slots = at.expand(rows), at.slots
        latency = rows["finished_us"] - rows["accepted_us"]
        ways, left_out = rows["series"] % 2, self.left_out(rows)
        over, everything = latency > at.limits_us, np.ones(len(rows), dtype=np.bool_)
        part_over, part_counted = (
            latency > at.part_limits_us,
            ~self.left_out_of_parts(rows, left_out),
        )
        for slot in np.unique(slots[slots != NOWHERE]).tolist():
            sent, received, all_sent, all_received = (
                sums_of(latency[own], over[own])
                for own in (
                    (slots == slot) & (ways == way) & chosen
                    for chosen in (~left_out, everything)
                    for way in (0, 1)
                )
            )
            own = (slots == slot) & part_over
            quarters = quarters_of(rows["accepted_us"][own], part_counted[own])
            of = self.months.slot(slot)
            yield of.tenant, of.month.label, sent, received, all_sent, all_received, quarters

    def unfold(self, folded: Iterable[Folded], panes: bytes) -> None:
        """Take up the sums of messages that were forgotten, before `restore`."""
        self._folded.add(folded)
        if panes:
            self.windows.unfold(panes)

    def folded(self) -> list[Folded]:
        """The sums of all messages that were forgotten."""
        return self._folded.everything()

    def forget(self, before_us: int, oldest: Month) -> None:
        """Drop the messages, finished or in flight, and sums of months before ``oldest``.

        That begins at ``before_us``.
        """
        rows = self.store.rows
        self.store.drop((rows["accepted_us"] < before_us) & (rows["finished_us"] < before_us))
        self.in_flight.forget(before_us)
        self.slow.forget(before_us)
        self.months.forget_before(oldest)
        self.windows.forget_months(month_number(oldest.first))
        self._folded.forget(oldest.label)

    def _add_folded(self, tenant: int, month: Month, folded: FoldedMonth) -> None:
        slot, sums = self.months.of_first(tenant, month), self.months.sums
        for place, (count, sum_us, largest_us, over) in enumerate(folded.sums):
            way, prefix = place % 2, "" if place < 2 else "all_"
            getattr(sums, f"{prefix}count")[slot, way] += count
            getattr(sums, f"{prefix}sum_us")[slot, way] += sum_us
            largest = getattr(sums, f"{prefix}largest_us")
            largest[slot, way] = max(int(largest[slot, way]), largest_us)
            getattr(sums, f"{prefix}over")[slot] += over
        for part in self.months.parts(slot):
            period = self.months.slot(part).governed.period
            counted, every = folded.exceedances(period.start_us, period.end_us)
            sums.over[part] += counted
            sums.all_over[part] += every
