"""The state of a task as records: what is written is what is read back."""

import numpy as np
import orjson
import pytest

from streams.latency.messages import LATENCY, ROW
from streams.runtime.statelog import (
    Head,
    Segment,
    StateError,
    head_record,
    read_state,
    segment_records,
)


def rows(count, first=0):
    made = np.zeros(count, dtype=ROW)
    made["key"] = np.arange(first, first + count)
    made["kind"] = LATENCY
    return made


def compacted(*records):
    """The newest value of each key, as the compacted topic keeps it."""
    return {record.key: record.value for record in records if record.value is not None}


def test_no_state_is_an_empty_head():
    assert read_state({}) == (Head(), [])


def test_head_and_segments_come_back_as_written():
    head = Head(offsets={"mail.mta": 17}, latest_us=5, extra={"a": 1})
    first = segment_records(3, head, Segment(("t1", "t2"), rows(45_000), (b"one", b"", b"three")))
    second = segment_records(3, head, Segment((), rows(2, 45_000)))
    found, segments = read_state(compacted(*first, *second, head_record(3, head)))
    assert found == head
    assert [name for segment in segments for name in segment.tenants] == ["t1", "t2"]
    assert [one for segment in segments for one in segment.kept] == [b"one", b"", b"three"]
    keys = np.concatenate([segment.rows["key"] for segment in segments])
    np.testing.assert_array_equal(keys, np.arange(45_002))
    assert {record.partition for record in [*first, *second]} == {3}


def test_a_crash_between_segment_and_head_is_invisible_and_is_written_over():
    head = Head(offsets={"mail.mta": 1})
    durable = [*segment_records(0, head, Segment(("t1",), rows(3))), head_record(0, head)]
    reader_head, _ = read_state(compacted(*durable))
    lost = segment_records(0, head, Segment(("t2",), rows(5, 3)))  # and no head after it
    found, segments = read_state(compacted(*durable, *lost))
    assert found == reader_head
    assert sum(len(segment.rows) for segment in segments) == 3
    again = segment_records(0, found, Segment(("t3",), rows(2, 3)))
    assert again[0].key == lost[0].key
    _, segments = read_state(compacted(*durable, *lost, *again, head_record(0, found)))
    assert [name for segment in segments for name in segment.tenants] == ["t1", "t3"]
    assert sum(len(segment.rows) for segment in segments) == 5


def test_a_missing_segment_is_an_error_with_the_remedy():
    head = Head()
    records = [*segment_records(0, head, Segment(("t1",), rows(3))), head_record(0, head)]
    with pytest.raises(StateError, match="segment 0 of the state is missing; delete the topic"):
        read_state(compacted(*records[1:]))


def test_another_format_is_an_error_with_the_remedy():
    document = orjson.loads(head_record(0, Head()).value) | {"format": 99}
    with pytest.raises(StateError, match="another row layout; delete the topic"):
        read_state({b"head": orjson.dumps(document)})
