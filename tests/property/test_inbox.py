"""Topics are read in step by event time, whatever was fetched first and however it was cut."""

import numpy as np
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from mailsla.streams.live.decode.facts import merged_facts
from mailsla.streams.live.decode.records import decode
from mailsla.streams.live.inbox import CELL_US, ROOM, STRIDE_US, Inbox
from mailsla.streams.runtime.faust_app.batches import LOG_APPEND_TIME, RecordBatch
from mailsla.streams.time.calendar import to_datetime

START_US = 1_793_145_600_000_000
MAIL, OPS, PROBE = "mail.mta", "mail.ops", "mail.probe"
BODIES = {
    MAIL: {
        "type": "message.dispatched",
        "direction": "outbound",
        "recipient": "r@example.org",
        "message_id": "m",
    },
    OPS: {"type": "exclusion.revoked", "exclusion_id": "x"},
    PROBE: {
        "type": "probe.result",
        "probe": "p",
        "channel": "smtp",
        "capability": "send",
        "scope": "external",
        "ok": True,
        "interval_s": 60,
    },
}
minutes = st.lists(st.integers(0, 2_000), max_size=40)
histories = st.fixed_dictionaries(dict.fromkeys(BODIES, minutes))


def fetched(topic, times, start):
    values = []
    for number, minute in enumerate(times):
        at = to_datetime(START_US + minute * 60_000_000).isoformat()
        event = BODIES[topic] | {"tenant_id": "a", "source": "s", "time": at}
        if topic == MAIL:
            event["accepted_at"] = at
        values.append(orjson.dumps(event | {"id": f"{topic}{start + number}"}))
    keys, offsets = [b"a"] * len(values), np.arange(start, start + len(values))
    heard = np.full(len(values), 2 * START_US)
    batch = RecordBatch(topic, 0, offsets, keys, values, heard, LOG_APPEND_TIME)
    decoded = decode(batch, 2 * START_US)
    assert not decoded.refused
    return decoded


@given(histories, st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_topics_are_applied_in_step(history, random):
    inbox, fetch = Inbox(MAIL, [OPS, PROBE]), dict.fromkeys(history, 0)
    applied = {topic: [] for topic in history}
    clocks = dict.fromkeys(history, 0)
    while True:
        for topic, times in history.items():
            count = random.choice((0, 0, 1, 7, 40))
            if some := times[fetch[topic] : fetch[topic] + count]:
                inbox.offer(fetched(topic, some, fetch[topic]))
                fetch[topic] += len(some)
        behind = {topic: fetch[topic] < len(times) for topic, times in history.items()}
        unknown = [
            topic
            for topic, waits in behind.items()
            if waits and len(applied[topic]) == fetch[topic]
        ]
        bite = inbox.take(behind.__getitem__)
        if bite is None:
            if inbox.empty and not any(behind.values()):
                break
            continue
        ahead = dict(clocks)
        for batch in bite.batches:
            applied[batch.topic] += batch.offsets.tolist()
            clocks[batch.topic] = max(clocks[batch.topic], int(batch.believed_us.max()))
        # 1. What is unknown holds the others back within a stretch of ten minutes.
        for topic in unknown:
            for batch in bite.batches:
                assert clocks[batch.topic] < ahead[topic] // CELL_US * CELL_US
        # 2. The other topics come merged, and mail is never far ahead of what waits of them.
        if bite.batches[0].topic != MAIL:
            merged = [one.clock_us for one in merged_facts(bite.batches)]
            assert merged == sorted(merged)
            continue
        waiting = [clock_of(history, applied, topic) for topic in (OPS, PROBE)]
        known = [at for at in waiting if at is not None]
        assert bite.until_us <= min(known, default=2**62)
        assert clocks[MAIL] <= max(ahead[MAIL], min(known, default=2**62) + STRIDE_US)
        # 3. It stops where an exclusion changes how it is judged.
        change = clock_of(history, applied, OPS)
        if change is not None and fetch[OPS] > len(applied[OPS]):
            assert clocks[MAIL] < change or clocks[MAIL] == ahead[MAIL]
    assert applied == {topic: list(range(len(times))) for topic, times in history.items()}


def clock_of(history, applied, topic):
    """Event time that the next event of a topic comes to, µs; None after the last."""
    times = history[topic]
    if len(applied[topic]) == len(times):
        return None
    return START_US + max(times[: len(applied[topic]) + 1]) * 60_000_000


def test_records_that_are_refused_take_room_too_however_small():
    """The dead letter of two bytes is half a kilobyte."""
    inbox, half = Inbox(MAIL, [OPS, PROBE]), ROOM // 2
    for start in (0, half):
        assert inbox.has_room(OPS)
        offsets, heard = np.arange(start, start + half), np.full(half, START_US)
        bad = RecordBatch(OPS, 0, offsets, [b"a"] * half, [b"{}"] * half, heard, LOG_APPEND_TIME)
        inbox.offer(decode(bad, START_US))
    assert not inbox.has_room(OPS)
    taken = inbox.take(lambda topic: False)
    assert len(taken.batches[0].outgoing) == half
    assert inbox.has_room(OPS)
