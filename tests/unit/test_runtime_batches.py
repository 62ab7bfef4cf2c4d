"""A batch cut at an offset or not to be read at all, and a worker that starts itself again."""

import asyncio
import struct
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from mailsla.streams.runtime.faust_app.application import build_app
from mailsla.streams.runtime.faust_app.batches import RecordBatch, to_batch
from mailsla.streams.runtime.kafka.consumer_lag import waiting_records
from mailsla.streams.runtime.unreadable import _Fetched, _KeptRecords
from mailsla.streams.settings import Settings

pytestmark = pytest.mark.slow


def batch(offsets):
    count = len(offsets)
    keys, values = [b"k%d" % o for o in offsets], [b"v%d" % o for o in offsets]
    offsets = np.array(offsets, dtype=np.int64)
    return RecordBatch("t", 1, offsets, keys, values, np.arange(count) * 1000, 1)


@given(st.sets(st.integers(0, 60), min_size=1, max_size=20), st.integers(0, 62))
def test_after_keeps_exactly_what_is_at_or_beyond_the_offset(offsets, start):
    whole = batch(sorted(offsets))
    rest = whole.after(start)
    kept = [offset for offset in sorted(offsets) if offset >= start]
    if not kept:
        assert rest is None
        return
    assert rest.offsets.tolist() == kept
    assert (rest.keys, rest.values) == ([b"k%d" % o for o in kept], [b"v%d" % o for o in kept])
    assert len(rest.timestamps_us) == len(rest) == len(kept)
    assert rest.next_offset == max(offsets) + 1 == whole.next_offset


@pytest.mark.parametrize(("kind", "by_broker"), [(0, False), (1, True)])
def test_only_log_append_time_is_the_broker_s(kind, by_broker):
    one = batch([1])
    stamped = RecordBatch("t", 0, one.offsets, one.keys, one.values, one.timestamps_us, kind)
    assert stamped.broker_time is by_broker


_PROGRAM = """
import os, sys
from mailsla.streams.runtime.faust_app.restart import restart, settled
count = int(os.environ.get("MAILSLA_RESTARTS", "0"))
print(os.getpid(), count, *sys.argv[1:], flush=True)
if count < 2:
    restart("again")
settled()
print("MAILSLA_RESTARTS" in os.environ)
"""


def test_a_restart_is_the_same_process_and_command_and_is_forgotten_once_settled():
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, "worker", "streams"],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    *runs, left = done.stdout.splitlines()
    assert [run.split()[1:] for run in runs] == [[str(n), "worker", "streams"] for n in range(3)]
    assert len({run.split()[0] for run in runs}) == 1
    assert left == "False"


def wire(base, count, delta=None, codec=0):
    """One batch as the broker gives it, its last offset and codec overwritten without a word."""
    builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 100_000)
    for number in range(count):
        builder.append(number, 1_000, b"k", f"{base + number}".encode(), [])
    batch = builder.build()
    struct.pack_into(">q", batch, 0, base)
    if delta is not None:
        struct.pack_into(">i", batch, 23, delta)
    if codec:
        batch[22] |= codec
        struct.pack_into(">I", batch, 17, calc_crc32c(bytes(batch[21:])))
    return bytes(batch)


def fetch(position, end, *batches):
    """The stretches of one fetch, and where the next begins; alike one by one and uncompiled."""
    read, after = _fetch(position, end, batches)
    stretches, same = _fetch(position, end, batches, together=True)
    assert (told(stretches), same) == ([(r.offset, bytes(r.value)) for r in read], after)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mailsla.streams.runtime.stretch.compiled", None)
        uncompiled, same = _fetch(position, end, batches, together=True)
    assert (columns(uncompiled), same) == (columns(stretches), after)
    return stretches, after


def _fetch(position, end, batches, together=False):
    state = SimpleNamespace(highwater=end, lso=end)
    assignment = SimpleNamespace(state_value=lambda place: state)
    place = TP("t", 0)
    records = _KeptRecords(b"".join(batches))
    unread = PartitionRecords(place, records, [], position, None, None, True, 0)
    fetched = _Fetched(together)
    fetched[place] = FetchResult(
        place, assignment=assignment, partition_records=unread, backoff=0.0
    )
    read = list(unread)
    return read, unread.next_fetch_offset


def told(stretches):
    return [
        pair for one in stretches for pair in zip(one.offsets.tolist(), one.values, strict=True)
    ]


def columns(stretches):
    return [
        (
            one.offsets.tolist(), one.times_ms.tolist(), one.timestamp_type,
            one.keys, one.values, one.next_offset, one.reason,
        )
        for one in stretches
    ]  # fmt: skip


GOOD = [(3, b"3"), (4, b"4")]


@pytest.mark.parametrize("bad", [wire(0, 3, delta=9), wire(0, 3, codec=6)], ids=["sum", "codec"])
def test_the_batch_after_one_that_cannot_be_read_is_read(bad):
    read, position = fetch(0, 5, bad, wire(3, 2))
    assert (told(read), position) == ([(0, b""), *GOOD], 5)
    batch = to_batch("t", 0, read, 5)
    assert list(batch.unreadable) == [0]
    assert (batch.next_offset, batch.at_end) == (5, True)
    alone = to_batch("t", 0, read[:1], 5)
    assert (alone.after(0).next_offset, alone.timestamp_type) == (alone.next_offset, 0)


def test_an_end_that_a_damaged_batch_states_is_believed_only_where_the_log_ends():
    read, position = fetch(0, 3, wire(0, 3, delta=2)[:-1] + b"x")
    assert (len(read), position, to_batch("t", 0, read, 3).next_offset) == (1, 3, 3)
    # It says it goes to 9, the log to 5, and nothing follows in this fetch.
    read, position = fetch(0, 5, wire(0, 3, delta=9))
    assert (told(read), position) == ([(0, b"")], 1)
    # The broker gives it again with what follows: told already.
    read, position = fetch(1, 5, wire(0, 3, delta=9), wire(3, 2))
    assert (told(read), position) == (GOOD, 5)


def test_a_fetch_from_the_middle_of_a_batch_gives_what_is_left_of_it():
    read, position = fetch(4, 7, wire(3, 2), wire(5, 2))
    assert (told(read), position) == ([(4, b"4"), (5, b"5"), (6, b"6")], 7)
    assert fetch(5, 5, wire(3, 2)) == ([], 5)


def test_nothing_fails_while_positions_have_still_to_be_found_out():
    """After a rebalance a fetch has been answered, and the client does not know yet where it is."""

    async def looked_at():
        app = build_app("looked-at", Settings(), transactions=False)
        client = AIOKafkaConsumer()
        place = TP("mail.mta", 0)
        client._subscription.assign_from_user([TopicPartition(*place)])
        state = client._subscription.subscription.assignment.state_value(TopicPartition(*place))
        state.highwater, state.timestamp = 7, time.time_ns() // 1_000_000
        client._fetcher = SimpleNamespace(_subscriptions=client._subscription)
        thread = app.consumer._thread
        thread._consumer, thread.time_started = client, time.monotonic()
        await app.consumer.verify_all_partitions_active()
        return waiting_records(app), app.is_behind(*place, 0)

    assert asyncio.run(looked_at()) == ({"mail.mta": 0}, True)
