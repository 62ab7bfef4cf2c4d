"""What a world has told at its end, and whether it is what it should be."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import orjson

from mailsla.schemas.contract import DEFAULT_TIMEZONE
from mailsla.schemas.topics import BREACHES, DEAD_LETTERS, MTA, STATUS, WINDOWS
from mailsla.streams.live.evaluate.dirty_sections import oldest_open
from mailsla.streams.time.calendar import Month, local_day
from tests.reference.instants import parse
from tests.simulation.loads import FINISHED, MESSAGE

ZONE = ZoneInfo(DEFAULT_TIMEZONE)
LATENCY = 2
MOVING = (1, 3, 9)
"""Sections with shares of time, which change while nothing happens."""


@dataclass(frozen=True)
class Outcome:
    """What a reader of the results is left with; each maps a key to the last word on it."""

    feed: dict
    statuses: dict
    windows: dict
    letters: dict


def outcome(broker, load):
    """Read every result topic to its end, as far as it is one for every history of a load.

    Raises:
        AssertionError: one event id has two contents, or sequences have gaps.

    """
    return Outcome(
        _feed(broker.of_topic(BREACHES.name)),
        _statuses(broker.of_topic(STATUS.name), load),
        {} if load.is_corrected else _windows(broker.of_topic(WINDOWS.name)),
        _letters(broker.of_topic(DEAD_LETTERS.name)),
    )


def differences(found, expected, load):
    """What one outcome has and the other has not, a line for each key.

    Args:
        found: after a history.
        expected: where nothing went wrong.
        load: of both. Word of the past is told at the event time come to, which idle time moves: a
            worker that catches up tells it earlier than one that waited. Where there is any, only
            how each indicator stands in the end is compared; of mail too where it is corrected.
            Where a month stands that was given up hangs on whether a worker that was away came back
            before: of those only the feed is compared, where it is one step by step.

    """
    lines, open_since = [], oldest_open(Month.of(local_day(load.end_us, ZONE))).label
    for part in ("feed", "statuses", "windows", "letters"):
        one, other = getattr(found, part), getattr(expected, part)
        keys = one.keys() & other.keys() if part == "windows" else one.keys() | other.keys()
        for key in sorted(keys, key=str):
            pair = one.get(key), other.get(key)
            tells_alike = part != "feed" or _tells_alike(load, key[1].startswith("latency."))
            if (part == "statuses" or not tells_alike) and key[2] < open_since:
                continue
            if part == "statuses":
                pair = tuple(None if _says_nothing(one) else one for one in pair)
            if not tells_alike:
                pair = _last_state(pair[0]), _last_state(pair[1])
            if pair[0] != pair[1]:
                lines.append(f"{part} {key}: {_unlike(*pair)}")
    return lines


def _tells_alike(load, of_mail):
    """Whether the feed of a section is one, step by step, however it is read."""
    return not load.is_corrected and (load.in_step or of_mail)


def _says_nothing(status):
    return status and status["state"] == "ok" and not status.get("observed")


def _last_state(told):
    return told[-1]["data"]["state"] if told else "ok"


def _unlike(one, other):
    """The parts of two JSON values that differ, found and expected."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = [name for name in one | other if one.get(name) != other.get(name)]
        return {name: _unlike(one.get(name), other.get(name)) for name in names}
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [_unlike(*pair) for pair in zip(one, other, strict=True) if pair[0] != pair[1]]
    return f"{one} for {other}"


def _feed(records):
    found, contents = defaultdict(list), {}
    for record in records:
        event = orjson.loads(record.value)
        known = contents.setdefault(event["id"], record.value)
        assert known == record.value, f"one id, two contents: {known!r} {record.value!r}"
        data = event["data"]
        told = found[data["tenant_id"], data["indicator"], data["period"]]
        if event not in told:
            told.append(event)
    for key, told in found.items():
        numbers = [one["data"]["sequence"] for one in told]
        assert numbers == list(range(1, len(told) + 1)), f"sequences of {key}: {numbers}"
    return dict(found)


def _statuses(records, load):
    newest = {}
    for record in records:
        status = orjson.loads(record.value)
        status.pop("event_time")
        if not _tells_alike(load, status["section"] == LATENCY):
            status.pop("sequence")
        if status["section"] in MOVING:
            # Moves by itself, and is published when the state is.
            status.pop("observed")
        newest[status["tenant_id"], status["indicator"], status["period"]] = status
    return newest


def _windows(records):
    """Of latency: each window as its highest revision says it."""
    newest = {}
    for record in records:
        window = orjson.loads(record.value)
        if window["family"] != "latency":
            continue
        key = tuple(window[name] for name in ("tenant_id", "direction", "window", "window_end"))
        window.pop("as_of")
        known = newest.get(key)
        if known is None or window["revision"] >= known["revision"]:
            newest[key] = window
    for window in newest.values():
        window.pop("revision")
    return newest


def _letters(records):
    found = {}
    for record in records:
        letter = orjson.loads(record.value)
        found[letter["topic"], letter["partition"], letter["offset"]] = letter["reason"]
    return found


def counted_months(found):
    """(tenant, direction) → messages in all month windows."""
    counts = defaultdict(int)
    for (tenant, direction, window, _), value in found.windows.items():
        if window == "month":
            counts[tenant, direction] += value["count"]
    return {key: count for key, count in counts.items() if count}


def naive_months(load):
    """The same, counted message by message from what was published."""
    finishes = defaultdict(list)
    for _, topic, _, value in load.records:
        event = orjson.loads(value)
        if topic == MTA.name and event["type"] in FINISHED and event.get("attempt", 1) == 1:
            name = tuple(event[field] for field in MESSAGE)
            finishes[name].append(event)
    counts = Counter()
    for (tenant, direction, *_), events in finishes.items():
        first = min(events, key=_rank)
        counts[tenant, direction] += first.get("liability") is None
    return {key: count for key, count in counts.items() if count}


def _rank(event):
    return parse(event["time"]), parse(event["accepted_at"]), event["id"]
