"""Topics that are not as the project made them, and producers that place records elsewhere."""

import subprocess
from collections import Counter

import orjson
import pytest
from kafka import KafkaAdminClient, OffsetAndMetadata, TopicPartition
from kafka.errors import NoError

from mailsla.schemas.topics import ALL_TOPICS
from mailsla.streams.cli.support.doctor.live_state import live_state_finding
from mailsla.streams.cli.support.doctor.placement import placement_finding
from mailsla.streams.runtime.kafka.admin import ensure_topics, topic_identities
from mailsla.streams.runtime.kafka.drain import DrainStandstill, drain
from tests.mta_flood import flood
from tests.stack import GROUPS, PARTITIONS, needs_program, running_stack, wait_for
from tests.topic_records import partition_of

pytestmark = [pytest.mark.embedded, pytest.mark.kafka]

EVENTS = 400


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with running_stack(tmp_path_factory.mktemp("topics"), "kafka") as started:
        yield started


def test_a_tenant_lives_in_one_partition_whatever_the_producer_s_partitioner(stack):
    needs_program("kcat")
    records = list(flood(3, 12, EVENTS).records())
    lines = b"\n".join(one.key + b"\t" + one.value for one in records)
    command = ["kcat", "-P", "-b", stack.settings.kafka, "-t", "mail.mta", "-K", "\t"]
    subprocess.run(command, input=lines, check=True, timeout=60)
    sent = stack.read("mail.mta")
    away = [one for one in sent if one.partition != partition_of(one.key)]
    assert len(sent) == EVENTS
    assert away
    with stack.workers("streams", "sinks", checkpoint_s="0.2"):
        stack.drain()
    # Published once more at home, and nothing again; every message counts there, once.
    again = stack.read("mail.mta")
    home = [one for one in again if one.partition == partition_of(one.key)]
    assert Counter(one.value for one in home) == Counter(one.value for one in records)
    months = "SELECT sum(count) FROM windows FINAL WHERE family = 'latency' AND window = 'month'"
    assert stack.rows(months) == [(EVENTS,)]
    assert stack.rows("SELECT count() FROM mta_events FINAL") == [(EVENTS,)]
    finding = placement_finding(stack.settings)
    tenants = len({one.key for one in away})
    assert (finding.state, finding.detail.count(f" {tenants} tenants ")) == ("note", 1)
    assert "by mx1.example.net/postfix;" in finding.detail


def end_of(worker):
    """What a worker has said once it has ended by itself."""
    wait_for(lambda: not worker.is_running(), what="the end of the worker")
    return worker.log


def doctor(stack):
    names = [topic.name for topic in ALL_TOPICS]
    return live_state_finding(stack.settings, topic_identities(stack.settings, names))


def heartbeats(first, count):
    event = {"source": "watch", "type": "monitor.heartbeat", "monitor": "m", "interval_s": 60}
    for number in range(first, first + count):
        own = {"id": f"h{number}", "tenant_id": f"t{number % 9}", "time": "2025-10-05T08:00:00Z"}
        yield "mail.ops", own["tenant_id"].encode(), orjson.dumps(event | own)


def assert_not_drained_beyond_the_end(stack, admin):
    """A place that was committed in the former topic does not pass for having read the new one."""
    places = [TopicPartition("mail.ops", number) for number in range(PARTITIONS)]
    beyond = dict.fromkeys(places, OffsetAndMetadata(1_000, "", -1))

    def committed():
        return set(admin.alter_group_offsets(GROUPS["streams"], beyond).values()) == {NoError}

    wait_for(committed, what="the places, once the group has no members")
    stack.publish(heartbeats(0, 60))
    # Other topics may hold records besides: the worker has ended.
    with pytest.raises(DrainStandstill, match=r"behind \(.*mail\.ops/\d: \d+ from offset 0 on"):
        drain(stack.settings, None, lambda progress: None, standstill_s=0.5)


def test_a_topic_made_anew_is_not_taken_for_the_one_before(stack):
    assert stack.applied("streams", "mail.mta") > EVENTS
    assert doctor(stack).state == "ok"
    running = stack.worker("streams", checkpoint_s="0.2")
    wait_for(lambda: running.log.count("read back in") == PARTITIONS, what="all tasks")
    admin = KafkaAdminClient(bootstrap_servers=stack.settings.kafka)
    admin.delete_topics(["mail.probe"])
    wait_for(lambda: "mail.probe" not in admin.list_topics())
    ensure_topics(stack.settings)
    for said in (end_of(running), end_of(stack.worker("streams", checkpoint_s="0.2"))):
        assert "mail.probe was deleted and made anew" in said
        assert f"delete mailsla.streams.state and the consumer group {GROUPS['streams']}" in said
    found = doctor(stack)
    assert found.state == "wrong"
    assert found.detail.startswith("mail.probe was deleted and made anew")
    assert_not_drained_beyond_the_end(stack, admin)
    admin.create_partitions({"mail.ops": 5})
    wait_for(lambda: len(admin.describe_topics(["mail.ops"])[0]["partitions"]) == 5)
    said = end_of(stack.worker("streams", checkpoint_s="0.2"))
    assert "mail.ops has 5 partitions, other topics 4" in said
    admin.close()


def test_sinks_land_a_topic_made_anew_from_its_beginning(stack):
    """What the live worker said above is done to its topic, while sinks run."""
    landed = "SELECT uniqExact(id) FROM ops_events"
    admin = KafkaAdminClient(bootstrap_servers=stack.settings.kafka)
    with stack.workers("sinks") as (worker,):
        stack.publish(heartbeats(0, 60))
        wait_for(lambda: stack.rows(landed) == [(60,)], what="the first heartbeats")
        admin.delete_topics(["mail.ops"])
        wait_for(lambda: "mail.ops" not in admin.list_topics())
        admin.close()
        ensure_topics(stack.settings)
        # More than before: whoever went on at the old offsets would pass over the first of them.
        stack.publish(heartbeats(60, 200))
        wait_for(lambda: stack.rows(landed) == [(260,)], 120, "every heartbeat")
        # The broker may have sent it back to the beginning before it looks what the topics are.
        said = "mail.ops was deleted and made anew: it is read from its beginning"
        wait_for(lambda: said in worker.log, what="the worker says so")
    assert stack.rows("SELECT count() FROM ops_events FINAL") == [(260,)]
