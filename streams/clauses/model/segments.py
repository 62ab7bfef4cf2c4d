"""The verdict and the state of a month that is judged part by part.

Each part is judged like partial service: intervals are cut to it, its length is the whole of a
ratio, a budget is that of its version in full. A promise broken in one part is broken.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from mailsla.schemas.contract import Term
from mailsla.schemas.indicators import Verdict
from mailsla.schemas.results import State
from mailsla.streams.clauses.model.contracts import Governed
from mailsla.streams.clauses.model.measure import Measure, is_firm, judge, live_state

_WORST_STATE: Final[tuple[State, ...]] = ("breached", "failing", "at_risk", "ok")
_FIRST_VERDICT: Final[tuple[Verdict, ...]] = ("breached", "met", "no_data", "not_judged")


@dataclass(frozen=True, slots=True)
class Judged:
    """An indicator in a part of a month, judged as if the part were all of it."""

    governed: Governed
    measure: Measure
    term: Term
    state: State
    verdict: Verdict
    firm: bool
    """Whether the budget itself is at risk or used up, not only what may still be averted."""

    @classmethod
    def of(cls, governed: Governed, measure: Measure, term: Term) -> "Judged":
        """What a measure means under the contract of its part."""
        profile = governed.contract.profile
        verdict = judge(measure, term)
        state = live_state(measure, term, profile, verdict)
        firm = state in {"at_risk", "breached"} and is_firm(measure, term, profile)
        return cls(governed, measure, term, state, verdict, firm)

    def at(self, number: int) -> "Judged":
        """The same with another number in place of the one that was counted."""
        return Judged.of(self.governed, replace(self.measure, numerator=number), self.term)


def verdict_of(parts: Sequence[Judged]) -> Verdict:
    """Breached if any part is, else met if any is; ``not_judged`` only if all are."""
    found = {each.verdict for each in parts}
    return next(verdict for verdict in _FIRST_VERDICT if verdict in found)


def state_of(parts: Sequence[Judged]) -> State:
    """The worst of the parts."""
    found = {each.state for each in parts}
    return next(state for state in _WORST_STATE if state in found)


def is_firm_in(parts: Sequence[Judged]) -> bool:
    """Whether the worst state is that of a budget in some part."""
    worst = state_of(parts)
    return any(each.firm for each in parts if each.state == worst)


def term_of(parts: Sequence[Judged], governing: Term) -> Term:
    """The governing promise, judged if any part is, with the remedy that is owed.

    The remedy is the governing one unless only parts before it are broken; then it is that of the
    first of these.
    """
    broken = [each for each in parts if each.verdict == "breached"]
    owed = governing if not broken or broken[-1] is parts[-1] else broken[0].term
    judged = any(each.term.judged for each in parts)
    return governing.model_copy(update={"remedy": owed.remedy, "judged": judged})


def turns_of(whole: Measure, parts: Sequence[Judged]) -> Measure:
    """The measure of the month, with the next instant at which any part of it changes."""
    turns = [each.measure.next_us for each in parts] + [whole.next_us]
    return replace(whole, next_us=min((at for at in turns if at is not None), default=None))
