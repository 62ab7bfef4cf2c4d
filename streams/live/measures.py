"""What the live worker tells of itself: metrics, and whether it is ready."""

import logging
import time
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final

from mailsla.streams.clauses.sections import antispam
from mailsla.streams.live.decode.records import DecodedBatch
from mailsla.streams.live.publish.times import text_of
from mailsla.streams.live.task import Task
from mailsla.streams.metrics import names
from mailsla.streams.metrics.health import Health

logger = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 5.0
_STATES: Final = ("at_risk", "failing", "breached")


class Measures:
    """Those of one worker.

    Args:
        health: what its ``/ready`` answers by.
        silence_us: how long nothing must come of a source until it is taken to be silent, µs.

    """

    def __init__(self, health: Health, silence_us: int) -> None:
        self._health, self._silence_us = health, silence_us
        self._look_at = 0.0
        self._silent: set[str] = set()

    def taken(self, batch: DecodedBatch) -> None:
        """A batch was checked."""
        for field, count in batch.refused.items():
            names.REFUSED.labels(batch.topic, field).inc(count)
        if batch.misplaced:
            names.MISPLACED.labels(batch.topic).inc(batch.misplaced)

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

    def look(self, tasks: Collection[Task], now_s: float) -> None:
        """How the tasks stand at a monotonic time; every few seconds is enough."""
        if now_s < self._look_at:
            return
        self._look_at = now_s + _LOOK_EVERY_S
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
            for topic, count in task.tenants.strangers.held_back.items():
                names.HELD_BACK.labels(topic).inc(count)
            task.late.clear()
            task.tenants.strangers.held_back.clear()
            task.outbox.breached.clear()
        for topic, at_us in known_us.items():
            names.WATERMARK.labels(topic).set(at_us / 1e6)
        names.UNKNOWN_DEADLINES.set(antispam.left_out())
        names.UNKNOWN_TENANTS.set(sum(len(task.tenants.strangers) for task in tasks))
        for state in _STATES:
            names.STATES.labels(state).set(states[state])
        self._tell_silent(tasks)

    def _tell_silent(self, tasks: Collection[Task]) -> None:
        """Which sources have gone silent, and which have come back."""
        heard_us: dict[str, int] = {}
        for task in tasks:
            for source, at_us in task.tenants.latency.sources.heard():
                heard_us[source] = max(at_us, heard_us.get(source, at_us))
        present_us = max(heard_us.values(), default=0)
        silent = {one for one, at in heard_us.items() if at + self._silence_us < present_us}
        for source in sorted(silent - self._silent):
            logger.warning(
                "nothing has come of %s since %s; its messages in flight age all the same: "
                "see that its log is shipped",
                source,
                text_of(heard_us[source]),
            )
        for source in sorted(self._silent - silent):
            logger.info("%s is heard of again", source)
        self._silent = silent
        names.SILENT_SOURCES.set(len(silent))
