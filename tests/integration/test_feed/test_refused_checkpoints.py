"""A checkpoint that does not get through: sent again, or refused with the reason."""

import asyncio
import logging

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaTimeoutError

from mailsla.schemas.topics import OUTAGES, RAW_MAILLOG
from mailsla.streams.runtime.checkpoint import writer
from mailsla.streams.runtime.checkpoint.writer import Fenced, Outgoing, TransactionalDelivery
from tests.topic_records import PARTITIONS, partition_of

RECORDS = [Outgoing(OUTAGES.name, b"somebody/1", b"{}", 0)]


async def visible(settings):
    """The values of a partition that subscribers see."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka,
        isolation_level="read_committed",
        group_id=None,
        auto_offset_reset="earliest",  # the client may look for the end before it is told
    )
    place = TopicPartition(OUTAGES.name, 0)
    async with consumer:
        consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        found = []
        while await consumer.position(place) < end:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                found += [record.value for record in records]
        return found


async def delivered(settings, *groups, records=RECORDS):
    """Let workers claim a task one after the other; the first one delivers."""
    several = [TransactionalDelivery(settings, group) for group in groups]
    for one in several:
        await one.claim("0")
    try:
        await several[0].deliver("0", records, None, {})
    finally:
        for one in several:
            await one.close()


@pytest.mark.kafka
def test_what_was_prepared_is_sent_again_and_counts_once(stack, monkeypatch, caplog):
    sent, before = [], asyncio.run(visible(stack.settings))

    async def interrupted(producer, records, send=writer.send_all):
        await send(producer, records)
        sent.append(len(records))
        if len(sent) == 1:
            raise KafkaTimeoutError

    monkeypatch.setattr(writer, "send_all", interrupted)
    with caplog.at_level(logging.WARNING, logger=writer.__name__):
        asyncio.run(delivered(stack.settings, "tried-again"))
    assert sent == [1, 1]
    assert asyncio.run(visible(stack.settings)) == [*before, b"{}"]
    assert "the broker did not answer in time" in caplog.text
    assert "the same is sent again" in caplog.text


@pytest.mark.kafka
def test_a_real_newer_producer_is_named_as_such(stack):
    with pytest.raises(Fenced, match="refused: another worker has the task"):
        asyncio.run(delivered(stack.settings, "taken-over", "taken-over"))


@pytest.mark.kafka
def test_records_whose_key_decides_leave_in_batches_and_go_where_it_says(stack, monkeypatch):
    async def one_by_one(producer, record):
        pytest.fail(f"{record} is sent by itself")

    monkeypatch.setattr(writer, "_send_one", one_by_one)
    records = [
        Outgoing(RAW_MAILLOG.name, f"tenant-{number % 97}".encode(), b"%d" % number)
        for number in range(5_000)
    ]
    asyncio.run(delivered(stack.settings, "keyed", records=records))
    found = {number: [] for number in range(PARTITIONS)}
    for record in stack.read(RAW_MAILLOG.name):
        found[record.partition].append((record.key, record.value))
    for partition, values in found.items():
        assert values == [r[1:3] for r in records if partition_of(r.key) == partition]
