"""How far long work has come: bars on a terminal, a plain line every few seconds elsewhere.

A bar is full, and a line says all, only when the work is done.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from mailsla.streams.cli.support.common import console

LINE_EVERY_S: Final = 5.0


class ProgressDisplay(Protocol):
    """Shows stages of work, one after the other."""

    def show(self, stage: str, done: int, total: int | None) -> None:
        """``done`` of ``total`` records of a stage; ``total`` None where nothing is counted."""


class PlainLines:
    """A line when a stage begins, every ``LINE_EVERY_S`` while it lasts, and when it is done.

    Args:
        write: takes one line.
        now_s: seconds of a clock that never goes back.
    """

    def __init__(self, write: Callable[[str], None], now_s: Callable[[], float]) -> None:
        self._write, self._now_s = write, now_s
        self._stage: str | None = None
        self._is_done = False
        # What the last line said, and when it was written.
        self._done, self._at_s = 0, 0.0

    def show(self, stage: str, done: int, total: int | None) -> None:
        """Write a line where one is due; none about a stage with nothing to do."""
        now_s, begins, is_done = self._now_s(), stage != self._stage, done == total
        if total == 0 or (is_done and self._is_done and not begins):
            return
        if not begins and not is_done and now_s - self._at_s < LINE_EVERY_S:
            return
        self._write(_line(stage, done, total, None if begins else self._rate(done, now_s)))
        self._stage, self._is_done, self._done, self._at_s = stage, is_done, done, now_s

    def _rate(self, done: int, now_s: float) -> float | None:
        """Records a second since the last line."""
        passed_s = now_s - self._at_s
        return max(0, done - self._done) / passed_s if passed_s > 0 else None


def _line(stage: str, done: int, total: int | None, rate: float | None) -> str:
    if total is None:
        return f"{stage} …"
    line = f"{stage}: {done:,} / {total:,} records ({100 * done // total} %)"
    return line if rate is None else f"{line}, {rate:,.0f}/s"


class Bars:
    """A bar for each stage; one without a total is over when the next begins."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._stages: dict[str, TaskID] = {}
        self._uncounted: TaskID | None = None

    def show(self, stage: str, done: int, total: int | None) -> None:
        """Move the stage's bar."""
        if stage not in self._stages:
            self._end_uncounted()
            self._stages[stage] = self._progress.add_task(stage, total=None)
            self._uncounted = self._stages[stage] if total is None else None
        self._progress.update(self._stages[stage], completed=done, total=total)

    def _end_uncounted(self) -> None:
        if self._uncounted is not None:
            self._progress.update(self._uncounted, completed=1, total=1)


@contextmanager
def progress_display() -> Iterator[ProgressDisplay]:
    """Bars where both outputs are a terminal, else lines; on stderr, results have stdout."""
    out = console(stderr=True)
    if not (out.is_terminal and sys.stdout.isatty()):
        yield PlainLines(lambda line: out.print(line, markup=False), time.monotonic)
        return
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description:<34}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=out,
    ) as progress:
        yield Bars(progress)
