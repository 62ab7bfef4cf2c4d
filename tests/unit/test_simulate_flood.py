"""The flood: events of one size, with the truth known beforehand."""

from collections import Counter
from datetime import UTC, datetime

import orjson
import pytest

from mailsla.schemas.codec.records import Rejection, decode_event
from mailsla.streams.simulate.bad import BAD_KINDS
from tests.mta_flood import EVENT_BYTES, flood
from tests.reference.instants import parse

pytestmark = pytest.mark.slow

BROKER_TIME = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_truth_of_a_flood_is_what_it_holds():
    planned = flood(1, 7, 45_000, 0.001)
    records = list(planned.records())
    truth = planned.truth
    kinds = Counter(record.kind for record in records)
    assert truth.bad == {kind: kinds[f"bad:{kind}"] for kind in BAD_KINDS}
    assert sum(truth.bad.values()) == 45
    assert truth.records == len(records)
    events = [orjson.loads(record.value) for record in records if record.kind == "event"]
    assert len({event["id"] for event in events}) == truth.count == 45_000
    assert Counter(event["tenant_id"] for event in events) == truth.by_tenant
    directions = Counter(event["direction"] for event in events)
    assert (directions["outbound"], directions["inbound"]) == (truth.sent, truth.received)
    latencies = [parse(event["time"]) - parse(event["accepted_at"]) for event in events]
    assert sum(latencies) == truth.latency_us
    assert sum(latency > 3_600_000_000 for latency in latencies) == truth.exceedances


def test_good_events_have_one_size_and_are_accepted_and_bad_ones_are_not():
    for topic, key, value, kind in flood(2, 3, 2_000, 0.01).records():
        outcome = decode_event(topic, value, BROKER_TIME)
        if kind == "event":
            assert len(value) == EVENT_BYTES
            assert outcome.tenant_id.encode() == key
        else:
            assert isinstance(outcome, Rejection)


def test_equal_arguments_give_equal_floods():
    assert list(flood(1, 2, 300).records()) == list(flood(1, 2, 300).records())
    assert list(flood(1, 2, 300).records()) != list(flood(2, 2, 300).records())
    assert list(flood(1, 2, 0).records()) == []


@pytest.mark.parametrize("arguments", [(1, 0, 5), (1, 10_000, 5), (1, 1, -1), (1, 1, 5, 1.5)])
def test_arguments_out_of_range_are_refused(arguments):
    with pytest.raises(ValueError, match="flood with"):
        flood(*arguments)
