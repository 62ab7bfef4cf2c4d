"""How the record that makes a task fail is found."""

from types import SimpleNamespace

import numpy as np
import orjson
import pyarrow as pa
import pytest

from mailsla.streams.live.caution import Caution, pieces
from mailsla.streams.live.decode.records import DecodedBatch
from mailsla.streams.live.inbox import Bite
from mailsla.streams.runtime.checkpoint.state_log import StateError

OPS, PROBE = "mail.ops", "mail.probe"


def decoded(topic, clocks, first=0):
    times = np.array(clocks, dtype=np.int64)
    offsets = np.arange(first, first + len(clocks), dtype=np.int64)
    table = pa.table({"id": [f"{topic}-{offset}" for offset in offsets]})
    return DecodedBatch(topic, table, times, times, times, offsets, (), first + len(clocks))


def task(**positions):
    applied = {f"mail.{name}": offset for name, offset in positions.items()}
    return SimpleNamespace(
        partition=1, positions=applied, applied=lambda topic: applied.get(topic, 0)
    )


def order(bites):
    """The records as a task merges them: by event time come to, the first batch first."""
    found = []
    for bite in bites:
        clocks = [
            (clock, batch.topic, offset)
            for batch in bite.batches
            for clock, offset in zip(
                np.maximum.accumulate(batch.believed_us), batch.offsets, strict=True
            )
        ]
        found += [(topic, int(offset)) for _, topic, offset in sorted(clocks, key=lambda c: c[0])]
    return found


@pytest.mark.parametrize("most", [1, 2, 3, 90])
def test_pieces_hold_every_record_once_in_the_order_of_the_whole(most):
    bite = Bite([decoded(OPS, [10, 30, 20, 50], 7), decoded(PROBE, [5, 30, 30, 60])], 99)
    cut = list(pieces(bite, most))
    assert order(cut) == order([bite])
    assert all(0 < sum(map(len, piece.batches)) <= most for piece in cut)
    assert {piece.until_us for piece in cut} == {99}
    ends = {batch.topic: batch.next_offset for piece in cut for batch in piece.batches}
    assert ends == {OPS: 11, PROBE: 4}


def test_a_bite_that_needs_no_care_stays_whole():
    bite = Bite([decoded(OPS, [10, 30])], 99)
    assert [piece.batches for piece in pieces(bite, None)] == [bite.batches]


def test_strides_become_shorter_and_a_record_that_fails_alone_is_passed_over():
    many, one = [decoded(OPS, [1] * 8000, 100)], [decoded(OPS, [1], 4321)]
    caution = Caution()
    assert caution.stride({}) is None
    caution = caution.after_failure(task(ops=100), many, ValueError("x"))
    assert caution.stride({OPS: 100}) == 90
    caution = caution.after_failure(task(ops=4300), [decoded(OPS, [1] * 90, 4300)], ValueError("x"))
    assert caution.stride({OPS: 4300}) == 1
    caution = caution.after_failure(task(ops=4321), one, ValueError("x"))
    assert caution.rejections(OPS)[4321].reason == "failed: ValueError"
    assert caution.rejections(PROBE) == {}
    # Others of the same stretch are still gone through one by one, and beyond it nothing is.
    assert caution.stride({OPS: 4322}) == 1
    assert caution.stride({OPS: 8100}) is None


def test_what_was_noted_is_read_again():
    caution = Caution(2, {OPS: 9}, ((OPS, 7, "failed: ValueError"),))
    note = caution.note(3)
    assert (note.key, note.partition) == (b"caution", 3)
    assert orjson.loads(note.value)["until"] == {OPS: 9}
    again = Caution.read(note.value)
    assert (again.failures, again.until) == (2, {OPS: 9})
    assert again.rejections(OPS).keys() == {7}
    assert Caution.read(None) == Caution()


def test_a_task_that_fails_whatever_it_applies_is_not_the_records_fault():
    passed = tuple((OPS, offset, "failed: ValueError") for offset in range(1_000))
    caution = Caution(2, {OPS: 9_000}, passed)
    with pytest.raises(StateError, match="wherever it goes on"):
        caution.after_failure(task(), [decoded(OPS, [1], 1_000)], ValueError("x"))
    with pytest.raises(StateError, match="wherever it goes on"):
        Caution(2, {OPS: 9}).after_failure(task(ops=3), (), ValueError("x"))
