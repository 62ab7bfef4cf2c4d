"""Section 1: connectivity."""

from collections.abc import Sequence
from fractions import Fraction

from tests.reference.exclusions import declared_outages, excluded_intervals
from tests.reference.instants import Interval, edges, from_seconds, inside, measure
from tests.reference.log import PLATFORM, Event, of_type, seen_by
from tests.reference.period import Period
from tests.reference.values import NOTHING, Value, duration

IDENTITY = ("tenant_id", "source", "probe", "channel", "capability", "scope")
CAPABILITIES = [(c, s) for c in ("send", "receive") for s in ("internal", "external")]

Held = tuple[Interval, Event]


def connectivity(events: Sequence[Event], period: Period) -> dict[str, Value]:
    """``connectivity.downtime`` and ``connectivity.ratio``."""
    results = of_type(seen_by(events, period.tenant_id), "probe.result")
    held = _held(results, period.contract.profile.probe_hold_factor)
    exclusions = excluded_intervals(events, period, 1)
    outages = declared_outages(events, period)
    boundaries = edges([interval for interval, _ in held] + exclusions + outages)

    def down(instant: int) -> bool:
        if inside(instant, outages):
            return True
        return any(_state(held, which, instant) == "fails" for which in CAPABILITIES)

    def observed(instant: int) -> bool:
        if inside(instant, outages):
            return True
        return any(_state(held, which, instant) != "unknown" for which in CAPABILITIES)

    def liable(instant: int) -> bool:
        return down(instant) and not inside(instant, exclusions)

    if not measure(period.start, period.end, boundaries, observed):
        return {"connectivity.downtime": NOTHING, "connectivity.ratio": NOTHING}
    raw = measure(period.start, period.end, boundaries, down)
    net = measure(period.start, period.end, boundaries, liable)
    downtime = duration(net, raw)
    ratio = Value(
        1 - Fraction(net, period.length), 1 - Fraction(raw, period.length), downtime.excluded
    )
    return {"connectivity.downtime": downtime, "connectivity.ratio": ratio}


def _held(results: Sequence[Event], factor: int) -> list[Held]:
    """Each result with the interval for which it holds."""
    held = []
    for identity in {tuple(event[name] for name in IDENTITY) for event in results}:
        series = [e for e in results if tuple(e[name] for name in IDENTITY) == identity]
        times = sorted({event["time"] for event in series})
        for position, time in enumerate(times):
            event = max(
                (event for event in series if event["time"] == time),
                key=lambda event: (event["ok"], from_seconds(event["interval_s"])),
            )
            until = time + factor * from_seconds(event["interval_s"])
            if position + 1 < len(times):
                until = min(until, times[position + 1])
            held.append(((time, until), event))
    return held


def _state(held: Sequence[Held], which: tuple[str, str], instant: int) -> str:
    """``works``, ``fails`` or ``unknown``: a capability at an instant; own results come first."""
    holding = [
        event
        for interval, event in held
        if inside(instant, [interval]) and (event["capability"], event["scope"]) == which
    ]
    speaking = [event for event in holding if event["tenant_id"] != PLATFORM] or holding
    if not speaking:
        return "unknown"
    return "works" if any(event["ok"] for event in speaking) else "fails"
