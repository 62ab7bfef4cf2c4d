"""Programs that read the same topic one after the other, timed from outside alike.

What counts is what a program's consumer group commits of a load that becomes readable all at once,
when the program is up and has committed a few events before: until the end of the load, or of the
program's time. A broker without transactions (Tansu) shows the load while it is published.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from math import nan
from statistics import median

from kafka.errors import KafkaError

from mailsla.schemas.topics import MTA
from mailsla.sinks.embedded.children import Running
from mailsla.streams.runtime.kafka.admin import administration
from tests.bench.load import MONTH, preload, warm_up
from tests.bench.options import BenchError, Options
from tests.bench.report import note, ratio, show, whole
from tests.bench.stage import Stage, cpu_seconds, new_stage

_STARTUP_S = 90.0
_POLL_S = 0.05
_WARM_UP = 200


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
class Load:
    """So many events, spread over some days of event time from ``start`` on."""

    events: int
    start: datetime = MONTH
    days: int = 30


@dataclass(frozen=True)
class _Point:
    at_s: float
    committed: int
    cpu_s: float
    server_cpu_s: float


def timed(
    stage: Stage,
    child: Running,
    group: str,
    load: Load,
    options: Options,
    server: str = "broker",
) -> Score:
    """Give a load to a program and watch it until that is committed, or its time is up.

    Raises:
        BenchError: it ended by itself, or did not commit in time what it was given first.
    """
    with administration(stage.settings) as admin:

        def point() -> _Point:
            if child.has_ended():
                raise BenchError(f"{child.child.name} ended by itself: {child.last_lines()}")
            cpu_s, server_cpu_s = cpu_seconds(child.pid), cpu_seconds(stage.pids[server])
            return _Point(time.monotonic(), _committed(admin, group), cpu_s, server_cpu_s)

        # 1. It is up when it has committed a few events that lie before all others.
        warm_up(stage.settings, _WARM_UP, load.start)
        deadline = time.monotonic() + _STARTUP_S
        while point().committed < _WARM_UP:
            if time.monotonic() > deadline:
                raise BenchError(f"{child.child.name} does not commit: {child.last_lines()}")
            time.sleep(_POLL_S)
        # 2. It sees nothing of the load before all of it is there.
        at_once = options.broker == "kafka"
        preload(stage.settings, load.events, load.days, load.start, at_once)
        first = last = point()
        out_of_time_at = first.at_s + options.seconds
        while last.committed < _WARM_UP + load.events and (now := point()).at_s < out_of_time_at:
            last = now if now.committed > last.committed else last
            time.sleep(_POLL_S)
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
    """Every contender in every round, each on a new stack, and in another order each round.

    ``check`` is called after each contender's turn, with the number of events it has committed.
    """
    scores: dict[str, list[Score]] = {contender.name: [] for contender in contenders}
    load = Load(options.events_or())
    for number in range(options.rounds):
        turn = number % len(contenders)
        order = [*contenders[turn:], *contenders[:turn]]
        for one in order:
            with new_stage(options.broker) as stage:
                with stage.running(one.name.replace(" ", "-"), *one.program) as child:
                    score = timed(stage, child, one.group, load, options, server)
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
