"""Tables of others, told again; `docs/comparison.md` names where the agreement reads otherwise.

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
from fractions import Fraction

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
    def seconds(unit):
        return (unit - 1000) * UNIT_S

    states = [
        (seconds(time), up, FOR_EVER_S if held is None else held * UNIT_S)
        for time, up, held in told.states
    ]
    downtimes = [(seconds(start), seconds(end)) for start, end in told.downtimes]
    measured = ratio(10, states, downtimes)
    assert measured.observed == Decimal(told.ours) / 100


def ratio(days, states, excluded=(), outages=()):
    """The connected share of a service of some days.

    States are ``(at, up, held)``, exclusions and declared outages ``[start, end)``, in seconds
    from its beginning.
    """
    served = contract(effective_from="2026-10-01", effective_to=f"2026-10-{days + 1:02d}")
    scene = Scene(versions=[served])

    def at(second):
        return scene.start + second * 1_000_000

    for second, up, held in states:
        scene.say(
            "probe.result", at(second), probe="p", channel="smtp", capability="send",
            scope="external", ok=up, interval_s=held / 2,
        )  # fmt: skip
    for number, (start, end) in enumerate(excluded):
        scene.say(
            "exclusion.declared", at(start), exclusion_id=str(number), code="carrier",
            starts_at=at(start), ends_at=at(end),
        )  # fmt: skip
    for number, (start, end) in enumerate(outages):
        scene.say(
            "outage.declared", at(start), outage_id=str(number), starts_at=at(start),
            ends_at=at(end), reason="seen by others", actor="li",
        )  # fmt: skip
    return scene.measures()["connectivity.ratio"]


DAY_S = 86_400
WEEK_S = 7 * DAY_S
FIRST_S, STOPPED_S, AGAIN_S = 97_550, 149_505, 149_510
"""Of a week: the first state in the log, when monitoring stopped, and when it went on."""
DOWNTIME = (148_643, 149_323)


@pytest.mark.parametrize(
    ("states", "downtimes", "theirs", "ours"),
    [
        # They divide by the time that is known: all of it down is 0 %.
        ([(FIRST_S, DOWN, FOR_EVER_S)], (), Fraction(0), Fraction(FIRST_S, WEEK_S)),
        ([(FIRST_S, UP, FOR_EVER_S)], (), Fraction(1), Fraction(1)),
        # 680 s of downtime while up, and 5 s without monitoring, are told apart and cost nothing.
        (
            [(FIRST_S, UP, STOPPED_S - FIRST_S), (AGAIN_S, UP, FOR_EVER_S)],
            [DOWNTIME], Fraction(1), Fraction(1),
        ),
        # Nothing in the log: they take the state that was asked for as the first one, here up.
        ([], (), Fraction(1), None),
    ],
    ids=["a host down", "a host up", "a downtime while up, and a pause", "no log"],
)  # fmt: skip
def test_a_week_of_logs_is_that_of_monitoring_availability_or_says_why_not(
    states, downtimes, theirs, ours
):
    measured = ratio(7, states, downtimes)
    known_s = Fraction(WEEK_S - FIRST_S)
    assert share(measured) == ours
    if ours is not None:
        lost = (1 - ours) * WEEK_S
        assert 1 - lost / known_s == theirs


def share(measured):
    """The exact value, None where there is none."""
    if measured.observed is None:
        return None
    return Fraction(measured.numerator, measured.denominator)


def beats(pattern, days=10):
    """Checks at equal distance over the days, one for each letter: u(p) or d(own)."""
    each = days * DAY_S // len(pattern)
    return [(number * each, letter == "u", each) for number, letter in enumerate(pattern)]


@pytest.mark.parametrize(
    ("pattern", "theirs"),
    [("u", 1), ("uuu", 1), ("d", 0), ("dd", 0), ("du", Fraction(1, 2)), ("ud", Fraction(1, 2)),
     ("uuuud", Fraction(4, 5)), ("dudu", Fraction(1, 2)), ("ududududud", Fraction(1, 2))],
)  # fmt: skip
def test_checks_at_equal_distance_are_counted_as_by_uptime_kuma(pattern, theirs):
    assert share(ratio(10, beats(pattern))) == theirs


def test_where_uptime_kuma_counts_checks_time_counts_here():
    # No check, or maintenance alone: 0 % there, no figure here.
    assert share(ratio(10, [])) is None
    assert share(ratio(10, [], [(0, 10 * DAY_S)])) is None
    # Long after the last check it is still 80 % there; here unknown time stays in the denominator.
    first_half = [(at // 2, up, held // 2) for at, up, held in beats("uuuud")]
    assert share(ratio(10, first_half)) == Fraction(9, 10)
    # One check up and one down are a half there, however long each of them stood.
    assert share(ratio(10, [(0, UP, FOR_EVER_S), (9 * DAY_S, DOWN, FOR_EVER_S)])) == Fraction(9, 10)


@pytest.mark.parametrize(
    ("outages", "theirs"),
    [
        ([], 1),
        ([(0, DAY_S)], Fraction(9, 10)),
        ([(0, DAY_S), (5 * DAY_S, 6 * DAY_S)], Fraction(8, 10)),
        # Of two monitors at once, in part, one within the other, one after the other.
        ([(0, DAY_S), (0, DAY_S)], Fraction(9, 10)),
        ([(0, 2 * DAY_S), (DAY_S, 3 * DAY_S)], Fraction(7, 10)),
        ([(0, 4 * DAY_S), (DAY_S, 2 * DAY_S)], Fraction(6, 10)),
        ([(0, DAY_S), (DAY_S, 2 * DAY_S)], Fraction(8, 10)),
        # Over the edges of the window: cut to it.
        ([(-5 * DAY_S, DAY_S), (9 * DAY_S, 15 * DAY_S)], Fraction(8, 10)),
        ([(-5 * DAY_S, 15 * DAY_S)], 0),
        ([(-5 * DAY_S, 0), (10 * DAY_S, 15 * DAY_S)], 1),
    ],
)
def test_outages_in_a_window_are_counted_as_by_oneuptime(outages, theirs):
    assert share(ratio(10, [(0, UP, FOR_EVER_S)], outages=outages)) == theirs


@pytest.mark.parametrize(
    ("outages", "excluded", "theirs", "ours"),
    [
        ([(0, DAY_S)], [], Fraction(9, 10), Fraction(9, 10)),
        # What is excluded leaves the period there, and only the downtime here.
        ([(0, DAY_S), (5 * DAY_S, 6 * DAY_S)], [(0, DAY_S)], Fraction(8, 9), Fraction(9, 10)),
        ([(0, DAY_S)], [(5 * DAY_S, 6 * DAY_S)], Fraction(8, 9), Fraction(9, 10)),
        ([(0, DAY_S)], [(0, DAY_S)], Fraction(1), Fraction(1)),
    ],
    ids=["nothing excluded", "one of two outages", "a time that was up", "the only outage"],
)
def test_a_reporting_period_is_that_of_zabbix_or_says_why_not(outages, excluded, theirs, ours):
    measured = share(ratio(10, [(0, UP, FOR_EVER_S)], excluded, outages))
    assert measured == ours
    period = 10 - sum((end - start) // DAY_S for start, end in excluded)
    assert 1 - (1 - measured) * 10 / period == theirs
