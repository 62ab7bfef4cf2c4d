"""Programs that read the same topic one after the other, timed from outside alike.

What counts is what a program's consumer group has committed: from its first commit (everything
before is start-up) to its last, which is the end of the topic or the end of its time.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import nan
from statistics import median

from kafka.errors import KafkaError

from mailsla.schemas.topics import MTA
from mailsla.sinks.embedded.children import Running
from mailsla.streams.runtime.kafka.admin import administration
from tests.bench.load import preload
from tests.bench.options import BenchError, Options
from tests.bench.report import note, ratio, show, whole
from tests.bench.stage import Stage, cpu_seconds, new_stage

_STARTUP_S = 90.0
_POLL_S = 0.05


@dataclass(frozen=True)
class Contender:
    """A program: its name, the module with arguments, the consumer group it commits in."""

    name: str
    program: tuple[str, ...]
    group: str


Check = Callable[["Stage", Contender, int], None]
"""Raises where a contender has not done what it has committed."""


@dataclass(frozen=True)
class Score:
    """Events a second, and a second of processor time of the program and of a server.

    ``committed`` events of the topic in the end, those of the start-up included.
    """

    committed: int
    events_per_s: float
    events_per_cpu_s: float
    events_per_server_cpu_s: float


@dataclass(frozen=True)
class _Point:
    at_s: float
    committed: int
    cpu_s: float
    server_cpu_s: float


def timed(
    stage: Stage, child: Running, group: str, events: int, seconds: float, server: str = "broker"
) -> Score:
    """Watch a program until it has committed ``events``, or for ``seconds`` from its first commit.

    Raises:
        BenchError: it ended by itself, or committed nothing in time.
    """
    points: list[_Point] = []
    deadline = time.monotonic() + _STARTUP_S
    with administration(stage.settings) as admin:
        while not points or points[-1].committed < events:
            if child.has_ended():
                raise BenchError(f"{child.child.name} ended by itself: {child.last_lines()}")
            committed, now = _committed(admin, group), time.monotonic()
            if committed > (points[-1].committed if points else 0):
                if not points:
                    deadline = now + seconds
                cpu, other = cpu_seconds(child.pid), cpu_seconds(stage.pids[server])
                points.append(_Point(now, committed, cpu, other))
            if now > deadline:
                break
            time.sleep(_POLL_S)
    if not points:
        raise BenchError(f"{child.child.name} committed nothing in time: {child.last_lines()}")
    first, last = points[0], points[-1]
    count = last.committed - first.committed
    return Score(
        last.committed,
        _rate(count, last.at_s - first.at_s),
        _rate(count, last.cpu_s - first.cpu_s),
        _rate(count, last.server_cpu_s - first.server_cpu_s),
    )


def race(
    options: Options,
    contenders: Sequence[Contender],
    server: str,
    check: Check = lambda *_: None,
) -> dict[str, list[Score]]:
    """Every contender in every round, on a new stack each round and in another order.

    ``check`` is called after each contender's turn, with the number of events it has committed.
    """
    scores: dict[str, list[Score]] = {contender.name: [] for contender in contenders}
    events = options.events_or()
    for number in range(options.rounds):
        turn = number % len(contenders)
        order = [*contenders[turn:], *contenders[:turn]]
        with new_stage(options.broker) as stage:
            preload(stage.settings, events)
            for one in order:
                with stage.running(one.name.replace(" ", "-"), *one.program) as child:
                    score = timed(stage, child, one.group, events, options.seconds, server)
                check(stage, one, score.committed)
                scores[one.name].append(score)
                note(f"round {number + 1}: {one.name}: {whole(score.events_per_s)} events/s")
    return scores


def show_race(title: str, scores: dict[str, list[Score]], server: str) -> None:
    """Print medians, and the first contender's figures over each other's, by round."""
    ours, *_ = scores.values()
    rows = []
    for name, theirs in scores.items():
        pairs = list(zip(ours, theirs, strict=True))
        rows.append(
            (
                name,
                whole(median(score.events_per_s for score in theirs)),
                whole(median(score.events_per_cpu_s for score in theirs)),
                whole(median(score.events_per_server_cpu_s for score in theirs)),
                ratio(median(a.events_per_s / b.events_per_s for a, b in pairs)),
                ratio(median(a.events_per_cpu_s / b.events_per_cpu_s for a, b in pairs)),
            )
        )
    header = (
        "", "events/s", "per CPU-s", f"per CPU-s of the {server}", "ours/it", "ours/it per CPU-s",
    )  # fmt: skip
    show(title, header, rows)


def _rate(count: int, seconds: float) -> float:
    return count / seconds if count and seconds else nan


def _committed(admin: object, group: str) -> int:
    """Records of the topic a group has committed; none while the broker knows no such group."""
    with suppress(KafkaError):
        offsets = admin.list_group_offsets([group]).get(group, {})  # type: ignore[attr-defined]
        found = [o.offset for place, o in offsets.items() if place.topic == MTA.name]
        return sum(offset for offset in found if offset > 0)
    return 0
