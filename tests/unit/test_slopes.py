"""What is taken for a slope in a load that goes on."""

import math
from random import Random

import pytest

from tests.faults.slopes import slope_of

EVENTS_PER_S = 5_000


def readings(value):
    """Half an hour of them."""
    chance = Random(3)
    return [(moment, value(moment, chance)) for moment in range(0, 1_800, 5)]


def a_worker(seconds, chance):
    """Megabytes of one that fills its caches, and takes and gives back as it works."""
    filling = 120 * (1 - math.exp(-seconds / 100))
    return 300 + filling + chance.uniform(0, 80) + seconds % 40


def test_what_fills_up_and_what_comes_and_goes_is_no_slope():
    assert slope_of("MB", readings(a_worker)).holds


def test_a_pointer_left_of_each_event_is_one():
    left = 8 * EVENTS_PER_S / 1e6
    slope = slope_of(
        "MB", readings(lambda seconds, chance: a_worker(seconds, chance) + left * seconds)
    )
    assert not slope.holds
    assert slope.per_hour == pytest.approx(8 * EVENTS_PER_S * 3600 / 1e6, rel=0.2)


def test_a_descriptor_left_open_now_and_then_is_one():
    assert not slope_of("descriptors", readings(lambda seconds, _: 60 + seconds // 300)).holds
    assert slope_of("descriptors", readings(lambda seconds, _: 60 + seconds % 7)).holds


def test_a_worker_that_falls_behind_ever_more_is_one():
    assert not slope_of("s behind", readings(lambda seconds, _: 0.01 * seconds)).holds
    assert slope_of("s behind", readings(lambda _, chance: chance.uniform(0.1, 3.0))).holds
