"""When a child that has ended is started again: data and a rule, with the time as an argument."""

from dataclasses import dataclass
from typing import Final

WRONG_SETTINGS: Final = 2
GIVEN_UP: Final = 3
"""How a worker ends that starting again would not help."""


@dataclass(frozen=True)
class RestartPolicy:
    """A pause that doubles with each end in a row, from ``first_s`` to ``longest_s``.

    A child that has run for ``healthy_s`` has recovered: its next end is the first again. One that
    ends with a code of ``lasting`` stays down.
    """

    first_s: float = 1.0
    longest_s: float = 30.0
    healthy_s: float = 60.0
    lasting: frozenset[int] = frozenset({WRONG_SETTINGS, GIVEN_UP})

    def pause_s(self, ends: int) -> float:
        """Seconds until the start that follows so many ends in a row (≥ 1)."""
        return min(self.longest_s, self.first_s * 2.0 ** min(ends - 1, 32))

    def ends_in_a_row(self, before: int, ran_s: float) -> int:
        """The count with an end after ``ran_s`` seconds, given the count before it."""
        return 1 if ran_s >= self.healthy_s else before + 1


@dataclass(frozen=True)
class Down:
    """A child that has ended: how often in a row, when, and when it is due again, None for never.

    Times are monotonic seconds.
    """

    ends: int
    ended_at: float
    due_at: float | None
