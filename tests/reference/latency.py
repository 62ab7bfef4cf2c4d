"""Section 2: latency."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from tests.reference.exclusions import excluded_intervals
from tests.reference.instants import SECOND, Interval
from tests.reference.log import Event, of_type, own
from tests.reference.period import Period
from tests.reference.values import Value, mean_seconds

MESSAGE = ("source", "message_id", "recipient")
DIRECTED = (*MESSAGE, "direction")
FINISHING = (
    "message.dispatched",
    "message.delivered",
    "message.bounced",
    "message.expired",
    "message.discarded",
)


@dataclass(frozen=True)
class Message:
    """A message of the month. ``latency`` in µs; None while in flight. ``out``: left out."""

    direction: str
    latency: int | None
    over: bool
    out: bool


def latency(events: Sequence[Event], period: Period, cutoff: int, spoken: bool) -> dict[str, Value]:
    """The section's indicators; ``spoken``: whether the tenant's topic ever carried an event."""
    mine = own(events, period.tenant_id)
    exclusions = excluded_intervals(events, period, 2)
    messages = _finished(mine, period, exclusions) + _in_flight(mine, period, exclusions, cutoff)
    values = {}
    for name, direction in (("send", "outbound"), ("receive", "inbound")):
        timed = [m for m in messages if m.direction == direction and m.latency is not None]
        every = [m.latency for m in timed if m.latency is not None]
        counted = [m.latency for m in timed if m.latency is not None and not m.out]
        left_out = Fraction(len(every) - len(counted)) if counted else None
        values[f"latency.{name}.mean"] = Value(mean_seconds(counted), mean_seconds(every), left_out)
        values[f"latency.{name}.max"] = Value(_largest(counted), _largest(every), left_out)
    over = [message for message in messages if message.over]
    out = sum(message.out for message in over)
    values["latency.exceedances"] = (
        Value(Fraction(len(over) - out), Fraction(len(over)), Fraction(out))
        if spoken
        else Value(None, None, None)
    )
    return values


def _largest(samples: list[int]) -> Fraction | None:
    return Fraction(max(samples), SECOND) if samples else None


def _key(event: Event, fields: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(event[name] for name in fields)


def _accepted(event: Event) -> int:
    return int(event.get("accepted_at", event["time"]))


def _finished(
    mine: Sequence[Event], period: Period, exclusions: Sequence[Interval]
) -> list[Message]:
    """Messages of the month with a latency: the earliest dispatch or delivery of each."""
    timed = [
        event
        for event in of_type(mine, "message.dispatched", "message.delivered")
        if event.get("attempt", 1) == 1
    ]
    messages = []
    for key in {_key(event, DIRECTED) for event in timed}:
        chosen = min(
            (event for event in timed if _key(event, DIRECTED) == key),
            key=lambda event: (event["time"], event["accepted_at"], event["id"]),
        )
        accepted, finished = chosen["accepted_at"], chosen["time"]
        if not period.holds(accepted):
            continue
        elapsed = finished - accepted
        over = elapsed > period.contract.profile.max_latency_s * SECOND
        out = "liability" in chosen or any(
            accepted < ends and finished >= starts for starts, ends in exclusions
        )
        messages.append(Message(chosen["direction"], elapsed, over, out))
    return messages


def _in_flight(
    mine: Sequence[Event], period: Period, exclusions: Sequence[Interval], cutoff: int
) -> list[Message]:
    """Messages of the month accepted and never finished."""
    received = of_type(mine, "message.accepted")
    finished = {_key(event, MESSAGE) for event in of_type(mine, *FINISHING)}
    messages = []
    for key in {_key(event, DIRECTED) for event in received}:
        first = min(
            (event for event in received if _key(event, DIRECTED) == key),
            key=lambda event: (_accepted(event), event["time"], event["id"]),
        )
        accepted = _accepted(first)
        if not period.holds(accepted) or _key(first, MESSAGE) in finished:
            continue
        over = cutoff - accepted > period.contract.profile.max_latency_s * SECOND
        out = "liability" in first or any(accepted < ends for _, ends in exclusions)
        messages.append(Message(first["direction"], None, over, out))
    return messages
