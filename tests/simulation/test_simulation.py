"""Some histories in the suite; `python -m tests.simulation` lives through as many as there is time.

The first seeds are those of histories that once failed, and what they showed.
"""

import os
import time

import pytest

from tests.simulation.runs import SHARE_A_LOAD, failure

SECONDS = float(os.environ.get("MAILSLA_SIMULATION_S", "40"))
FOUND = {
    10: "a month that had been given up was told again after a restart",
    20: "January 1970 was told of after a restart before the first event",
}
BEGIN = 1_000 * SHARE_A_LOAD


@pytest.mark.slow
@pytest.mark.parametrize("seed", FOUND)
def test_a_history_that_once_failed(seed):
    assert failure(seed) == [], f"again: python -m tests.simulation --seed {seed}"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_history_of_crashes_changes_what_is_told():
    """As many as there is time for, always the same first."""
    ends, seed = time.process_time() + SECONDS, BEGIN
    while time.process_time() < ends:
        assert failure(seed) == [], f"again: python -m tests.simulation --seed {seed}"
        seed += 1
    assert seed > BEGIN
