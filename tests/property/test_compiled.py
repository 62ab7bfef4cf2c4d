"""What is compiled says what its definition in Python says, or leaves it to that."""

import numpy as np
import orjson
import pyarrow as pa
import pytest
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mailsla.schemas.codec import parsing
from mailsla.schemas.codec.columnar import decode_batch
from mailsla.schemas.codec.columns import columns
from mailsla.schemas.codec.identifiers import parse_instant
from mailsla.schemas.codec.instants import micros, text_buffers
from mailsla.schemas.compiled import texts
from mailsla.schemas.topics import MTA
from mailsla.streams.latency.keyhash import hash_in_columns, hash_texts
from mailsla.streams.runtime.stretch import Stretch, unpacked
from tests.property.codec_records import (
    ODD_INSTANTS,
    altered,
    batches,
    documents,
    instants,
    mangled,
    written,
)
from tests.property.test_codec_agreement import BROKER_US
from tests.stack import needs_compiled

MANY = settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # fmt: skip
RECORDS = st.one_of(documents(MTA.name).map(written), altered(MTA.name), mangled(MTA.name))


@pytest.fixture(autouse=True, scope="module")
def compiled():
    needs_compiled()


@given(st.lists(st.one_of(st.none(), RECORDS), max_size=12))
@MANY
def test_a_record_is_read_as_the_json_that_it_is_or_not_at_all(values):
    fields = columns(MTA.name)
    reader = texts.Reader([f.name.encode() for f in fields], [f.kind == "integer" for f in fields])
    arrays, places = reader.read(values, 4_096)
    for row, place in enumerate(np.frombuffer(places, np.int64).tolist()):
        document = orjson.loads(values[place])
        for each, array in zip(fields, arrays, strict=True):
            found, written_one = array[row].as_py(), document.get(each.name)
            assert (type(found), found) == (type(written_one), written_one)


@given(st.lists(documents(MTA.name), min_size=1, max_size=12))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_left_to_the_typed_reader_the_columns_are_the_same(events):
    values = [written(event) for event in events]
    values[1::2] = [value.replace(b'"type"', b'"\\u0074ype"') for value in values[1::2]]
    found, positions = parsing.parse(MTA.name, values)
    typed, same = parsing._typed(MTA.name, values)
    assert (found.equals(typed), positions.tolist()) == (True, same.tolist())


@given(batches())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_without_a_compiler_batches_are_decoded_alike(batch):
    topic, values = batch
    heard_us = np.full(len(values), BROKER_US, dtype=np.int64)
    found = decode_batch(topic, values, heard_us)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parsing, "_compiled", lambda _: None)
        patch.setattr("mailsla.schemas.codec.instants.compiled", None)
        slow = decode_batch(topic, values, heard_us)
    assert found.table.equals(slow.table)
    assert (found.rows.tolist(), found.rejections) == (slow.rows.tolist(), slow.rejections)


@given(st.lists(st.one_of(instants(2024), ODD_INSTANTS), min_size=1, max_size=20))
@MANY
@example(["2199-12-31T23:59:59.999999-00:01", "1970-01-01T00:00:00+00:01"])
@example(["2000-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2024-12-31T23:59:59.5+23:59"])
def test_an_instant_is_the_one_of_the_definition_or_left_to_it(written_ones):
    found_us = np.empty(len(written_ones), np.int64)
    texts.instants(*text_buffers(pa.array(written_ones, pa.string())), found_us)
    for text, us in zip(written_ones, found_us.tolist(), strict=True):
        assert us == -1 or us == micros(parse_instant(text))


@given(
    st.datetimes(
        min_value=np.datetime64(0, "s").item(), max_value=np.datetime64(7_258_118_399, "s").item()
    )
)
@MANY
def test_no_plain_instant_is_left_to_the_definition(moment):
    text = f"{moment.isoformat()}Z"
    found_us = np.empty(1, np.int64)
    texts.instants(*text_buffers(pa.array([text])), found_us)
    assert found_us[0] == micros(parse_instant(text))


@given(st.lists(st.text(max_size=40), max_size=50), st.integers(0, 5), st.integers(0, 3))
@MANY
def test_texts_have_the_hashes_of_the_definition(some, first, salt):
    column = pa.array(["left out", *some], pa.string()).slice(first)
    begins, data = text_buffers(column)
    defined = hash_in_columns(begins.astype(np.int64), data, salt)
    assert hash_texts(column, salt).tolist() == defined.tolist()


SHORT = st.one_of(st.none(), st.binary(max_size=200))
HEADERS = st.lists(st.tuples(st.text(max_size=5), SHORT), max_size=3)
ONE = st.tuples(st.integers(0, 2**40), SHORT, SHORT, HEADERS)


def batch_of(records, codec=0, first=0, by_broker=False):
    """A batch of the log as the broker gives it."""
    builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, 2**20)
    for number, (time_ms, key, value, headers) in enumerate(records):
        assert builder.append(number, time_ms, key, value, headers)
    batch = builder.build()
    batch[:8] = first.to_bytes(8, "big")
    batch[22] |= 8 * by_broker
    return bytes(batch)


def same(one, other):
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        if name in {"offsets", "times_ms"}
        else getattr(one, name) == getattr(other, name)
        for name in Stretch.__slots__
    )


@given(
    st.lists(ONE, min_size=1, max_size=20), st.integers(0, 4), st.integers(0, 2**40), st.booleans()
)
@MANY
def test_a_batch_of_the_log_is_taken_apart_as_the_client_does_it(records, codec, first, by_broker):
    batch = batch_of(records, codec, first, by_broker)
    found = unpacked(memoryview(batch))
    assert found is not None
    assert same(found, Stretch.of(list(DefaultRecordBatch(batch))))


@given(st.lists(ONE, min_size=1, max_size=5), st.data())
@MANY
def test_a_damaged_batch_is_taken_apart_as_the_client_does_it_or_left_to_that(records, data):
    batch = bytearray(batch_of(records))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(57, len(batch) - 1))
        batch[place] = data.draw(st.integers(0, 255))
    batch = bytes(batch)[: data.draw(st.integers(61, len(batch)))]
    found = unpacked(memoryview(batch))
    assert found is None or same(found, Stretch.of(list(DefaultRecordBatch(batch))))


def test_what_does_not_fit_is_an_error_and_nothing_is_read_beyond_it():
    room, data = np.empty(1, np.uint64), np.zeros(4, np.uint8)
    weights = np.ones(1, np.uint64)
    for begins in ([0, 5], [-1, 2], [3, 2], [0, 1, 2]):
        begins = np.array(begins, np.int32)
        with pytest.raises(ValueError):
            texts.hash_texts(begins, data, 1, weights, room)
        with pytest.raises(ValueError):
            texts.instants(begins, data, np.empty(1, np.int64))
    with pytest.raises(ValueError):
        texts.hash_texts(np.array([0, 9], np.int32), np.zeros(9, np.uint8), 1, weights, room)
    with pytest.raises(ValueError):
        texts.Reader([b"field"] * 65, [False] * 65)


def test_a_column_of_long_texts_has_room():
    reader = texts.Reader([b"a", b"b"], [False, True])
    values = [b'{"a":"%s","b":%d}' % (b"x" * size, size) for size in (0, 3, 4_000, 1, 3_999)]
    (long, whole), _ = reader.read(values, 4_096)
    assert list(map(len, long.to_pylist())) == whole.to_pylist() == [0, 3, 4_000, 1, 3_999]
