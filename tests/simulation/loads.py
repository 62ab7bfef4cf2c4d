"""What producers write in a simulated world, drawn from a seed, and when the broker has it."""

from dataclasses import dataclass
from itertools import count
from random import Random

import orjson

from mailsla.schemas.contract import DEFAULT_TIMEZONE
from mailsla.schemas.topics import CONTRACTS, EVENT_TOPICS, MTA
from mailsla.streams.time.calendar import to_us
from tests.feed_logs import busy_days, late_news, own_log, received
from tests.reference.instants import parse
from tests.reference.log import INSTANT_FIELDS
from tests.reference.strategies import seeded_month

SECOND_US = 1_000_000
PAST_US = 10 * SECOND_US
FINISHED = {"message.dispatched", "message.delivered"}
MESSAGE = ("tenant_id", "direction", "source", "message_id", "recipient")
DELAYS_S = (0, 0, 0, 1, 30, 400, 4_000)
"""By how much a topic may be behind the others."""


@dataclass(frozen=True)
class Load:
    """Records with the time at which the broker has each, µs; ascending."""

    name: str
    records: list[tuple[int, str, bytes, bytes]]
    end_us: int
    """When everything that follows from them has been told."""
    in_step: bool
    """Whether no topic is behind another, and nothing tells of a time long past."""


TAKEN_OUT = (b'"exclusion.', b'"event.voided"')
"""Of events that take others out: whether they still correct a window depends on whether that has
been given up."""


def load(seed):
    """One of several kinds of days or months."""
    chance = Random(f"load {seed}")
    name = chance.choice(("month", "busy", "late"))
    log, last_us = _drawn(name, seed, chance)
    log = [record for record in log if not any(word in record[2] for word in TAKEN_OUT)]
    log = _finished_once(log)
    # Topics keep no common order: what judges the others is there before them.
    log = sorted(log, key=lambda record: record[0] != CONTRACTS.name)
    delays = dict.fromkeys((topic.name for topic in EVENT_TOPICS), 0)
    in_step = name != "late"
    if chance.random() < 0.5:
        name, in_step = f"{name}, topics apart", False
        delays = {topic: chance.choice(DELAYS_S) for topic in delays}
    times = received(log)
    in_step &= not any(map(_tells_of_the_past, log, times))
    first_us = next(at for at in times if at)
    records = [
        (
            first_us - 600 * SECOND_US
            if topic == CONTRACTS.name
            else at + delays[topic] * SECOND_US,
            *record,
        )
        for at, record in zip(times, log, strict=True)
        for topic in record[:1]
    ]
    records.sort(key=lambda one: one[0])
    end_us = max(last_us, records[-1][0]) + 7_200 * SECOND_US
    return Load(name, records, end_us, in_step)


def _tells_of_the_past(record, at_us):
    """Whether an event that is not mail tells of what was long before the broker had it."""
    event = orjson.loads(record[2])
    told = [event[name] for name in INSTANT_FIELDS & event.keys() if event[name] is not None]
    return record[0] not in (MTA.name, CONTRACTS.name) and min(map(parse, told)) < at_us - PAST_US


def _drawn(name, seed, chance):
    if name == "month":
        drawn = (seeded_month(seed + 1_000_000 * number) for number in count())
        # Where a zone changes with a contract, months overlap, and a message counts in two.
        history = next(one for one in drawn if _is_of_one_zone(one))
        return own_log(history, chance), to_us(history.cutoff)
    log = busy_days(chance) if name == "busy" else late_news(chance)
    return log, received(log)[-1]


def _is_of_one_zone(history):
    return {contract.timezone for contract in history.contracts} <= {DEFAULT_TIMEZONE}


def _finished_once(log):
    """Without a second and other finish of a message: whether it still corrects a window depends
    on whether the window has been given up."""
    finishes, kept = {}, []
    for record in log:
        event = orjson.loads(record[2])
        if event.get("type") in FINISHED:
            name = tuple(event.get(field) for field in MESSAGE)
            if finishes.setdefault(name, record) != record:
                continue
        kept.append(record)
    return kept
