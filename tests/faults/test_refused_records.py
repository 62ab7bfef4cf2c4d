"""Records that are refused: any share of them, and any size that the broker takes."""

import time
from base64 import b64decode
from collections import Counter

import orjson
import pytest
from kafka import KafkaProducer
from kafka.errors import MessageSizeTooLargeError

from mailsla.streams.runtime.dead_letters import MAX_DEAD_LETTER_BYTES
from tests.exactness import assert_exact
from tests.faults.test_faults import SMALL_STEPS, publish
from tests.faults.test_outages import SLOW
from tests.faults.test_poison import heartbeat
from tests.floods import MTA
from tests.stack import cpu_seconds, running_stack, say

EVENT_LIMIT = 65_536
LIMIT = 1_048_588
"""Bytes of a batch that Apache Kafka takes unless it is told otherwise."""
EVENTS = 20_000

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(3_600), SLOW]


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with running_stack(tmp_path_factory.mktemp("refused"), "kafka") as started:
        yield started


@pytest.mark.parametrize(
    ("percent", "for_each_good"), [(0, 0.0), (1, 0.01), (50, 1.0), (100, None)]
)
def test_any_share_of_poison(stack, percent, for_each_good):
    """One in eleven of the refused records is refused for its size, and has 64 KiB."""
    _, expected = publish(stack, f"poison-{percent}", EVENTS, for_each_good)
    with stack.workers("streams", "sinks", **SMALL_STEPS) as workers:
        began = time.monotonic()
        stack.drain(600)
        took_s = time.monotonic() - began
        spent = ", ".join(f"{one.kind} {cpu_seconds(one.pid):.0f} s" for one in workers)
        good = len(expected.facts)
        say(
            f"{percent} % poison of {expected.published} records: {good} good ones in "
            f"{took_s:.0f} s with the start, {good / took_s:.0f} a second; processor: {spent}"
        )
        assert_exact(stack, expected)


def of_size(name, size):
    """A good event of exactly so many bytes."""
    topic, key, value = heartbeat(name, "sized")
    return topic, key, value.ljust(size)


def test_events_at_and_over_the_limit(stack):
    with stack.workers("streams", "sinks", **SMALL_STEPS):
        stack.publish([of_size("at", EVENT_LIMIT), of_size("over", EVENT_LIMIT + 1)])
        stack.publish([heartbeat("after", "sized")])
        stack.drain(300)
    facts = "SELECT arraySort(groupArray(id)) FROM ops_events FINAL WHERE tenant_id = 'sized'"
    assert stack.rows(facts) == [(["after", "at"],)]
    (letter,) = (
        orjson.loads(one.value) for one in stack.read("sla.dead_letters") if one.key == b"sized"
    )
    assert (letter["topic"], f"at most {EVENT_LIMIT}" in letter["reason"]) == ("mail.ops", True)


def test_records_at_and_over_the_broker_s_limit(stack):
    producer = KafkaProducer(
        bootstrap_servers=stack.settings.kafka, max_request_size=4 * LIMIT, linger_ms=0
    )
    key, sizes = b"large-t1", []
    with stack.workers("streams", "sinks", **SMALL_STEPS):
        stack.publish([heartbeat("before", "large-t1")])
        # What a batch has besides the value is a little more or less than a hundred bytes.
        for size in range(LIMIT - 400, LIMIT + 401, 25):
            try:
                producer.send(MTA, b"x" * size, key, partition=0).get(30)
            except MessageSizeTooLargeError:
                continue
            sizes.append(size)
        producer.close()
        stack.publish([heartbeat("after", "large-t1")])
        stack.drain(300)
    letters = [orjson.loads(one.value) for one in stack.read("sla.dead_letters") if one.key == key]
    kept = MAX_DEAD_LETTER_BYTES - len(key)
    assert len(letters) == len(sizes)
    assert {b64decode(one["value_b64"]) for one in letters} == {b"x" * kept}
    assert all(f"only the first {kept} bytes" in one["reason"] for one in letters)
    landed = stack.rows("SELECT offset, count() FROM dead_letters FINAL WHERE topic = 'mail.mta' "
                        "AND length(value_b64) > 900000 GROUP BY offset")  # fmt: skip
    assert Counter(dict(landed)) == Counter(one["offset"] for one in letters)
    facts = "SELECT groupArray(id) FROM ops_events FINAL WHERE tenant_id = 'large-t1'"
    assert set(stack.rows(facts)[0][0]) == {"before", "after"}
    say(f"largest taken {max(sizes)} bytes; each a dead letter, once, and the rest went on")
