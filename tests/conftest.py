"""Settings of every property test."""

import os

from hypothesis import settings

# The same examples at every run of continuous integration: a change is judged by what it changed.
# New examples are drawn in every run by hand and in the nightly ones.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
