"""Producers as they come, each with the partitioner it has unless somebody chooses another.

A producer is a command: it gets the broker and the topic as its last two arguments and sends each
line of its input, a key, a tab and a value. ``MAILSLA_PRODUCERS``, lines of ``name=command``, are
further ones to be tried.
"""

import importlib.util
import os
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path

import orjson
import pytest

from mailsla.sinks.embedded.brokers.kafka_jars import cache_directory
from mailsla.streams.cli.support.doctor.placement import placement_finding
from tests.faults.test_outages import SLOW
from tests.floods import MTA, scoped
from tests.mta_flood import flood
from tests.stack import needs_program, running_stack, say
from tests.topic_records import partition_of

EVENTS = 3_000
TENANTS = 12
_PYTHON = """
import sys
from confluent_kafka import Producer
producer = Producer({"bootstrap.servers": sys.argv[1]})
for line in sys.stdin.buffer:
    key, value = line.rstrip(b"\\n").split(b"\\t", 1)
    producer.produce(sys.argv[2], value, key)
    producer.poll(0)
producer.flush()
"""
_KCAT = ("sh", "-c", "exec kcat -P -K '\t' -b $0 -t $1")

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600), SLOW]


@pytest.fixture
def stack(tmp_path):
    with running_stack(tmp_path, "kafka") as started:
        yield started


def producers():
    """Name → command, of those that are there."""
    needs_program("kcat")
    java = (
        "java",
        "-cp",
        f"{cache_directory()}/*",
        str(Path(__file__).with_name("SendLines.java")),
    )
    found = {"kcat": _KCAT, "java": java}
    if importlib.util.find_spec("confluent_kafka"):
        found["confluent-kafka"] = (sys.executable, "-c", _PYTHON)
    for line in os.environ.get("MAILSLA_PRODUCERS", "").splitlines():
        name, _, command = line.partition("=")
        found[name] = tuple(shlex.split(command))
    return found


def is_home(record):
    tenant = orjson.loads(record.value)["tenant_id"].encode()
    return record.key == tenant and record.partition == partition_of(tenant)


def test_every_producer_s_events_count_once_and_doctor_names_who_places_them_elsewhere(stack):
    sent, away = {}, set()
    for name, command in producers().items():
        sent[name] = [scoped(one, name.encode()) for one in flood(3, TENANTS, EVENTS).records()]
        before = stack.ends(MTA)
        lines = b"".join(one.key + b"\t" + one.value + b"\n" for one in sent[name])
        subprocess.run([*command, stack.settings.kafka, MTA], input=lines, check=True, timeout=120)
        new = [one for one in stack.read(MTA) if one.offset >= before[one.partition]]
        assert Counter(one.value for one in new) == Counter(one.value for one in sent[name])
        elsewhere = [one for one in new if not is_home(one)]
        away |= {orjson.loads(one.value)["tenant_id"] for one in elsewhere}
        say(f"{name}: of {EVENTS} records {len(elsewhere)} in another partition")
    with stack.workers("streams", "sinks", checkpoint_s="0.2"):
        stack.drain()
    every = [one.value for records in sent.values() for one in records]
    # Each has come home once, by itself or published once more; and counts once.
    assert Counter(one.value for one in stack.read(MTA) if is_home(one)) == Counter(every)
    assert stack.rows("SELECT count() FROM mta_events FINAL") == [(len(every),)]
    months = "SELECT sum(count) FROM windows FINAL WHERE family = 'latency' AND window = 'month'"
    assert stack.rows(months) == [(len(every),)]
    finding = placement_finding(stack.settings)
    assert (finding.state, f" {len(away)} tenants " in finding.detail) == ("note", True)
    say(f"doctor: {finding.detail}")
