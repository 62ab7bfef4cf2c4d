"""Records of the result topics become rows; what does not parse costs nobody else anything."""

from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailsla.schemas.export import examples
from mailsla.schemas.results import Window
from mailsla.sinks.landing.results import RESULT_KINDS, decode_results
from mailsla.sinks.landing.windows import read_windows


@dataclass
class Batch:
    topic: str
    values: list
    partition: int = 3
    timestamp_type: int = 0
    unreadable: dict = field(default_factory=dict)

    @property
    def offsets(self):
        return np.arange(100, 100 + len(self.values), dtype=np.int64)

    @property
    def timestamps_us(self):
        return np.full(len(self.values), 1_793_000_000_000_000, dtype=np.int64)


def all_valid(topic):
    return [example.value for example in examples.valid(topic)]


@pytest.mark.parametrize("topic", RESULT_KINDS)
def test_every_valid_example_is_a_row(topic):
    values = all_valid(topic)
    decoded = decode_results(Batch(topic, values))
    assert (decoded.rows.num_rows, decoded.rejected, decoded.complaint) == (len(values), 0, None)


@pytest.mark.parametrize("topic", RESULT_KINDS)
def test_invalid_examples_are_left_out_and_the_rest_stays(topic):
    bad = [example.value for example in examples.invalid(topic)]
    good = all_valid(topic)
    values = [record for pair in zip(bad, good * len(bad), strict=False) for record in pair]
    decoded = decode_results(Batch(topic, values))
    assert (decoded.rows.num_rows, decoded.rejected) == (len(bad), len(bad))
    assert f"{len(bad)} records of {topic}/3" in decoded.complaint
    assert "offset 100:" in decoded.complaint


@pytest.mark.parametrize("topic", RESULT_KINDS)
@pytest.mark.parametrize(
    "value",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b"{}", b'{"a":1}\n{"a":2}', b"[" * 5000, b"{}\0{}"],
)
def test_hostile_bytes_are_left_out(topic, value):
    good = all_valid(topic)[0]
    decoded = decode_results(Batch(topic, [good, value, None, good]))
    assert (decoded.rows.num_rows, decoded.rejected, decoded.tombstones) == (2, 1, 1)


@pytest.mark.parametrize("field", ["sequence", "section", "contract_version"])
def test_a_number_that_fits_no_column_is_left_out(field):
    status = orjson.loads(all_valid("sla.status")[0])
    huge = str(status | {field: 0}).replace("'", '"').replace("None", "null")
    huge = huge.replace(f'"{field}": 0', f'"{field}": {2**70}')
    decoded = decode_results(Batch("sla.status", [huge.encode()]))
    assert (decoded.rows.num_rows, decoded.rejected) == (0, 1)


@pytest.mark.parametrize("observed", ["1e40", "-1e39", "NaN", "Infinity"])
def test_an_observed_value_that_fits_no_column_is_left_out(observed):
    status = orjson.loads(all_valid("sla.status")[0]) | {"observed": observed}
    decoded = decode_results(Batch("sla.status", [orjson.dumps(status)]))
    assert (decoded.rows.num_rows, decoded.rejected) == (0, 1)


def test_a_long_ratio_is_kept_to_twelve_places():
    status = orjson.loads(all_valid("sla.status")[0]) | {"observed": "0.99998765432149999"}
    decoded = decode_results(Batch("sla.status", [orjson.dumps(status)]))
    assert decoded.rows["observed"].to_pylist() == [Decimal("0.999987654321")]


def test_a_field_of_a_newer_release_is_left_out_not_the_record():
    for topic in ("sla.windows", "sla.status", "sla.outages", "sla.breaches"):
        record = orjson.loads(all_valid(topic)[0]) | {"invented_later": {"a": 1}}
        assert decode_results(Batch(topic, [orjson.dumps(record)])).rejected == 0


def test_a_breach_keeps_its_whole_document():
    value = all_valid("sla.breaches")[1]
    decoded = decode_results(Batch("sla.breaches", [value]))
    assert decoded.rows["document"].to_pylist() == [value.decode()]
    assert decoded.rows["excluded"].to_pylist() == [Decimal("60.5")]


windows = st.builds(
    lambda base, changes: orjson.dumps({**base, **changes}),
    st.sampled_from([orjson.loads(value) for value in all_valid("sla.windows")]),
    st.dictionaries(
        st.sampled_from([*Window.model_fields, "unknown"]),
        st.none()
        | st.integers(-(2**60), 2**60)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=8)
        | st.sampled_from(
            [
                "1h", "up", "inbound", "latency", True, [], {},
                "2026-10-01T00:00:00+08:00", "2026-10-01T00:00:00", "2026-10-01",
                "1969-01-01T00:00:00Z", "2300-01-01T00:00:00Z", "2026-02-30T00:00:00Z",
            ]
        ),
        max_size=2,
    ),
)  # fmt: skip


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(windows | st.binary(max_size=20), max_size=12))
def test_reading_windows_by_the_column_takes_what_the_model_takes_and_nothing_else(values):
    one_by_one = RESULT_KINDS["sla.windows"].read
    expected = []
    for offset, value in enumerate(values):
        try:
            row = one_by_one(value)
        except ValueError:
            continue
        expected.append((offset, row["tenant_id"], row["as_of"], row["count"], row["state"]))
    rows = decode_results(Batch("sla.windows", values)).rows
    names = ("tenant_id", "as_of", "count", "state")
    found = zip(rows["offset"].to_pylist(), *(rows[n].to_pylist() for n in names), strict=True)
    assert [(offset - 100, *rest) for offset, *rest in found] == expected


def test_clean_windows_take_the_columnar_path():
    values = all_valid("sla.windows")
    assert read_windows(values).num_rows == len(values)


def test_windows_without_revisions_take_the_columnar_path_as_first_ones():
    values = [orjson.loads(value) for value in all_valid("sla.windows")]
    for value in values:
        value.pop("revision", None)
    assert read_windows([*map(orjson.dumps, values)])["revision"].to_pylist() == [1, 1, 1]


def test_windows_with_and_without_revisions_may_come_mixed():
    values = [orjson.loads(all_valid("sla.windows")[0]) | {"revision": n} for n in (4, 5, 6)]
    del values[1]["revision"]
    assert read_windows([*map(orjson.dumps, values)])["revision"].to_pylist() == [4, 1, 6]


def test_a_revision_of_null_is_no_missing_one():
    value = orjson.loads(all_valid("sla.windows")[0]) | {"revision": None}
    for text in (orjson.dumps(value), orjson.dumps(value).replace(b"revision", b"\\u0072evision")):
        assert read_windows([text]) is None
        assert decode_results(Batch("sla.windows", [text])).rejected == 1
