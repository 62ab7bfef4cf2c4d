"""Progress without a terminal: a line when a step ends, and now and then while it lasts."""

import threading

import pytest

from mailsla.streams.cli.output import steps as module
from mailsla.streams.cli.output.steps import Steps


def test_a_quick_step_is_one_line_at_its_end(capsys):
    with Steps() as steps:
        steps.begin("draining", 5).at(2)
        assert capsys.readouterr().err == ""
        steps.begin("statements", 3).done(3)
    assert capsys.readouterr().err == "statements: 3 of 3 after 0 s\n"


def test_a_step_that_fails_says_nothing_more_than_its_error(capsys):
    with pytest.raises(ValueError, match="broken"), Steps() as steps:
        steps.begin("closing 2026-10", 1)
        raise ValueError("broken")
    assert capsys.readouterr().err == ""


def test_a_long_step_is_told_of_even_where_nobody_counts(capsys, monkeypatch):
    monkeypatch.setattr(module, "EVERY_S", 0.01)
    said, told = "", threading.Event()
    with Steps() as steps:
        steps.begin("closing 2026-10", 1)
        for _ in range(1000):
            said += capsys.readouterr().err
            if said or told.wait(0.01):
                break
    assert said.startswith("closing 2026-10: 0 of 1 after 0 s\n")
