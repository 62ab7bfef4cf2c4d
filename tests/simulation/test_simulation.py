"""Some histories in the suite; `make simulate` lives through as many as there is time for."""

import os
import time

import pytest

from tests.simulation.runs import SHARE_A_LOAD, failure

SECONDS = float(os.environ.get("MAILSLA_SIMULATION_S", "40"))
FIRST = 1_000 * SHARE_A_LOAD


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_history_of_crashes_changes_what_is_told():
    ends, seed = time.process_time() + SECONDS, FIRST
    while time.process_time() < ends:
        lines = failure(seed)
        assert not lines, "\n".join((f"again: make simulate SEED={seed}", *lines[:5]))
        seed += 1
    assert seed > FIRST
