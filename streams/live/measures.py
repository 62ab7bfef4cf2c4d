"""What the live worker tells of itself: metrics, and whether it is ready."""

import time
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final

from streams.live.decode.records import DecodedBatch
from streams.live.task import Task
from streams.metrics import names
from streams.metrics.health import Health

_LOOK_EVERY_S: Final = 5.0
_STATES: Final = ("at_risk", "failing", "breached")


class Measures:
    """Those of one worker.

    Args:
        health: what its ``/ready`` answers by.

    """

    def __init__(self, health: Health) -> None:
        self._health = health
        self._look_at = 0.0

    def taken(self, batch: DecodedBatch) -> None:
        """A batch was checked."""
        for field, count in batch.refused.items():
            names.REFUSED.labels(batch.topic, field).inc(count)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Around one pass of a stage of the work; it shows that the worker gets on."""
        begun = time.monotonic()
        yield
        self._health.moved_at = time.monotonic()
        names.STAGE_SECONDS.labels(name).observe(self._health.moved_at - begun)

    @contextmanager
    def recovery(self) -> Iterator[None]:
        """Around the reading back of a task's state."""
        begun = time.monotonic()
        self._health.recovered = False
        yield
        self._health.recovered = True
        names.RECOVERY_SECONDS.set(time.monotonic() - begun)

    def look(self, tasks: Collection[Task]) -> None:
        """How the tasks stand; every few seconds is enough."""
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + _LOOK_EVERY_S
        known_us: dict[str, int] = {}
        states: Counter[str] = Counter()
        for task in tasks:
            for topic, at_us in task.known_us.items():
                known_us[topic] = min(at_us, known_us.get(topic, at_us))
            states += task.states.count()
            for topic, count in task.late.items():
                names.LATE.labels(topic).inc(count)
            for indicator, count in task.outbox.breached.items():
                names.BREACHES.labels(indicator).inc(count)
            task.late.clear()
            task.outbox.breached.clear()
        for topic, at_us in known_us.items():
            names.WATERMARK.labels(topic).set(at_us / 1e6)
        for state in _STATES:
            names.STATES.labels(state).set(states[state])
