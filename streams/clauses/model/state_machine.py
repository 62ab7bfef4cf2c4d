"""The life of an indicator in a period: ok, at risk, failing or recovered, breached, withdrawn.

What is told is a function of the states and the event times at which they began, so it does not
matter how often somebody looks in between.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from mailsla.schemas.results import BreachType, State

Turn = tuple[BreachType, State, int]
"""What is told, the state it leads to, and the event time from which it could be told, µs."""


@dataclass(slots=True)
class Life:
    """What was last told of an indicator, and the state that may have to be told next.

    ``since_us`` is the event time at which ``present`` began.
    """

    told: State = "ok"
    present: State = "ok"
    since_us: int = 0

    def due_us(self, hold_us: int) -> int | None:
        """The event time at which the present state is told if it still holds by then."""
        return None if self.present == self.told else self.since_us + hold_us

    def mature(self, at_us: int, hold_us: int) -> Iterator[Turn]:
        """Let event time come to an instant: a state that has held long enough by then is told."""
        due_us = self.due_us(hold_us)
        if due_us is not None and at_us >= due_us:
            yield self._tell(self.present, due_us)

    def turn(
        self, state: State, firm: bool, at_us: int, hold_us: int, past: bool = False
    ) -> Iterator[Turn]:
        """Take a state as of an event time, no earlier than the one before.

        A change that may turn back by itself is told once it has held for ``hold_us``; a breach,
        its withdrawal and what is ``firm`` are told at once, unless it is word of the past.

        Args:
            state: the state from then on.
            firm: an at-risk state that only a correction can take back.
            at_us: event time, µs.
            hold_us: how long a change must hold, µs.
            past: word of the past, of which more may be on its way: every change must hold.

        """
        yield from self.mature(at_us, hold_us)
        if state != self.present:
            self.present, self.since_us = state, at_us
        if past or self.told == self.present:
            return
        if "breached" in {self.present, self.told} or firm or hold_us == 0:
            yield self._tell(self.present, at_us)

    def _tell(self, state: State, at_us: int) -> Turn:
        type_ = _type_of(self.told, state)
        self.told = state
        return type_, state, at_us


def _type_of(before: State, after: State) -> BreachType:
    if before == "breached":
        return "sla.indicator.withdrawn"
    match after:
        case "breached":
            return "sla.indicator.breached"
        case "failing":
            return "sla.indicator.failing"
        case "at_risk":
            return "sla.indicator.at_risk"
        case "ok":
            return "sla.indicator.recovered"
