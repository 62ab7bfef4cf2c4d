"""Tables of others, told again: Icinga's availability of an interval under downtimes.

Icinga's cases run over an interval from 1000 to 2000; here that is a service of ten days, so that
one unit is 864 s. A problem state is a probe that fails, a downtime an exclusion:

    1000      1100      1200      1300      1400      1500      1600                2000
      ├─ up ────┼─ up ────┼─ DOWN ──┼─ DOWN ──┼─ DOWN ──┼─ up ────┼─ up ──────────────┤
                [     excluded     )          [     excluded     )
                                      10 % down and not excluded

Where the agreement reads otherwise, the case says so: unknown time stays in the denominator, and
nothing is concluded from later states about the time before the first result.
"""

from dataclasses import dataclass
from decimal import Decimal

import pytest

from tests.unit.clauses_scene import Scene, contract

UNIT_S = 864
FOR_EVER_S = 300 * 86_400

UP, DOWN = True, False


@dataclass(frozen=True)
class Case:
    """States ``(at, up, held)`` and downtimes ``[start, end)`` in units; shares in percent.

    A state holds until the next one, or for ``held`` units.
    """

    states: tuple[tuple[int, bool, int | None], ...]
    downtimes: tuple[tuple[int, int], ...]
    theirs: int
    ours: int


def case(*states, downtimes=(), theirs, ours=None):
    told = tuple((*state, None) if len(state) == 2 else state for state in states)
    return Case(told, downtimes, theirs, theirs if ours is None else ours)


CASES = {
    "all changes of a flapping state are considered": case(
        (1000, DOWN), (1100, UP), (1300, DOWN), (1400, UP),
        (1600, DOWN), (1700, UP), (1900, DOWN), theirs=60,
    ),
    "problems count outside downtimes only": case(
        (900, UP), (1200, DOWN), (1500, UP), downtimes=((1100, 1300), (1400, 1600)), theirs=90,
    ),
    "the last state from before the interval goes on in it": case((0, DOWN), theirs=0),
    "a state and a downtime from before the interval reach into it": case(
        (800, DOWN), downtimes=((600, 1800),), theirs=80,
    ),
    "overlapping, nested and adjoining downtimes, over both edges": case(
        (800, DOWN),
        downtimes=((600, 1000), (800, 1200), (1000, 1400), (1600, 2000), (1800, 2200)),
        theirs=80,
    ),
    "the state from before the interval is preferred to what a later change says of it": case(
        (800, DOWN), (1200, UP), theirs=80,
    ),
    "the state from before the interval is preferred to the present one": case(
        (800, DOWN), theirs=0,
    ),
    # Read otherwise by the agreement.
    "what was before the first result is unknown, whatever the first change says": case(
        (1200, UP), theirs=80, ours=100,
    ),
    "unknown time at the start stays in the denominator": case(
        (1500, DOWN), (1700, UP), theirs=60, ours=80,
    ),
    "unknown time in between stays in the denominator": case(
        (1000, UP, 100), (1600, UP), (1800, DOWN), theirs=60, ours=80,
    ),
}  # fmt: skip


@pytest.mark.parametrize("told", CASES.values(), ids=CASES.keys())
def test_availability_under_downtimes_is_that_of_icinga_or_says_why_not(told):
    served = contract(effective_from="2026-10-01", effective_to="2026-10-11")
    scene = Scene(versions=[served])

    def at(unit):
        return scene.start + (unit - 1000) * UNIT_S * 1_000_000

    for time, up, held in told.states:
        interval_s = FOR_EVER_S if held is None else held * UNIT_S / 2
        scene.say(
            "probe.result", at(time), probe="p", channel="smtp", capability="send",
            scope="external", ok=up, interval_s=interval_s,
        )  # fmt: skip
    for number, (start, end) in enumerate(told.downtimes):
        scene.say(
            "exclusion.declared", at(start), exclusion_id=str(number), code="carrier",
            starts_at=at(start), ends_at=at(end),
        )  # fmt: skip
    measured = scene.measures()["connectivity.ratio"]
    assert measured.observed == Decimal(told.ours) / 100
