"""How far a long command is: a bar on a terminal, else a line now and then; on stderr."""

import time
from types import TracebackType
from typing import Final, Self

from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from streams.cli.common import console

EVERY_S: Final = 10.0
"""Between two lines about one step where there is no terminal."""


class Steps:
    """The steps of a command, one after the other; use as a context."""

    def __init__(self) -> None:
        out = console(stderr=True)
        self._out = out
        self._bars: Progress | None = None
        if out.is_terminal:
            self._bars = Progress(
                SpinnerColumn(),
                TextColumn("{task.description:<34}"),
                BarColumn(),
                TextColumn("{task.completed:>9,.0f}"),
                TimeElapsedColumn(),
                console=out,
            )

    def __enter__(self) -> Self:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def begin(self, name: str, total: float | None = None) -> "Step":
        """The next step; ``total``: of how many, where that is known."""
        if self._bars is None:
            self._out.print(name)
            return Step(self, name, total)
        return Step(self, name, total, self._bars.add_task(name, total=total))

    def show(self, step: "Step") -> None:
        """Show where a step is."""
        if self._bars is not None and step.task is not None:
            self._bars.update(
                step.task, description=step.name, completed=step.count, total=step.total
            )
        elif self._bars is None and step.is_due():
            self._out.print(f"{step.name}: {step.figures} after {step.elapsed_s:.0f} s")


class Step:
    """One step: how much of it is done."""

    def __init__(
        self, steps: Steps, name: str, total: float | None, task: TaskID | None = None
    ) -> None:
        self.name = name
        self.total = total
        self.task = task
        self.count = 0.0
        self._steps = steps
        self._begun = self._said = time.monotonic()
        self._ended = False

    @property
    def elapsed_s(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._begun

    @property
    def figures(self) -> str:
        """``1,200 of 5,000``."""
        return f"{self.count:,.0f}" + (f" of {self.total:,.0f}" if self.total else "")

    def at(self, count: float, total: float | None = None) -> None:
        """So much is done, of so much where that is known by now."""
        self.count, self.total = count, self.total if total is None else total
        self._steps.show(self)

    def done(self, count: float | None = None) -> None:
        """All of it is done."""
        self.count = self.count if count is None else count
        self.total = self.count = max(self.count, 1)
        self._ended = True
        self._steps.show(self)

    def is_due(self) -> bool:
        """Whether a line about it is due."""
        now = time.monotonic()
        if not self._ended and now < self._said + EVERY_S:
            return False
        self._said = now
        return True
