"""What producers write in a simulated world, drawn from a seed, and when the broker has it.

Loads are short: what a crash can spoil lies in a few hours or a few facts, and many histories of
few events meet more of it than few of many.
"""

from dataclasses import dataclass
from functools import partial
from itertools import count
from random import Random

import orjson

from mailsla.schemas.contract import DEFAULT_TIMEZONE
from mailsla.schemas.topics import CONTRACTS, EVENT_TOPICS, MTA
from mailsla.streams.time.calendar import to_us
from tests.feed_logs import busy_days, late_news, own_log, received
from tests.reference.instants import parse
from tests.reference.log import INSTANT_FIELDS
from tests.reference.strategies import checked_months, seeded_month

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
    is_corrected: bool
    """Whether events take others out, or contracts come after what they judge: what is told of
    mail then hangs on when that was read, and a window is corrected unless it was given up."""


TAKES_OUT = (b'"exclusion.', b'"event.voided"')
"""What events that take others out have in them."""
MOST = 60
"""Events of a month; months of more are passed over."""
MESSAGES = (12, 40)


def load(seed):
    """One of several kinds of days or months."""
    chance = Random(f"load {seed}")
    name = chance.choice(("month", "checked", "busy", "late"))
    log, last_us = _drawn(name, seed, chance)
    log = _finished_once(log)
    is_corrected = name == "checked" or chance.random() < 0.5
    if not is_corrected:
        log = [record for record in log if not any(word in record[2] for word in TAKES_OUT)]
    # Topics keep no common order: what judges the others is there before them, or comes any time.
    are_late = is_corrected and chance.random() < 0.5
    if not are_late:
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
        (max(at, first_us - 600 * SECOND_US) + delays.get(record[0], 0) * SECOND_US, *record)
        for at, record in zip(times, log, strict=True)
    ]
    records.sort(key=lambda one: one[0])
    end_us = max(last_us, records[-1][0]) + 7_200 * SECOND_US
    name += ", corrected" * is_corrected + ", contracts late" * are_late
    return Load(name, records, end_us, in_step, is_corrected)


def _tells_of_the_past(record, at_us):
    """Whether an event that is not mail tells of what was long before the broker had it."""
    event = orjson.loads(record[2])
    told = [event[name] for name in INSTANT_FIELDS & event.keys() if event[name] is not None]
    return record[0] not in (MTA.name, CONTRACTS.name) and min(map(parse, told)) < at_us - PAST_US


def _drawn(name, seed, chance):
    """A log and until when it matters, µs."""
    if name in ("month", "checked"):
        month = seeded_month if name == "month" else partial(checked_months, mail=False)
        drawn = (month(seed + 1_000_000 * number) for number in count())
        # Where a zone changes with a contract, months overlap, and a message counts in two.
        history = next(one for one in drawn if _is_short(one) and _is_of_one_zone(one))
        return own_log(history, chance), to_us(history.cutoff)
    log = busy_days(chance, MESSAGES) if name == "busy" else late_news(chance)
    return log, received(log)[-1]


def _is_short(history):
    return len(history.events) <= MOST


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
