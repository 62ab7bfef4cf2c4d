"""Stretches of time ``[from, to)`` in µs, as ascending, disjoint pairs. Pure."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

Span = tuple[int, int]
"""``[from, to)``, µs since 1970."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant(us: int, zone: ZoneInfo) -> datetime:
    """A moment on the local clock."""
    return (_EPOCH + timedelta(microseconds=us)).astimezone(zone)


def union(spans: Iterable[Span]) -> list[Span]:
    """Every instant of any of the spans, once."""
    merged: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def subtract(spans: Iterable[Span], taken: Iterable[Span]) -> list[Span]:
    """What is left of disjoint spans without the time of others."""
    holes = union(taken)
    left = []
    for start, end in spans:
        for hole_start, hole_end in holes:
            if hole_end <= start or end <= hole_start:
                continue
            if start < hole_start:
                left.append((start, hole_start))
            start = max(start, hole_end)
        if start < end:
            left.append((start, end))
    return left


def clip(spans: Iterable[Span], start: int, end: int) -> list[Span]:
    """The parts of spans within ``[start, end)``."""
    cut = ((max(first, start), min(last, end)) for first, last in spans)
    return [(first, last) for first, last in cut if first < last]


def length(spans: Iterable[Span]) -> int:
    """µs of disjoint spans together."""
    return sum(end - start for start, end in spans)


def days_touched(spans: Iterable[Span], zone: ZoneInfo) -> Iterator[date]:
    """Every local day with an instant of a span, in order, possibly repeated."""
    for start, end in spans:
        day, last = instant(start, zone).date(), instant(end - 1, zone).date()
        while day <= last:
            yield day
            day += timedelta(days=1)
