"""The state of a task as records: what is written is what is read back."""

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsla.streams.latency.messages import ACCEPTED, LATENCY, ROW
from mailsla.streams.runtime.checkpoint.state_log import (
    Head,
    State,
    StateError,
    append_entries,
    append_rows,
    cut_off,
    head_record,
    read_state,
)


def rows(count, first=0, kind=LATENCY):
    made = np.zeros(count, dtype=ROW)
    made["key"] = np.arange(first, first + count)
    made["kind"] = kind
    return made


def produced(made):
    return [parts[-1] for parts in made]


def compacted(*records):
    """The newest value of each key, as the compacted topic keeps it."""
    kept = {}
    for record in records:
        if record.value is None:
            kept.pop(record.key, None)
        else:
            kept[record.key] = record.value
    return kept


def test_no_state_is_an_empty_one():
    assert read_state({}) == State()


def test_head_rows_and_entries_come_back_as_written():
    head = Head(offsets={"mail.mta": 17}, latest_us=5, extra={"a": 1})
    waiting = np.concatenate([rows(45_000), rows(2, 45_000, ACCEPTED)])
    records = produced(append_rows(3, head, waiting, ["s#1", "s#2"]))
    records += produced(append_entries(3, head, "facts", [b"one", b"", b"three"]))
    records += produced(append_entries(3, head, "facts", [b"four"]))
    state = read_state(compacted(*records, head_record(3, head)))
    assert state.head == head
    assert list(state.of("facts")) == [b"one", b"", b"three", b"four"]
    assert [name for _, _, names in state.rows for name in names] == ["s#1", "s#2"]
    keys = np.concatenate([found["key"] for _, found, _ in state.rows])
    np.testing.assert_array_equal(keys, np.arange(45_002))
    assert {record.partition for record in records} == {3}


@given(st.lists(st.sampled_from([0, 1, 399_999, 400_000, 400_001, 1_300_000]), max_size=6))
def test_entries_of_any_size_come_back(sizes):
    entries, head = [bytes([number]) * size for number, size in enumerate(sizes)], Head()
    records = produced(append_entries(0, head, "states", entries))
    assert all(len(record.value) < 500_000 for record in records)
    assert list(read_state(compacted(*records, head_record(0, head))).of("states")) == entries


def test_a_crash_between_record_and_head_is_invisible_and_is_written_over():
    head = Head(offsets={"mail.mta": 1})
    durable = [*produced(append_rows(0, head, rows(3), ())), head_record(0, head)]
    lost = produced(append_rows(0, head, rows(5, 3), ()))  # and no head after it
    state = read_state(compacted(*durable, *lost))
    assert sum(len(found) for _, found, _ in state.rows) == 3
    again = produced(append_rows(0, state.head, rows(2, 3), ()))
    assert again[0].key == lost[0].key
    state = read_state(compacted(*durable, *lost, *again, head_record(0, state.head)))
    assert sum(len(found) for _, found, _ in state.rows) == 5


def test_what_is_cut_off_is_not_read_whether_erased_yet_or_not():
    head = Head()
    records = produced(append_entries(0, head, "states", [b"old"]))
    tombstones = cut_off(0, head, "states", head.next("states"))
    records += produced(append_entries(0, head, "states", [b"new"]))
    before = [*records, head_record(0, head)]
    for log in (before, [*before, *tombstones]):
        assert list(read_state(compacted(*log)).of("states")) == [b"new"]


def test_a_missing_record_is_an_error_with_the_remedy():
    head = Head()
    records = [*produced(append_rows(0, head, rows(3), ())), head_record(0, head)]
    with pytest.raises(StateError, match="record 0 of rows is missing from the state; delete"):
        read_state(compacted(*records[1:]))


def test_the_layout_of_an_unknown_release_is_an_error_with_the_remedy():
    document = orjson.loads(head_record(0, Head()).value) | {"format": 99}
    with pytest.raises(StateError, match="does not know: go back to that one, or delete the topic"):
        read_state({b"head": orjson.dumps(document)})
