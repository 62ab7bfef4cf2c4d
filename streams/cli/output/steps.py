"""How far a long command is: a bar on a terminal, else a line now and then; on stderr."""

import threading
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

from mailsla.streams.cli.support.common import console

EVERY_S: Final = 10.0
"""Between two lines about one step where there is no terminal; a quick one has but its last."""


class Steps:
    """The steps of a command, one after the other; use as a context."""

    def __init__(self) -> None:
        out = console(stderr=True)
        self._out = out
        self._bars: Progress | None = None
        self._step: Step | None = None
        self._over = threading.Event()
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
        else:
            threading.Thread(target=self._tell, name="progress", daemon=True).start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._over.set()
        if self._bars is not None:
            self._bars.stop()

    def _tell(self) -> None:
        """Say where the present step is, now and then, even where nobody counts."""
        while not self._over.wait(EVERY_S):
            if self._step is not None and not self._step.ended:
                self._out.print(self._step.line)

    def begin(self, name: str, total: float | None = None) -> "Step":
        """The next step; ``total``: of how many, where that is known."""
        task = None if self._bars is None else self._bars.add_task(name, total=total)
        self._step = Step(self, name, total, task)
        return self._step

    def show(self, step: "Step") -> None:
        """Show where a step is."""
        if self._bars is not None and step.task is not None:
            self._bars.update(
                step.task, description=step.name, completed=step.count, total=step.total
            )
        elif step.ended:
            self._out.print(step.line)


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
        self.ended = False
        self._begun = time.monotonic()

    @property
    def line(self) -> str:
        """``draining: 1,200 of 5,000 after 12 s``."""
        done = f"{self.count:,.0f}" + (f" of {self.total:,.0f}" if self.total else "")
        return f"{self.name}: {done} after {time.monotonic() - self._begun:.0f} s"

    def at(self, count: float, total: float | None = None) -> None:
        """So much is done, of so much where that is known by now."""
        self.count, self.total = count, self.total if total is None else total
        self._steps.show(self)

    def done(self, count: float | None = None) -> None:
        """All of it is done."""
        self.count = self.count if count is None else count
        self.total = self.count = max(self.count, 1)
        self.ended = True
        self._steps.show(self)
