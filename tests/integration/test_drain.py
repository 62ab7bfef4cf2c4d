"""What `drain` takes for the end of a topic, on both brokers."""

import asyncio
import subprocess
import sys

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from mailsla.streams.runtime.kafka.drain import (
    DrainStandstill,
    DrainTimeout,
    Position,
    await_facts,
    drain,
    lags,
)
from tests.stack import running_stack

GROUPS = ("mailsla-streams", "mailsla-sinks")


@pytest.fixture(scope="module", params=["tansu", pytest.param("kafka", marks=pytest.mark.kafka)])
def stack(request, tmp_path_factory):
    with running_stack(tmp_path_factory.mktemp(request.param), request.param) as stack:
        yield stack


async def commit(stack, topic, offset, partition=0):
    for group in GROUPS:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=stack.settings.kafka, group_id=group, enable_auto_commit=False
        )
        await consumer.start()
        try:
            consumer.assign([TopicPartition(topic, partition)])
            await consumer.commit({TopicPartition(topic, partition): offset})
        finally:
            await consumer.stop()


async def send_batches(stack, topic, sizes):
    async with AIOKafkaProducer(bootstrap_servers=stack.settings.kafka) as producer:
        for size in sizes:
            batch = producer.create_batch()
            for _ in range(size):
                batch.append(key=b"k", value=b"v", timestamp=1)
            batch.close()
            await (await producer.send_batch(batch, topic, partition=0))


async def abort_records(stack, topic, count):
    producer = AIOKafkaProducer(bootstrap_servers=stack.settings.kafka, transactional_id="aborted")
    await producer.start()
    await producer.begin_transaction()
    for _ in range(count):
        await producer.send(topic, b"v", partition=0)
    await producer.flush()
    await producer.abort_transaction()
    await producer.stop()


def test_the_records_of_the_last_batch_are_waited_for(stack):
    asyncio.run(send_batches(stack, "mail.probe", [3, 7]))
    asyncio.run(commit(stack, "mail.probe", 4))
    assert [lag.by_topic["mail.probe"] for lag in lags(stack.settings)] == [6, 6]
    with pytest.raises(DrainTimeout, match="6 records behind"):
        drain(stack.settings, 0.5, lambda lag: None)
    asyncio.run(commit(stack, "mail.probe", 10))
    drain(stack.settings, 10, lambda lag: None)


def test_work_that_goes_on_is_waited_for_and_a_standstill_is_told_where_it_is(stack):
    """
    committed   6 7 8 9 (streams), then nothing      each step is progress, however late
    """
    asyncio.run(send_batches(stack, "mail.billing", [6, 4]))
    asyncio.run(commit(stack, "mail.billing", 6))
    seen = []

    def goes_on(progress):
        seen.append((progress.stage, progress.done, progress.total))
        at = 10 - progress.lag.by_topic.get("mail.billing", 0)
        if at < 9:
            asyncio.run(commit(stack, "mail.billing", at + 1))

    with pytest.raises(DrainStandstill) as stopped:
        drain(stack.settings, None, goes_on, standstill_s=1.5)
    assert stopped.value.lag.positions == (Position("mail.billing", 0, 9, 10),)
    assert str(stopped.value).startswith(
        "mailsla-streams is still 1 records behind (mail.billing/0: 1 from offset 9 on) "
        "and has made no progress for 1.5 s"
    )
    assert list(dict.fromkeys(seen)) == [("processing", n, 4) for n in range(4)]
    command = [sys.executable, "-m", "mailsla.streams.cli.main", "drain", "--standstill", "1"]
    env = {"MAILSLA_KAFKA": stack.settings.kafka}
    told = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert told.returncode == 1
    assert "processing: 0 / 1 records (0 %)\n" in told.stderr
    assert "mail.billing/0: 1 from offset 9 on" in told.stderr
    asyncio.run(commit(stack, "mail.billing", 10))
    drain(stack.settings, None, lambda progress: None, standstill_s=10)


def test_a_closing_waits_for_facts_and_not_for_what_the_live_worker_tells(stack):
    asyncio.run(send_batches(stack, "mail.security", [2]))
    asyncio.run(commit(stack, "mail.security", 1))
    missing = await_facts(stack.settings, 0.5)
    assert (missing.group, missing.by_topic) == ("mailsla-streams", {"mail.security": 1})
    asyncio.run(commit(stack, "mail.security", 2))
    asyncio.run(send_batches(stack, "sla.windows", [3]))
    assert lags(stack.settings)[1].by_topic == {"sla.windows": 3}, "told after the drain"
    assert await_facts(stack.settings, 10) is None
    asyncio.run(commit(stack, "sla.windows", 3))


@pytest.mark.parametrize("stack", ["kafka"], indirect=True)
@pytest.mark.kafka
def test_aborted_records_and_markers_are_not_waited_for(stack):
    asyncio.run(send_batches(stack, "mail.ops", [2]))
    asyncio.run(commit(stack, "mail.ops", 2))
    asyncio.run(abort_records(stack, "mail.ops", 5))
    drain(stack.settings, 10, lambda lag: None)


async def commit_records(stack, topic, partition):
    producer = AIOKafkaProducer(bootstrap_servers=stack.settings.kafka, transactional_id="whole")
    async with producer, producer.transaction():
        await producer.send(topic, b"v", partition=partition)


@pytest.mark.parametrize("turn", [2, 3])
@pytest.mark.parametrize("stack", ["kafka"], indirect=True)
@pytest.mark.kafka
def test_partitions_that_come_to_their_markers_at_different_times_are_all_done(stack, turn):
    topic = f"mail.{'backup' if turn == 2 else 'abuse'}"
    for partition in (0, 1):
        asyncio.run(commit_records(stack, topic, partition))
    asyncio.run(commit(stack, topic, 1))
    calls = []

    def progress(lag):
        calls.append(lag)
        if len(calls) == turn:
            asyncio.run(commit(stack, topic, 1, partition=1))

    drain(stack.settings, 15, progress)
