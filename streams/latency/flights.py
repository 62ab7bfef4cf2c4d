"""Messages in flight as rows, and what becomes of them within a batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from mailsla.streams.latency import tables
from mailsla.streams.latency.keyhash import turned
from mailsla.streams.latency.messages import ACCEPTED, ROW, Rows
from mailsla.streams.latency.row_index import Int64s, Mask, UInt64s, dense

FLIGHT: Final = np.dtype(
    [
        ("key", np.uint64),
        ("series", np.int32),
        ("source", np.int32),
        ("accepted_us", np.int64),
        ("time_us", np.int64),
        ("order", np.uint64),
        ("liable", np.bool_),
        ("at_risk_us", np.int64),
        ("over_us", np.int64),
        ("age", np.uint8),
        ("saved", np.bool_),
        ("event", np.uint64),
    ]
)
"""One message in flight: its key without direction, series and source, when it was accepted, time
and id bytes of the event that said so, whether that event says the provider is not liable, the
instants from which on it is at risk of being an exceedance and is one, which of them has come
(`YOUNG`, `AT_RISK`, `OVER`), whether the state knows it, and what stands for that event's id."""

Flights = npt.NDArray[np.void]

SHARED: Final = ("series", "source", "accepted_us", "order", "liable", "event")
"""The columns that a flight and a row have alike."""

NO_END: Final = 2**62
"""Where a stretch of a flight ends that the batch does not end."""

YOUNG: Final = 0
AT_RISK: Final = 1
OVER: Final = 2

Limits = Callable[[Int64s, Int64s], tuple[Int64s, Int64s]]
"""Series and acceptance, µs → the ages from which on a message is at risk, and the longest allowed,
µs."""


@dataclass(frozen=True, slots=True)
class Aging:
    """A flight that comes to an age that matters, or ends after it has.

    Before record ``place`` of the batch, or after the last one, its age becomes ``age``, or at that
    record it ends (``age`` is ``None``); ``before`` is the age it had.
    """

    place: int
    flight: np.void
    reference: str
    before: int
    age: int | None


@dataclass(frozen=True, slots=True)
class FlightStretches:
    """Flights with the records of a batch between which they are in flight, and their names.

    ``begins`` is -1 for one from before the batch, ``ends`` the number of records for one that
    goes on; ``slots`` are their places in the table, -1 for one that is not in it.
    """

    flights: Flights
    begins: Int64s
    ends: Int64s
    slots: Int64s

    def __getitem__(self, chosen: Mask | Int64s) -> "FlightStretches":
        return FlightStretches(
            tables.chosen(self.flights, chosen),
            self.begins[chosen],
            self.ends[chosen],
            self.slots[chosen],
        )

    def place(self, key: int, end: int) -> int | None:
        """Where the flight of a message stands that ends at a record, if there is one."""
        found = np.flatnonzero((self.flights["key"] == key) & (self.ends == end))
        return int(found[0]) if len(found) else None


@dataclass(frozen=True, slots=True)
class FinishedHere:
    """The flights that the last batch finished: those from before it, and those that began in it.

    ``references`` are those of the table as it was then, ``name`` gives that of a record.
    """

    held: FlightStretches
    begun: FlightStretches
    references: Sequence[str]
    name: Callable[[int], str]

    def acceptance_of(self, key: int, place: int) -> str | None:
        """The reference of the acceptance of a message that a record finished, if known.

        None where it was not in flight then: what finished it before may be in another batch.

        Args:
            key: of the message, without direction.
            place: of the record.

        """
        at = self.held.place(key, place)
        if at is not None:
            return self.references[int(self.held.slots[at])]
        at = self.begun.place(key, place)
        return None if at is None else self.name(int(self.begun.begins[at]))


def without_direction(rows: Rows) -> UInt64s:
    """The keys of rows' messages, whatever the direction of the event."""
    return turned(rows["key"], (rows["series"] % 2).astype(np.bool_))


def in_order(aging: Aging) -> tuple[int, bool, int]:
    """What ages before a record does so instant by instant; what ends at it comes last."""
    if aging.age is None:
        return aging.place, True, 0
    instant = "at_risk_us" if aging.age == AT_RISK else "over_us"
    return aging.place, False, int(aging.flight[instant])


def join(*some: FlightStretches) -> FlightStretches:
    """Several tables of flights as one, in their order."""
    return FlightStretches(
        tables.joined(*(each.flights for each in some)),
        np.concatenate([each.begins for each in some]),
        np.concatenate([each.ends for each in some]),
        np.concatenate([each.slots for each in some]),
    )


def as_rows(flights: Flights) -> Rows:
    """Messages in flight in the form of rows."""
    rows = np.zeros(len(flights), dtype=ROW)
    for column in SHARED:
        rows[column] = flights[column]
    rows["key"] = turned(flights["key"], (flights["series"] % 2).astype(np.bool_))
    rows["finished_us"], rows["kind"] = flights["time_us"], ACCEPTED
    return rows


def set_ages(flights: Flights, known_us: Int64s) -> None:
    """Let flights come to the ages that they have by the watermarks of all sources, by number."""
    known = known_us[flights["source"]]
    flights["age"] = (known >= flights["at_risk_us"]).astype(np.uint8)
    flights["age"][known >= flights["over_us"]] = OVER


def first_of_each(flights: Flights) -> Int64s:
    """The places of the flights that count: of each message the one accepted first."""
    ranks = dense(flights["accepted_us"], flights["time_us"], flights["order"])
    order = np.lexsort((ranks, flights["key"]))
    keys = flights["key"][order]
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = keys[1:] != keys[:-1]
    return np.sort(order[first])
