"""Settings of every property test, and what no test leaves to the next one."""

import os

import pytest
from hypothesis import settings

from streams.runtime.faust_app.restart import AWAY

# The same examples at every run of continuous integration: a change is judged by what it changed.
# New examples are drawn in every run by hand and in the nightly ones.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.fixture(autouse=True)
def nothing_is_handed_on():
    """A worker leaves word of an absent broker to its next process; a test is no such process."""
    yield
    os.environ.pop(AWAY, None)
