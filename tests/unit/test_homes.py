"""Where tenants live, and whether topics are those a state was derived from."""

from dataclasses import replace

import pytest
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from mailsla.streams.cli.support.doctor.live_state import remembered_finding
from mailsla.streams.live.checkpoint.same_topics import remember_topics
from mailsla.streams.live.decode.contracts import decode_contracts
from mailsla.streams.live.decode.homes import Homes
from mailsla.streams.live.decode.records import decode
from mailsla.streams.runtime.checkpoint.state_log import Head, StateError, head_record
from mailsla.streams.runtime.kafka.identity import TopicIdentity
from tests.live_run import BROKER_US, LiveRun
from tests.unit.test_feed_clock import message

TOPICS = {name: TopicIdentity(f"id of {name}", 4) for name in ("mail.mta", "mail.ops", "state")}


@given(st.text(min_size=1, max_size=20), st.integers(1, 64))
def test_a_tenant_lives_where_kafka_s_default_partitioner_puts_it(tenant, partitions):
    places = list(range(partitions))
    expected = DefaultPartitioner()(tenant.encode(), places, places)
    assert Homes(partitions).of(tenant) == expected


def batches(records):
    run = LiveRun()
    return run._batch(records[0][0], [(record, BROKER_US) for record in records])


def test_a_record_in_another_partition_is_published_once_more_and_counts_there():
    batch = batches([message(number, "dispatched", 10) for number in range(3)])
    homes = Homes(4)
    home = homes.of("a")
    away = replace(batch, partition=(home + 1) % 4)
    decoded = decode(away, BROKER_US, homes)
    assert (len(decoded), decoded.misplaced) == (0, 3)
    assert [(one.key, one.value) for _, one in decoded.outgoing] == list(
        zip(batch.keys, batch.values, strict=True)
    )
    at_home = decode(replace(batch, partition=home), BROKER_US, homes)
    assert (len(at_home), at_home.misplaced, at_home.outgoing) == (3, 0, [])


def test_a_contract_in_another_partition_goes_to_its_tenant():
    document = b'{"tenant_id": "a", "version": 1, "effective_from": "2026-01-01"}'
    batch = batches([("sla.contracts", b"wrong", document)])
    homes = Homes(4)
    home = homes.of("a")
    here, outgoing = decode_contracts(replace(batch, partition=home), {}, homes)
    assert [contract.tenant_id for _, contract in here] == ["a"]
    assert outgoing == []
    here, (again,) = decode_contracts(replace(batch, partition=(home + 1) % 4), {}, homes)
    assert here == []
    assert (again.topic, again.key, again.value) == ("sla.contracts", b"a", document)


def test_a_state_goes_on_with_the_topics_it_is_derived_from():
    head = Head()
    remember_topics(head, TOPICS)
    remember_topics(head, TOPICS)
    assert remembered_finding([head_record(0, head).value], TOPICS).state == "ok"


@pytest.mark.parametrize(
    ("now", "sentence"),
    [
        ({"mail.ops": TopicIdentity("another", 4)}, "mail.ops was deleted and made anew"),
        ({"mail.ops": TopicIdentity("id of mail.ops", 5)}, "mail.ops has 5 partitions"),
        (
            {name: replace(one, partitions=8) for name, one in TOPICS.items()},
            "had 4 partitions when the state of this task was written and have 8 now",
        ),
    ],
)
def test_other_topics_are_refused(now, sentence):
    head = Head()
    remember_topics(head, TOPICS)
    with pytest.raises(StateError, match=sentence):
        remember_topics(head, {**TOPICS, **now})
    with pytest.raises(StateError, match=sentence):
        remembered_finding([head_record(0, head).value], {**TOPICS, **now})
