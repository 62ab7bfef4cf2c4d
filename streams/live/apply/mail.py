"""A batch of ``mail.mta`` changes the state, in one step over columns.

Late, repeated and contradicting events, contracts that change and messages in flight are all
applied at once; what changed comes back record by record, so that whoever evaluates can see the
state as it was after each of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from mailsla.schemas.contract import DEFAULT_TIMEZONE
from mailsla.schemas.indicators import OPEN_MONTHS
from mailsla.streams.latency.flights import Aging
from mailsla.streams.latency.messages import LATENCY, VOIDED, Rows, spans_of, tenant_of
from mailsla.streams.latency.row_index import Int64s, Mask
from mailsla.streams.latency.tables import chosen, joined
from mailsla.streams.latency.windows.changes import late_flags
from mailsla.streams.live.state.excluded_spans import ExcludedSpans
from mailsla.streams.live.state.latency import Latency
from mailsla.streams.live.state.stretches import NOWHERE
from mailsla.streams.time.calendar import SECOND
from mailsla.streams.time.clock import QUIET_US
from mailsla.streams.time.months import month_starts_us, months_of

STEP: Final = np.dtype(
    [
        ("place", np.int64),
        ("slot", np.int64),
        ("part", np.int64),
        ("way", np.int64),
        ("key", np.uint64),
        ("accepted_us", np.int64),
        ("latency_us", np.int64),
        ("sign", np.int64),
        ("counted", np.bool_),
        ("part_counted", np.bool_),
        ("everything", np.bool_),
        ("liable", np.bool_),
        ("over", np.bool_),
        ("part_over", np.bool_),
        ("limit_us", np.int64),
    ]
)
"""A finished message that adds to the sums of its month, or no longer does: the record of the
batch at which; the slots of its month and of its contract segment; its direction, key and
acceptance; how long it took; 1 or -1; whether that changes what counts in the month, in the
segment, and the sums of everything; whether its own event says that the provider is not liable;
whether it took longer than the contract of the month and that of the segment allow, and what the
latter allows (the former without one)."""

Steps = np.ndarray


@dataclass(frozen=True, slots=True)
class MailChanges:
    """What changed in section 2, in log order; the sums have taken the steps in.

    ``clocks_us`` is the event time that mail has come to at each record of the batch, ``idle_us``
    just before it, moved on while nothing came, and ``before_us`` before all of them. ``name``
    gives the reference of the event of a record, ``acceptance`` that of the acceptance of a
    message (by its key without direction) that a record has finished. ``corrected`` are the slots
    of months of which something long known is put right: that is word of the past.
    """

    steps: Steps
    agings: Sequence[Aging]
    clocks_us: Int64s
    idle_us: Int64s
    before_us: int
    name: Callable[[int], str]
    acceptance: Callable[[int, int], str | None]
    corrected: Int64s = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def open_agings(self) -> list[Aging]:
        """Those of months that can still change, as the steps are."""
        last = len(self.clocks_us) - 1
        places = np.array([min(one.place, last) for one in self.agings], dtype=np.int64)
        since_us = open_since_us(self.clocks_us[places]).tolist()
        return [
            one
            for one, open_us in zip(self.agings, since_us, strict=True)
            if one.flight["accepted_us"] >= open_us
        ]

    def reached_us(self, place: int, before: bool) -> int:
        """The event time reached when something was known: of a whole second, as time passes.

        Args:
            place: the record at which it was known,
            before: or that it was known by the one before that.

        """
        if not before:
            reached_us = int(self.idle_us[place])
        else:
            reached_us = int(self.clocks_us[place - 1]) if place > 0 else self.before_us
        return reached_us - reached_us % SECOND


@dataclass(frozen=True, slots=True)
class MailBatch:
    """Events of ``mail.mta`` that matter to section 2, in log order.

    ``sources``, ``believed_us`` and ``heard_us`` are of all events of the batch, and ``places``
    says which of them the rows are: source, event time (0 where it must not move time), and when
    the broker received it.
    """

    rows: Rows
    places: Int64s
    sources: Int64s
    believed_us: Int64s
    heard_us: Int64s
    name: Callable[[int], str]


def apply_mail(latency: Latency, batch: MailBatch) -> tuple[MailChanges, Rows]:
    """Apply a batch.

    Returns:
        What changed, and the rows to be kept with the state; messages in flight are kept only
        once they are still so at a checkpoint.

    """
    rows, places = batch.rows, batch.places
    # 1. How far each source, and all mail, is known at each record.
    heard = np.maximum(np.maximum.accumulate(batch.heard_us), latency.heard_us)
    clocks, idle = _clocks(latency, batch.believed_us, heard)
    frontiers = latency.sources.frontiers(batch.sources, batch.believed_us, heard)
    before_us = latency.clock_us
    marks = latency.sources.take(batch.sources, batch.believed_us, heard, idle)
    latency.clock_us, latency.heard_us = int(clocks[-1]), int(heard[-1])
    late_pane, late_hour = late_flags(rows["finished_us"], frontiers[places], latency.lateness_us)
    rows["late"] = late_pane + 2 * late_hour
    # 2. Who begins to be in flight, ages, and ends.
    agings, ended = latency.in_flight.apply(rows, places, len(clocks), marks, batch.name)
    # 3. Which messages have a latency, and which of these is a better one than before.
    finishes = np.flatnonzero(rows["kind"] == LATENCY)
    finished = chosen(rows, finishes)
    admitted = latency.store.admit(finished)
    steps = _steps(latency, admitted.rows, admitted.signs, places[finishes[admitted.places]])
    steps = chosen(steps, steps["accepted_us"] >= open_since_us(clocks[steps["place"]]))
    # 4. The sums, and the rolling windows.
    _add(latency, steps)
    counted = ~latency.left_out(admitted.rows)
    changes = latency.window_changes(chosen(admitted.rows, counted), admitted.signs[counted])
    latency.windows.apply(changes, latency.frontier_us())
    news = joined(chosen(finished, admitted.added), ended)
    acceptance = latency.in_flight.finished_here.acceptance_of
    return MailChanges(steps, agings, clocks, idle, before_us, batch.name, acceptance), news


def exclude_again(latency: Latency, before: ExcludedSpans, clock_us: int) -> MailChanges:
    """Follow exclusions that have been declared or revoked, as one step at the present place.

    Args:
        latency: with the exclusions as they are now.
        before: the exclusions as they were.
        clock_us: the event time come to.

    """
    rows = latency.store.rows
    was, is_ = before.messages(*spans_of(rows)) | rows["liable"], latency.left_out(rows)
    was_in_part = before.in_parts(was, *spans_of(rows)) | rows["liable"]
    is_in_part = latency.left_out_of_parts(rows, is_)
    months = _turning(latency, rows, was, is_, "counted")
    parts = _turning(latency, rows, was_in_part, is_in_part, "part_counted")
    steps = joined(months, parts)
    _add(latency, steps)
    turned = was != is_
    changes = latency.window_changes(chosen(rows, turned), _signs(is_[turned]))
    latency.windows.apply(changes, latency.frontier_us())
    return replace(nothing_at(clock_us), steps=steps)


def _turning(latency: Latency, rows: Rows, was: Mask, is_: Mask, sums: str) -> Steps:
    """The messages that are left out, or no longer, as steps of some sums alone."""
    turned = was != is_
    rows, signs = chosen(rows, turned), _signs(is_[turned])
    steps = _steps(latency, rows, signs, np.zeros(len(rows), dtype=np.int64))
    for name in ("counted", "part_counted", "everything"):
        steps[name] = name == sums
    return steps


def _signs(left_out: Mask) -> Int64s:
    return np.where(left_out, -1, 1).astype(np.int64)


def take_out(latency: Latency, source: int, event: int, clock_us: int) -> tuple[MailChanges, Rows]:
    """Take out what an event said of a message, if that counts, as one step at the present place.

    What else has come of the message, and did not count beside it, is not known here any more.

    Args:
        latency: which knows the message.
        source: the number of the event's source.
        event: what stands for its id.
        clock_us: the event time come to.

    Returns:
        What changed, and the rows that say so in the state.

    """
    rows = latency.store.take_out(source, event)
    signs = np.full(len(rows), -1, dtype=np.int64)
    steps = _steps(latency, rows, signs, np.zeros(len(rows), dtype=np.int64))
    steps = chosen(steps, steps["accepted_us"] >= open_since_us(np.array([clock_us])))
    _add(latency, steps)
    counted = ~latency.left_out(rows)
    changes = latency.window_changes(chosen(rows, counted), signs[counted])
    latency.windows.apply(changes, latency.frontier_us())
    agings, begun = latency.in_flight.take_out(source, event)
    news = joined(rows, begun)
    news["kind"] = VOIDED
    return replace(nothing_at(clock_us), steps=steps, agings=agings), news


def nothing_at(clock_us: int) -> MailChanges:
    """No record, at an event time."""
    clocks = np.array([clock_us], dtype=np.int64)
    nothing = np.empty(0, dtype=STEP)
    return MailChanges(nothing, (), clocks, clocks, clock_us, _unnamed, lambda key, place: None)


def _clocks(latency: Latency, believed_us: Int64s, heard_us: Int64s) -> tuple[Int64s, Int64s]:
    """Event time that mail has come to at each record, and just before it.

    While nothing came it has moved on, as it does in a worker that waits for the next record.
    """
    pauses = np.diff(heard_us, prepend=latency.heard_us or heard_us[0])
    idle = np.maximum(0, pauses - QUIET_US)
    # At each record: the later of its time and of what was reached before, moved on by the pause.
    moved = np.cumsum(idle)
    own = np.append(latency.clock_us, believed_us - moved)
    clocks: Int64s = np.maximum.accumulate(own)[1:] + moved
    return clocks, np.append(latency.clock_us, clocks[:-1]) + idle


def _steps(latency: Latency, rows: Rows, signs: Int64s, places: Int64s) -> Steps:
    at = latency.months.locate(tenant_of(rows["series"]).astype(np.int64), rows["accepted_us"])
    rows, signs, places = (at.expand(each) for each in (rows, signs, places))
    steps = np.empty(len(rows), dtype=STEP)
    steps["place"], steps["slot"], steps["part"] = places, at.slots, at.parts
    steps["way"], steps["key"] = rows["series"] % 2, rows["key"]
    steps["accepted_us"] = rows["accepted_us"]
    steps["latency_us"] = rows["finished_us"] - rows["accepted_us"]
    steps["sign"], steps["everything"], steps["liable"] = signs, True, rows["liable"]
    left_out = latency.left_out(rows)
    steps["counted"] = ~left_out
    steps["part_counted"] = ~latency.left_out_of_parts(rows, left_out)
    steps["over"] = steps["latency_us"] > at.limits_us
    steps["part_over"] = (at.parts != NOWHERE) & (steps["latency_us"] > at.part_limits_us)
    steps["limit_us"] = np.where(at.parts == NOWHERE, at.limits_us, at.part_limits_us)
    return chosen(steps, at.slots != NOWHERE)


def _add(latency: Latency, steps: Steps) -> None:
    """Everything but the exceedances, which are followed one by one."""
    latency.months.add(
        steps["slot"],
        steps["way"],
        steps["latency_us"],
        steps["sign"],
        steps["counted"],
        steps["everything"],
    )
    latency.look_up_largest(steps)


def open_since_us(clocks_us: Int64s) -> Int64s:
    """From when on messages can still change a live month, at event times; earlier ones are late.

    By the default zone for all tenants, so that it is the same whatever has been forgotten.
    """
    months = months_of(clocks_us, DEFAULT_TIMEZONE)
    return month_starts_us(DEFAULT_TIMEZONE, months - OPEN_MONTHS)


def _unnamed(place: int) -> str:
    raise KeyError(place)
