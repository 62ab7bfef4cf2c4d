"""Bounds of the codec that no single example can hold."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from mailsla.schemas.codec.columnar import decode_batch, micros
from mailsla.schemas.codec.columns import arrow_schema, clickhouse_columns, columns
from mailsla.schemas.codec.identifiers import parse_instant, rfc3339
from mailsla.schemas.codec.records import Rejection, decode_contract, decode_event
from mailsla.schemas.envelope import MAX_EVENT_BYTES
from mailsla.schemas.export.examples import BROKER_TIME, valid
from mailsla.schemas.registry import EVENT_TYPES

MTA = "mail.mta"
EVENT = valid(MTA)[0].value
DOCUMENT = json.loads(EVENT)


def at(moment, broker):
    """Whether both decoders accept an event of this time under this broker clock."""
    value = json.dumps(DOCUMENT | {"time": rfc3339(moment)}).encode()
    alone = not isinstance(decode_event(MTA, value, broker), Rejection)
    together = decode_batch(MTA, [value], np.array([micros(broker)]))
    assert (together.rows.tolist() == [0]) == alone
    return alone


def test_the_time_may_be_24_hours_ahead_of_the_broker_and_no_microsecond_more():
    broker = datetime(2025, 10, 1, 12, 0, 0, 123456, tzinfo=UTC)
    assert at(broker + timedelta(hours=24), broker)
    assert not at(broker + timedelta(hours=24, microseconds=1), broker)


def test_the_time_may_be_the_first_instant_of_2000_and_no_microsecond_earlier():
    first = datetime(2000, 1, 1, tzinfo=UTC)
    assert at(first, BROKER_TIME)
    assert not at(first - timedelta(microseconds=1), BROKER_TIME)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("2025-10-01T08:00:05.123456789+08:00", "2025-10-01T00:00:05.123456Z"),
        ("2025-10-01T00:00:05.9999999999999Z", "2025-10-01T00:00:05.999999Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ("2017-01-01T07:59:60.75+08:00", "2017-01-01T00:00:00Z"),
    ],
)
def test_decimals_beyond_a_microsecond_are_cut_and_a_leap_second_is_the_next_second(text, means):
    value = json.dumps(DOCUMENT | {"time": text, "accepted_at": text}).encode()
    event = decode_event(MTA, value, BROKER_TIME)
    together = decode_batch(MTA, [EVENT, value], np.full(2, micros(BROKER_TIME)))
    assert event.time == event.accepted_at == parse_instant(means)
    assert together.table.column("time").to_pylist()[1] == parse_instant(means)


def test_a_batch_stamped_in_nanoseconds_costs_no_look_at_single_records(monkeypatch):
    monkeypatch.setattr("mailsla.schemas.codec.columnar.decode_event", None)
    stamp = {"time": "2025-10-01T00:00:05.123456789Z", "accepted_at": "2025-10-01T00:00:05Z"}
    values = [json.dumps(DOCUMENT | stamp | {"id": f"e{i}"}).encode() for i in range(500)]
    decoded = decode_batch(MTA, values, np.full(500, micros(BROKER_TIME)))
    assert decoded.table.num_rows == 500


@pytest.mark.parametrize(
    ("topic", "type_name", "field", "good", "bad"),
    [
        ("mail.billing", "customer.charged", "billing_month", "2000-01", "0001-01"),
        ("mail.billing", "customer.charged", "billing_month", "2027-10", "2027-11"),
        ("mail.billing", "service.opened", "notified_at", "2000-01-01T00:00:00Z",
         "1999-12-31T23:59:59Z"),
        ("mail.billing", "service.opened", "notified_at", "2027-10-01T00:00:00Z",
         "2027-10-04T00:00:00Z"),
        ("mail.ops", "exclusion.declared", "ends_at", "2027-10-01T00:00:00Z",
         "2199-01-01T00:00:00Z"),
        ("mail.backup", "backup.completed", "started_at", "2000-01-01T00:00:00Z",
         "1970-01-01T00:00:00Z"),
    ],
)  # fmt: skip
def test_instants_and_months_lie_between_2000_and_two_years_ahead(
    topic, type_name, field, good, bad
):
    broker = datetime(2025, 10, 2, tzinfo=UTC)
    (document,) = (
        json.loads(each.value)
        for each in valid(topic)
        if b'-full"' in each.value and f'"{type_name}"'.encode() in each.value
    )
    values = [json.dumps(document | {field: each}).encode() for each in (good, bad)]
    refused = decode_event(topic, values[1], broker)
    assert not isinstance(decode_event(topic, values[0], broker), Rejection)
    assert isinstance(refused, Rejection)
    assert (refused.field, "2000 to two years ahead" in refused.reason) == (field, True)
    decoded = decode_batch(topic, values, np.full(2, micros(broker)))
    assert decoded.rows.tolist() == [0]


def test_the_start_of_an_interval_may_equal_its_end():
    value = json.dumps(DOCUMENT | {"accepted_at": DOCUMENT["time"]}).encode()
    assert decode_batch(MTA, [value], np.array([micros(BROKER_TIME)])).rows.tolist() == [0]


@pytest.mark.parametrize("clock", [-1, -(2**63), 2**63 - 1])
def test_a_nonsensical_broker_clock_is_no_error(clock):
    decoded = decode_batch(MTA, [EVENT, b"{}"], np.array([clock, clock]))
    assert len(decoded.rows) + len(decoded.rejections) == 2
    assert len(decoded.rows) == (clock > 0)


@pytest.mark.parametrize(
    ("size", "accepted"), [(MAX_EVENT_BYTES, True), (MAX_EVENT_BYTES + 1, False)]
)
def test_an_event_may_have_64_kib_and_no_byte_more(size, accepted):
    value = EVENT[:-1] + b" " * (size - len(EVENT)) + b"}"
    assert len(value) == size
    decoded = decode_batch(MTA, [EVENT, value], np.full(2, micros(BROKER_TIME)))
    assert decoded.rows.tolist() == ([0, 1] if accepted else [0])


def test_an_empty_batch_and_a_batch_of_tombstones_give_an_empty_table():
    for values in ([], [None], [None] * 3):
        decoded = decode_batch(MTA, values, np.zeros(len(values), dtype=np.int64))
        assert decoded.table.schema == arrow_schema(MTA)
        assert (decoded.table.num_rows, len(decoded.rows)) == (0, 0)
        assert decoded.tombstones == len(values)


def test_a_batch_of_many_good_records_costs_no_look_at_single_ones(monkeypatch):
    alone = []
    monkeypatch.setattr(
        "mailsla.schemas.codec.columnar.decode_event", lambda *record: alone.append(record)
    )
    values = [
        json.dumps(DOCUMENT | {"id": f"e{i}", "recipient": f"Info{i}@example.org"}).encode()
        for i in range(2_000)
    ]
    decoded = decode_batch(MTA, values, np.full(2_000, micros(BROKER_TIME)))
    assert decoded.table.column("id").to_pylist() == [f"e{i}" for i in range(2_000)]
    assert alone == []


def test_a_record_that_cannot_be_read_takes_only_itself_off_the_fast_path(monkeypatch):
    alone = []

    def counted(topic, value, moment):
        alone.append(value)
        return decode_event(topic, value, moment)

    monkeypatch.setattr("mailsla.schemas.codec.columnar.decode_event", counted)
    values = [json.dumps(DOCUMENT | {"id": f"e{i}"}).encode() for i in range(2_000)]
    values[700] = values[700][:-1] + b', "id": "twice"}'
    values[800] = values[800][:-1] + b', "attempt": 1.0}'
    values[900] = values[900][:-1] + b', "size_bytes": "9"}'
    decoded = decode_batch(MTA, values, np.full(2_000, micros(BROKER_TIME)))
    assert decoded.table.column("id")[700].as_py() == "twice"
    assert decoded.rows.tolist() == [row for row in range(2_000) if row != 900]
    assert alone == [values[800], values[900]]


def test_times_come_out_in_utc_to_the_microsecond():
    moment = parse_instant("2025-10-01T08:00:00.000001+08:00")
    assert moment == datetime(2025, 10, 1, 0, 0, 0, 1, tzinfo=UTC)
    assert rfc3339(moment) == "2025-10-01T00:00:00.000001Z"
    assert micros(moment) == 1_759_276_800_000_001
    with pytest.raises(ValueError, match="no UTC offset"):
        parse_instant(datetime(2025, 10, 1))  # noqa: DTZ001


def test_a_contract_that_is_no_json_is_refused_like_an_event():
    refused = decode_contract(b'{"tenant_id": "acme"')
    assert isinstance(refused, Rejection)
    assert refused.field is None
    assert refused.reason.startswith("not valid JSON")


@pytest.mark.parametrize("topic", EVENT_TYPES)
def test_columns_of_stores_are_derived_from_the_models_alone(topic):
    names = [column.name for column in columns(topic)]
    fields = {name for model in EVENT_TYPES[topic].values() for name in model.model_fields}
    assert names[:5] == ["id", "source", "type", "tenant_id", "time"]
    assert set(names) == fields
    assert [name for name, _ in clickhouse_columns(topic)] == names
    for column in columns(topic):
        required = all(
            column.name in model.model_fields and model.model_fields[column.name].is_required()
            for model in EVENT_TYPES[topic].values()
        )
        if required:
            assert "Nullable" not in column.clickhouse, column.name
