"""The algebra of interval sets, held against plain sets of integers."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mailsla.streams.time.intervals import EMPTY, IntervalSet, span, splice, union

instants = st.integers(min_value=0, max_value=40)
pairs = st.lists(st.tuples(instants, instants), max_size=8)


def points(intervals: IntervalSet) -> set[int]:
    return {each for start, end in intervals.pairs() for each in range(start, end)}


def covered(given_pairs: list[tuple[int, int]]) -> set[int]:
    return {each for start, end in given_pairs for each in range(start, end)}


def canonical(intervals: IntervalSet) -> bool:
    flat = [edge for pair in intervals.pairs() for edge in pair]
    return all(one < other for one, other in pairwise(flat))


@given(pairs)
def test_a_set_holds_exactly_what_its_pairs_cover(first: list[tuple[int, int]]) -> None:
    found = IntervalSet.of(first)
    assert points(found) == covered(first)
    assert canonical(found)
    assert found.length() == len(covered(first))
    assert IntervalSet.of(reversed(first)) == found == IntervalSet.of(first + first)


@given(pairs, pairs)
def test_union_intersection_and_difference_are_those_of_sets(
    first: list[tuple[int, int]], second: list[tuple[int, int]]
) -> None:
    a, b = IntervalSet.of(first), IntervalSet.of(second)
    for found, wanted in (
        (a | b, points(a) | points(b)),
        (a & b, points(a) & points(b)),
        (a - b, points(a) - points(b)),
    ):
        assert points(found) == wanted
        assert canonical(found)


@given(pairs, pairs, pairs)
def test_the_laws_of_the_algebra_hold(
    first: list[tuple[int, int]], second: list[tuple[int, int]], third: list[tuple[int, int]]
) -> None:
    a, b, c = (IntervalSet.of(each) for each in (first, second, third))
    assert a | b == b | a
    assert a & b == b & a
    assert (a | b) | c == a | (b | c) == union((a, b, c))
    assert a & (b | c) == (a & b) | (a & c)
    assert a - (b | c) == (a - b) - c
    assert (a - b) | (a & b) == a
    assert (a - b) & b == EMPTY
    # Net downtime as the agreement defines it: |outages or exclusions| - |exclusions|.
    assert (a - b).length() == (a | b).length() - b.length()


@given(pairs, instants, instants)
def test_clipping_is_intersecting_with_a_span(
    first: list[tuple[int, int]], start: int, end: int
) -> None:
    a = IntervalSet.of(first)
    assert a.clip(start, end) == a & span(start, end)
    assert a.within(start, end) == len(points(a) & set(range(start, end)))
    whole = [(low, high) for low, high in a.pairs() if max(low, start) < min(high, end)]
    assert a.meeting(start, end).pairs() == whole


@given(pairs, pairs, instants)
def test_splicing_takes_one_set_before_and_the_other_from_an_instant_on(
    first: list[tuple[int, int]], second: list[tuple[int, int]], cut: int
) -> None:
    a, b = IntervalSet.of(first), IntervalSet.of(second)
    found = splice(a, cut, b)
    assert points(found) == {x for x in points(a) if x < cut} | {x for x in points(b) if x >= cut}
    assert canonical(found)


@given(pairs, instants)
def test_looking_up_an_instant(first: list[tuple[int, int]], instant: int) -> None:
    a = IntervalSet.of(first)
    assert a.covers(instant) == (instant in points(a))
    edges = sorted(edge for pair in a.pairs() for edge in pair if edge > instant)
    assert a.next_edge(instant) == (edges[0] if edges else None)


@given(pairs, st.integers(min_value=1, max_value=41))
def test_a_length_is_reached_after_so_many_covered_instants(
    first: list[tuple[int, int]], length: int
) -> None:
    a = IntervalSet.of(first)
    ordered = sorted(points(a))
    wanted = ordered[length - 1] + 1 if length <= len(ordered) else None
    assert a.reach(length) == wanted
    if wanted is not None:
        assert a.within(0, wanted) == length


@given(pairs, st.lists(st.tuples(instants, instants), max_size=6))
def test_touching_is_overlap_with_a_closed_interval(
    first: list[tuple[int, int]], asked: list[tuple[int, int]]
) -> None:
    a = IntervalSet.of(first)
    closed = [(min(each), max(each)) for each in asked]
    low = np.array([each[0] for each in closed], dtype=np.int64)
    high = np.array([each[1] for each in closed], dtype=np.int64)
    wanted = [any(x < end and y >= start for start, end in first if start < end) for x, y in closed]
    assert a.touched(low, high).tolist() == wanted
