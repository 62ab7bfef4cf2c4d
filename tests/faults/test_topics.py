"""Topics that are not as the project made them, and producers that place records elsewhere."""

import subprocess
from collections import Counter

import pytest
from kafka import KafkaAdminClient

from mailsla.streams.runtime.kafka.admin import ensure_topics
from tests.mta_flood import flood
from tests.stack import GROUPS, needs_program, partition_of, running_stack, wait_for

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


def stays_down(stack):
    worker = stack.worker("streams", checkpoint_s="0.2")
    wait_for(lambda: not worker.is_running(), what="the end of the worker")
    return worker.log


def test_a_topic_made_anew_is_not_taken_for_the_one_before(stack):
    assert stack.applied("streams", "mail.mta") > EVENTS
    admin = KafkaAdminClient(bootstrap_servers=stack.settings.kafka)
    admin.delete_topics(["mail.probe"])
    wait_for(lambda: "mail.probe" not in admin.list_topics())
    ensure_topics(stack.settings)
    said = stays_down(stack)
    assert "mail.probe was deleted and made anew" in said
    assert f"delete mailsla.streams.state and the consumer group {GROUPS['streams']}" in said
    admin.create_partitions({"mail.ops": 5})
    wait_for(lambda: len(admin.describe_topics(["mail.ops"])[0]["partitions"]) == 5)
    said = stays_down(stack)
    assert "mail.ops has 5 partitions, other topics 4" in said
    admin.close()
