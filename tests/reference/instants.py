"""Integer microseconds, local days, and sweeps over elementary segments."""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from math import floor
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
HOUR = 3600 * SECOND

Interval = tuple[int, int]


def micros(moment: datetime) -> int:
    """µs since 1970 of an aware time."""
    delta = moment - EPOCH
    return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds


def parse(text: str) -> int:
    """µs since 1970 of an RFC 3339 time."""
    return micros(datetime.fromisoformat(text.upper()))


def from_seconds(value: float) -> int:
    """µs of a float of seconds, rounded half up."""
    return floor(value * 1e6 + 0.5)


def from_millis(value: float) -> int:
    """µs of a float of milliseconds, rounded half up."""
    return floor(value * 1000 + 0.5)


def midnight(day: date, zone: ZoneInfo) -> int:
    """The first instant of a local day."""
    return micros(datetime(day.year, day.month, day.day, tzinfo=zone))


def local_day(instant: int, zone: ZoneInfo) -> date:
    """The local day an instant falls on."""
    return (EPOCH + timedelta(microseconds=instant)).astimezone(zone).date()


def days_between(first: date, last: date) -> list[date]:
    """Every day of ``[first, last)``."""
    return [first + timedelta(days=n) for n in range((last - first).days)]


def next_month(first: date) -> date:
    """The first day of the following month."""
    return date(first.year + first.month // 12, first.month % 12 + 1, 1)


def inside(instant: int, intervals: Iterable[Interval]) -> bool:
    """Whether some half-open interval holds the instant."""
    return any(start <= instant < end for start, end in intervals)


def edges(intervals: Iterable[Interval]) -> list[int]:
    """Every start and end."""
    return [edge for interval in intervals for edge in interval]


def measure(start: int, end: int, boundaries: Iterable[int], holds: Callable[[int], bool]) -> int:
    """µs of ``[start, end)`` during which ``holds``, which may only change at the boundaries."""
    points = sorted({start, end, *(edge for edge in boundaries if start < edge < end)})
    return sum(right - left for left, right in pairwise(points) if holds(left))
