"""Compressed batches: read as the client reads them, up to a bound."""

import gzip
import tracemalloc

import pytest
from aiokafka import codec as client
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import given, settings
from hypothesis import strategies as st

from mailsla.streams.runtime import unpacking
from mailsla.streams.runtime.faust_app.batches import to_batch
from tests.unit.test_runtime_batches import fetch, told, wire

CODECS = ("gzip", "snappy", "lz4", "zstd")
PLAIN_SNAPPY = "plain snappy"


def pack(codec, data):
    if codec == PLAIN_SNAPPY:
        return client.snappy_encode(data, xerial_compatible=False)
    return getattr(client, f"{codec}_encode")(data)


def unpack(codec, packed):
    return unpacking._UNPACK[codec.removeprefix("plain ")](packed)


def bomb(number, size=unpacking.MOST_BYTES + 1, records=1):
    """A batch in a codec of the protocol's number that holds so many zeros."""
    builder = DefaultRecordBatchBuilder(2, number, 0, -1, -1, -1, 2 * size + 2**20)
    for offset in range(records):
        assert builder.append(offset, 0, None, bytes(size // records), [])
    return bytes(builder.build())


@given(st.binary(max_size=2_000), st.integers(1, 200), st.sampled_from([*CODECS, PLAIN_SNAPPY]))
@settings(deadline=None)
def test_what_was_packed_is_unpacked(data, times, codec):
    assert unpack(codec, memoryview(pack(codec, data * times))) == data * times


def test_gzip_streams_that_follow_each_other_are_one():
    assert unpack("gzip", gzip.compress(b"a") + gzip.compress(b"b")) == b"ab"
    with pytest.raises(CorruptRecordException, match="cut off"):
        unpack("gzip", gzip.compress(b"a" * 1_000)[:-4])


@pytest.mark.parametrize("codec", [*CODECS, PLAIN_SNAPPY])
def test_beyond_the_bound_nothing_is_unpacked_and_no_memory_taken(codec, monkeypatch):
    monkeypatch.setattr(unpacking, "MOST_BYTES", 2**20)
    monkeypatch.setattr(unpacking, "_local", type("Local", (), {})())
    assert len(unpack(codec, pack(codec, bytes(2**20)))) == 2**20
    packed = pack(codec, bytes(64 * 2**20))
    tracemalloc.start()
    try:
        with pytest.raises(unpacking.TooLargeError):
            unpack(codec, packed)
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_batch_that_holds_too_much_is_passed_over_and_the_next_is_read(number):
    unpacking.bound_unpacking()
    read, position = fetch(0, 3, bomb(number), wire(1, 2))
    assert (told(read), position) == ([(0, b""), (1, b"1"), (2, b"2")], 3)
    (reason,) = to_batch("t", 0, read, 3).unreadable.values()
    assert "unpacks to more than 32 MiB" in reason


def test_so_is_one_of_too_many_records(monkeypatch):
    monkeypatch.setattr("mailsla.streams.runtime.unpacking.MOST_RECORDS", 10)
    read, _ = fetch(0, 11, bomb(1, 11, 11))
    assert told(read) == [(0, b"")]
    read, _ = fetch(0, 10, bomb(1, 10, 10))
    assert len(told(read)) == 10
