"""The life of an indicator: what is told of a run of states, and what is held back."""

import pytest

from mailsla.streams.clauses.model.state_machine import Life

HOLD = 60


def lived(*states, hold=HOLD, firm=False):
    """What is told of (time, state) one after the other, without the prefix of the types."""
    life = Life()
    return [
        (type_.rpartition(".")[2], state, told_at)
        for at, state in states
        for type_, state, told_at in life.turn(state, firm, at, hold)
    ]


def test_a_change_is_told_once_it_has_held():
    assert lived((10, "failing"), (69, "failing")) == []
    assert lived((10, "failing"), (70, "failing")) == [("failing", "failing", 70)]


def test_a_change_that_turns_back_is_not_told():
    assert lived((10, "failing"), (50, "ok"), (200, "ok")) == []


def test_the_hold_begins_anew_with_every_change():
    assert lived((10, "failing"), (50, "ok"), (55, "failing"), (80, "failing")) == []


def test_a_change_that_held_is_told_though_nobody_looked_meanwhile():
    assert lived((10, "failing"), (500, "ok"), (560, "ok")) == [
        ("failing", "failing", 70),
        ("recovered", "ok", 560),
    ]


def test_a_breach_and_its_withdrawal_are_told_at_once():
    assert lived((10, "breached"), (11, "at_risk"), (12, "ok")) == [
        ("breached", "breached", 10),
        ("withdrawn", "at_risk", 11),
    ]


def test_a_budget_that_is_jumped_over_was_never_at_risk():
    assert lived((10, "breached"), firm=True) == [("breached", "breached", 10)]


def test_a_budget_that_is_at_risk_stays_so_and_is_told_at_once():
    assert lived((10, "at_risk"), firm=True) == [("at_risk", "at_risk", 10)]


def test_without_a_hold_everything_is_told_at_once():
    assert lived((10, "failing"), (11, "ok"), hold=0) == [
        ("failing", "failing", 10),
        ("recovered", "ok", 11),
    ]


@pytest.mark.parametrize("at", [70, 71, 10_000])
def test_the_last_state_is_always_told(at):
    assert lived((0, "failing"), (5, "ok"), (10, "failing"), (at, "failing"))[-1][:2] == (
        "failing",
        "failing",
    )
