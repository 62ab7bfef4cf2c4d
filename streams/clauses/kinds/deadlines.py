"""Things that have to happen by an instant (contract sections 4, 5, 7, 8)."""

from collections.abc import Sequence
from dataclasses import dataclass

from mailsla.streams.clauses.model.measure import Measure, View, count_measure, earliest, rounded_up


@dataclass(frozen=True, slots=True)
class Deadline:
    """Something due in ``[start_us, due_us)``: late from ``due_us`` on unless it is ``done``."""

    start_us: int
    due_us: int
    late: bool
    done: bool
    evidence: str


def deadline_measure(
    indicator: str, deadlines: Sequence[Deadline], view: View, has_data: bool
) -> Measure:
    """How many deadlines of the month were missed; ``late`` is as known at ``view.now_us``."""
    ordered = sorted(deadlines, key=lambda each: (each.due_us, each.evidence))
    late = [each for each in ordered if each.late]
    pending = [each for each in deadlines if not each.late and not each.done]
    share = view.profile.deadline_share
    risky = [each.start_us + rounded_up(share, each.due_us - each.start_us) for each in pending]
    turns = [*risky, *(each.due_us for each in pending)]
    return count_measure(
        indicator,
        len(late),
        has_data,
        evidence=[each.evidence for each in late],
        impending=sum(at <= view.now_us for at in risky),
        next_us=earliest(turns, view.now_us),
    )
