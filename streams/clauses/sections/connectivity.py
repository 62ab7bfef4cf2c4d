"""Section 1: connectivity of a tenant's mailboxes, its outages and its rolling windows."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from mailsla.schemas.contract import Term
from mailsla.streams.clauses.facts.exclusions import CONNECTIVITY
from mailsla.streams.clauses.facts.probes import CAPABILITIES, ProbeFacts
from mailsla.streams.clauses.kinds.durations import duration_measure, remaining_measure
from mailsla.streams.clauses.model.connectivity_timeline import Condition, Reading
from mailsla.streams.clauses.model.measure import (
    MOST_EVIDENCE,
    Measure,
    View,
    earliest,
    first_evidence,
)
from mailsla.streams.time.intervals import IntervalSet

INDICATORS = ("connectivity.downtime", "connectivity.ratio")


@dataclass(frozen=True, slots=True)
class OutageFact:
    """A time in which the tenant was down; ``ended_us`` is ``None`` while it lasts.

    The id follows from the start: an outage whose start is corrected is another one.
    ``capabilities`` are those that failed in it, as ``send/internal``.
    """

    outage_id: str
    started_us: int
    ended_us: int | None
    capabilities: tuple[str, ...]
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConnectivityWindow:
    """A tenant's connectivity in a window, microseconds; ``condition`` is that at its end."""

    condition: Condition
    down_us: int
    net_down_us: int
    unobserved_us: int

    @property
    def excluded_us(self) -> int:
        """Downtime for which the provider is not liable."""
        return self.down_us - self.net_down_us


def outage_id(started_us: int) -> str:
    """The deterministic name of the outage that starts at an instant."""
    return f"outage-{started_us}"


def outages(
    reading: Reading, facts: Iterable[ProbeFacts], start_us: int, now_us: int
) -> list[OutageFact]:
    """The outages that lie at least partly in ``[start_us, now_us)``, in time order.

    They are whole (not cut at ``start_us``) and raw (not reduced by exclusions).
    """
    scopes = tuple(facts)
    found = []
    touching = reading.down.clip(start_us, now_us)
    first = len(reading.down) and int(reading.down.ends.searchsorted(start_us, side="right"))
    for place in range(first, first + len(touching)):
        began, ends = int(reading.down.starts[place]), int(reading.down.ends[place])
        found.append(_outage(reading, scopes, began, ends, now_us))
    return found


def _outage(
    reading: Reading, facts: tuple[ProbeFacts, ...], began: int, ends: int, now_us: int
) -> OutageFact:
    known_end = min(ends, now_us)
    names, references = [], []
    for capability, failing in zip(CAPABILITIES, reading.failing, strict=True):
        if len(failing.clip(began, known_end)):
            names.append("/".join(capability))
            for scope in facts:
                references.extend(scope.failures(capability, began, known_end))
    return OutageFact(
        outage_id(began),
        began,
        ends if ends <= now_us else None,
        tuple(names),
        first_evidence(label for _, label in sorted(references)),
    )


def window(reading: Reading, view: View, start_us: int, end_us: int) -> ConnectivityWindow:
    """The connectivity in ``[start_us, end_us)`` and the condition at its end."""
    down = reading.down.clip(start_us, end_us)
    excluded = view.exclusions.intervals(CONNECTIVITY, view.profile)
    return ConnectivityWindow(
        condition=reading.condition(end_us),
        down_us=down.length(),
        net_down_us=(down - excluded.clip(start_us, end_us)).length(),
        unobserved_us=max(0, end_us - start_us) - reading.known.within(start_us, end_us),
    )


def burn_rate(net_down_us: int, window_us: int, ratio: Term) -> Decimal | None:
    """How many times faster than allowed the month's downtime is being spent in a window.

    1 spends exactly what ``connectivity.ratio`` allows; ``None`` where it allows nothing.
    """
    if ratio.target is None or ratio.target >= 1 or window_us <= 0:
        return None
    return Decimal(net_down_us) / Decimal(window_us) / (1 - ratio.target)


def measure(reading: Reading, view: View) -> list[Measure]:
    """Net downtime and the connected share of the month (contract section 1)."""
    raw = reading.down.clip(view.start_us, view.end_us)
    net = raw - view.exclusions.intervals(CONNECTIVITY, view.profile)
    observed = reading.known.within(view.start_us, view.known_us) > 0
    evidence = _outage_ids(reading.down, net.clip(view.start_us, view.known_us))
    turn_us = reading.down.next_edge(view.known_us)
    turns = (turn_us,) if turn_us is not None and turn_us < view.end_us else ()
    return [
        replace(each, next_us=earliest((each.next_us, *turns), view.known_us))
        for each in (
            duration_measure("connectivity.downtime", raw, net, view, observed, evidence),
            remaining_measure("connectivity.ratio", raw, net, view, observed, evidence),
        )
    ]


def _outage_ids(down: IntervalSet, spent: IntervalSet) -> list[str]:
    """The outages that the first stretches of net downtime belong to."""
    places = down.starts.searchsorted(spent.starts[:MOST_EVIDENCE], side="right") - 1
    return list(dict.fromkeys(outage_id(int(down.starts[place])) for place in places))
