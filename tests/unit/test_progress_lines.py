"""Progress without a terminal: few lines, each of them true."""

import pytest
from rich.console import Console
from rich.progress import Progress

from mailsla.streams.cli.output.progress import Bars, PlainLines


class Clock:
    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


def test_a_line_at_the_beginning_every_five_seconds_and_at_the_end(clock):
    lines = []
    display = PlainLines(lines.append, clock)
    for step in range(125):  # a reading every tenth of a second, 100 records each
        clock.now_s = step / 10
        display.show("processing", step * 100, 12_400)
    display.show("processing", 12_400, 12_400)
    assert lines == [
        "processing: 0 / 12,400 records (0 %)",
        "processing: 5,000 / 12,400 records (40 %), 1,000/s",
        "processing: 10,000 / 12,400 records (80 %), 1,000/s",
        "processing: 12,400 / 12,400 records (100 %), 1,000/s",
    ]


def test_all_is_said_only_when_all_is_done(clock):
    lines = []
    display = PlainLines(lines.append, clock)
    display.show("landing", 0, 1_000_000)
    clock.now_s = 10.0
    display.show("landing", 999_999, 1_000_000)
    assert lines[-1] == "landing: 999,999 / 1,000,000 records (99 %), 100,000/s"


def test_stages_follow_each_other_and_one_with_nothing_to_do_is_passed_over(clock):
    lines = []
    display = PlainLines(lines.append, clock)
    for stage, done, total in (
        ("processing", 5, 5), ("processing more", 0, 0), ("closing", 0, None), ("landing", 1, 9),
    ):  # fmt: skip
        display.show(stage, done, total)
    assert lines == [
        "processing: 5 / 5 records (100 %)",
        "closing …",
        "landing: 1 / 9 records (11 %)",
    ]


def test_standing_still_is_a_rate_of_nothing(clock):
    lines = []
    display = PlainLines(lines.append, clock)
    for at_s in range(0, 30, 5):
        clock.now_s = float(at_s)
        display.show("landing", 7, 10)
    assert lines[1:] == ["landing: 7 / 10 records (70 %), 0/s"] * 5


def test_a_bar_is_full_only_when_the_work_is_done():
    progress = Progress(console=Console(quiet=True))
    bars = Bars(progress)
    bars.show("processing", 3, 10)
    bars.show("closing", 0, None)
    processing, closing = progress.tasks
    assert (processing.percentage, closing.finished) == (30.0, False)
    bars.show("landing", 0, 4)
    assert closing.finished
    bars.show("landing", 4, 4)
    assert progress.tasks[-1].finished
