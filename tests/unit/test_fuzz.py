"""The fuzzers themselves run, and find nothing in their first inputs (the rest: ``make fuzz``)."""

import random

import pytest

from tests.fuzz.targets import TARGETS, task


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.__name__)
def test_a_fuzzer_finds_nothing_in_its_first_inputs(target):
    for count in range(10 if target is task else 20):
        target(random.Random(f"0 {target.__name__} {count}"))
