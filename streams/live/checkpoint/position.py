"""How far everything had come, as the head of a task's state says."""

from typing import Any, TypedDict, cast

from mailsla.streams.runtime.checkpoint.state_log import Head


class TaskPosition(TypedDict, total=False):
    """What stands in a head besides what every task has (`Head.extra`); event times in µs.

    What an earlier release did not write is missing.
    """

    position_us: int
    """`Scheduler.position_us`."""
    patient_us: int
    """`Scheduler.patient_us`."""
    open_since: str | None
    """`Scheduler.open_since`, ``YYYY-MM``."""
    known_us: int
    """`LatencyEvaluation.known_us`."""
    mail_us: int
    """`Latency.clock_us`."""
    heard_us: int
    """`Latency.heard_us`."""
    sources: list[list[Any]]
    """`Sources.export`."""
    heard: int
    """`Platform.heard`."""
    received_us: int
    """When the last record came that moved event time, by the broker's clock."""
    published: dict[str, int]
    """Log of the state → the number of its first record that had not been published."""
    meets_platform: bool
    """Whether this task is the one that the platform's events come to."""
    anew: bool
    """Whether everything is to be judged anew, as this release reads it."""


def position(head: Head) -> TaskPosition:
    """The part of a head that the live worker writes."""
    return cast(TaskPosition, head.extra)
