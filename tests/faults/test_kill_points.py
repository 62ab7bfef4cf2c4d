"""A worker is killed at one exact point of its work, at each in turn; nothing shows it afterwards.

The points are calls of the libraries beneath the worker and of its own steps, so that production
code knows nothing of them. What the worker sends before the point is at the broker or ClickHouse.
"""

import os
import random
import signal

import pytest

from tests.exactness import assert_exact
from tests.faults.altered_worker import altered_worker
from tests.faults.test_faults import SMALL_STEPS, publish
from tests.faults.test_outages import SLOW
from tests.stack import say, wait_for

ROUNDS = int(os.environ.get("MAILSLA_KILL_ROUNDS", "1"))
EVENTS = 12_000
POINTS = {
    "streams": ("results sent", "state sent", "before commit", "after commit"),
    "sinks": ("before insert", "mid-insert", "after insert"),
}

_AT = """
import os, signal
point, countdown = arguments[0], int(arguments[1])

def at(name):
    global countdown
    if name == point:
        countdown -= 1
        if countdown == 0:
            os.kill(os.getpid(), signal.SIGKILL)
"""

_KILLED = {
    "streams": """
from aiokafka import AIOKafkaProducer
from mailsla.streams.runtime.checkpoint import writer

send_all = writer.send_all
async def sent(producer, records):
    parts = [], []
    for record in records:
        parts[record.topic == "mailsla.streams.state"].append(record)
    for part, name in zip(parts, ("results sent", "state sent")):
        if part:
            await send_all(producer, part)
            at(name)
writer.send_all = sent

commit = AIOKafkaProducer.commit_transaction
async def committed(producer):
    at("before commit")
    await commit(producer)
    at("after commit")
AIOKafkaProducer.commit_transaction = committed
""",
    "sinks": """
import http.client
from mailsla.sinks.landing import delivery

insert_block, inserting = delivery.insert_block, []
def inserted(client, block):
    at("before insert")
    inserting.append(block)
    insert_block(client, block)
    inserting.pop()
    at("after insert")
delivery.insert_block = inserted

send = http.client.HTTPConnection.send
def half_sent(connection, data):
    if inserting and isinstance(data, bytes) and len(data) > 1_000 and point == "mid-insert":
        send(connection, data[: len(data) // 2])
        at(point)
        data = data[len(data) // 2 :]
    send(connection, data)
http.client.HTTPConnection.send = half_sent
""",
}

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(1_200), SLOW]


@pytest.mark.parametrize("kind", ["streams", "sinks"])
def test_a_worker_killed_at_each_point_of_its_work(kafka, kind):
    _, expected = publish(kafka, f"points-{kind}", EVENTS)
    chance, killed = random.Random(5), []
    other = "sinks" if kind == "streams" else "streams"
    with kafka.workers(other, **SMALL_STEPS):
        for point in POINTS[kind] * ROUNDS:
            # One of the first few times: there must be enough left for all the others.
            times = str(chance.randint(1, 3))
            code = _AT + _KILLED[kind]
            with altered_worker(kafka, kind, code, point, times, **SMALL_STEPS) as worker:
                wait_for(worker.has_ended, 120, f"the end at {point}")
                assert worker.process.returncode == -signal.SIGKILL, worker.last_lines()
            killed.append(point)
        with kafka.workers(kind):
            kafka.drain()
    say(f"{kind} killed at {', '.join(f'{p} ({killed.count(p)})' for p in POINTS[kind])}")
    assert_exact(kafka, expected)
