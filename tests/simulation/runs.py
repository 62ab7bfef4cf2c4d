"""Histories by their seeds."""

from functools import lru_cache
from random import Random

from tests.simulation.history import lived
from tests.simulation.loads import load
from tests.simulation.mischief import Ordered, Transactions
from tests.simulation.oracle import counted_months, differences, naive_months, outcome

SHARE_A_LOAD = 10
"""So many histories in a row have the same load, and one undisturbed run to be held against."""


@lru_cache(2)
def undisturbed(number):
    """A load, and what is told of it where nothing goes wrong."""
    drawn = load(number)
    found = outcome(lived(drawn), drawn)
    if not drawn.is_corrected:
        counted, naive = counted_months(found), naive_months(drawn)
        assert counted == naive, f"counted {counted}, one by one {naive}"
    return drawn, found


def failure(seed):
    """What is wrong after the history of a seed, a line each; nothing where all is well."""
    drawn, expected = undisturbed(seed // SHARE_A_LOAD)
    chance = Random(f"history {seed}")
    kind = chance.choice((Transactions, Ordered))
    found = outcome(lived(drawn, chance, kind), drawn)
    lines = differences(found, expected, drawn)
    return [f"{drawn.name}, {kind.name}", *lines] if lines else []
