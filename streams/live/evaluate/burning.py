"""How fast the budgets of time of a group of tenants are spent."""

from collections.abc import Iterator

from mailsla.streams.clauses.facts.exclusions import CONNECTIVITY
from mailsla.streams.clauses.model.burn_rate import MARK_US, burns, next_mark_us
from mailsla.streams.live.evaluate.assessment import Assessment
from mailsla.streams.live.evaluate.groups import Group
from mailsla.streams.live.evaluate.states import IndicatorStates, Transition


def may_burn(group: Group, states: IndicatorStates, found: Assessment) -> bool:
    """Whether a level may begin or end; notes until when the group is disconnected."""
    spent = found.measure.spent
    if spent is None:
        return False
    if found.term.section == CONNECTIVITY and len(spent):
        group.down_until_us = max(group.down_until_us, int(spent.ends[-1]))
    return len(spent) > 0 or bool(states.burning(found))


def burned(states: IndicatorStates, found: Assessment, now_us: int) -> Iterator[Transition]:
    """The levels that begin or end at an event time; only marks are looked at."""
    if now_us % MARK_US == 0:
        levels = burns(found.measure, found.governed, now_us)
        yield from states.burn(found, levels, now_us)


def mark_after(states: IndicatorStates, found: Assessment, now_us: int) -> int | None:
    """The next mark at which a level may begin or end."""
    return next_mark_us(found.measure, found.governed, states.burning(found), now_us)
