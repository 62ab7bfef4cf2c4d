"""The columnar decoder accepts exactly what the one-record decoder accepts, as the same values."""

import os
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mailsla.schemas.codec.columnar import decode_batch
from mailsla.schemas.codec.columns import arrow_schema
from mailsla.schemas.codec.identifiers import parse_instant
from mailsla.schemas.codec.instants import parse_instants
from mailsla.schemas.codec.records import Rejection, decode_event
from mailsla.schemas.registry import EVENT_TYPES
from tests.property.codec_records import ODD_INSTANTS, altered, batches, documents, mangled, written

BROKER = datetime(2025, 12, 30, tzinfo=UTC)
BROKER_US = int(BROKER.timestamp()) * 1_000_000
LONG = int(os.environ.get("MAILSLA_CODEC_EXAMPLES", "120"))

RELAXED = settings(
    max_examples=LONG,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def agree(topic, values):
    """Both decoders on the same records; returns how many were accepted."""
    decoded = decode_batch(topic, values, np.full(len(values), BROKER_US, dtype=np.int64))
    outcomes = {i: decode_event(topic, v, BROKER) for i, v in enumerate(values) if v is not None}
    accepted = {i: o for i, o in outcomes.items() if not isinstance(o, Rejection)}
    absent = dict.fromkeys(arrow_schema(topic).names)
    assert decoded.rows.tolist() == list(accepted)
    assert decoded.table.schema == arrow_schema(topic)
    assert decoded.table.to_pylist() == [absent | e.model_dump() for e in accepted.values()]
    assert dict(decoded.rejections) == {i: o for i, o in outcomes.items() if i not in accepted}
    assert decoded.tombstones == sum(value is None for value in values)
    return len(accepted)


@RELAXED
@given(batches())
def test_any_mixture_is_decided_like_one_record_at_a_time(batch):
    agree(*batch)


@pytest.mark.parametrize("topic", EVENT_TYPES)
@settings(RELAXED, max_examples=LONG // 4)
@given(data=st.data())
def test_one_odd_record_among_good_ones_is_decided_alone(topic, data):
    good = data.draw(documents(topic).map(written))
    odd = data.draw(st.one_of(altered(topic), mangled(topic)))
    agree(topic, [odd])
    agree(topic, [good, odd, good])


@RELAXED
@given(st.lists(ODD_INSTANTS, min_size=1, max_size=6))
def test_times_are_read_by_the_column_as_one_at_a_time(texts):
    stamps, good = parse_instants(pa.array(texts), np.ones(len(texts), dtype=np.bool_))
    for text, stamp, vouched in zip(texts, stamps, good.tolist(), strict=True):
        if vouched:
            assert stamp.as_py() == parse_instant(text)


@settings(RELAXED, max_examples=100)
@given(st.data())
def test_a_record_of_several_objects_cannot_shift_the_rows_of_others(data):
    topic = data.draw(st.sampled_from(sorted(EVENT_TYPES)))
    good = [data.draw(documents(topic).map(written)) for _ in range(3)]
    assume(agree(topic, good) == 3)
    # Records that hold two, one or no object: by count they could make up for each other.
    several = [good[0] + good[1], good[0] + b"\n" + good[1], good[1] + b"\0" + good[2]]
    parts = [good[2][: len(good[2]) // 2], b"", b" ", good[2][:-1], b"{}", b"\0", good[0] + b"\0}"]
    records = st.sampled_from([*several, *parts, *good])
    agree(topic, data.draw(st.lists(records, max_size=8)))


@pytest.mark.parametrize("topic", EVENT_TYPES)
@settings(RELAXED, max_examples=20)
@given(data=st.data())
def test_generated_events_are_accepted(topic, data):
    event = data.draw(documents(topic))
    assert agree(topic, [written(event)]) == 1
