"""Time that passes only when somebody waits for it, and an event loop that lives in it."""

import asyncio
import math
import selectors
from concurrent.futures import Future, ThreadPoolExecutor


class _Leap(selectors.SelectSelector):
    """Nothing comes from outside: what would be waited for is passed over at once."""

    now_s = 0.0

    def select(self, timeout=None):
        if timeout is None:
            raise RuntimeError("everybody waits, and for nothing that could come")
        # By a step at least: late in a long world a nanosecond, by which the loop takes a timer for
        # due that is not beyond now, is less than the distance of two floats.
        self.now_s = max(self.now_s + timeout, math.nextafter(self.now_s, math.inf))
        return []


class _Inline(ThreadPoolExecutor):
    """What would run in a thread runs in its place: a seed decides the order of everything."""

    def submit(self, function, /, *args, **kwargs):
        done = Future()
        try:
            done.set_result(function(*args, **kwargs))
        except BaseException as error:
            done.set_exception(error)
        return done


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose time is the world's."""

    def __init__(self):
        self._leap = _Leap()
        super().__init__(self._leap)
        self.set_default_executor(_Inline(1))

    def time(self):
        return self._leap.now_s

    def spend(self, seconds):
        """Somebody is busy for so long; meanwhile nobody else has a turn."""
        self._leap.now_s += seconds

    def _write_to_self(self):
        """There is no other thread to be woken by."""


class Clock:
    """Stands in for the module `time`: every look at it may take a moment.

    Args:
        loop: whose time it is.
        start_us: the world's time when the loop's is 0, µs since 1970.
        chance: how long a look takes; none at all without.

    """

    def __init__(self, loop, start_us, chance=None):
        self._loop, self.start_us, self._chance = loop, start_us, chance

    @property
    def now_us(self):
        """The world's time, µs."""
        return self.start_us + int(self._loop.time() * 1e6)

    def monotonic(self):
        if self._chance is not None and self._chance.random() < 0.1:
            self._loop.spend(self._chance.choice((0.001, 0.01, 0.03, 0.07)))
        return self._loop.time()

    def time_ns(self):
        return self.now_us * 1000
