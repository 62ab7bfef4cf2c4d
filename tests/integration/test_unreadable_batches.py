"""Record batches in every codec, and batches that cannot be read, in the log of a real broker.

A broker refuses damaged batches, so they are damaged where it keeps them.
"""

import asyncio
import json
import struct
from itertools import count

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.util import calc_crc32c
from click.testing import CliRunner

from mailsla.streams.cli.main import cli
from mailsla.streams.runtime.kafka.offsets import observing
from tests.stack import running_stack
from tests.topic_records import PARTITIONS, partition_of

CODECS = (None, "gzip", "snappy", "lz4", "zstd")
TOPIC, WINDOWS, UNREAD = "mail.support", "sla.windows", "raw.maillog"
KEY = b"acme"
PLACE = partition_of(KEY)
LENGTH_AT, CRC_AT, ATTRIBUTES_AT, DELTA_AT, RECORDS_AT = 8, 17, 21, 23, 61
_numbers = count()


def event():
    """One of its own."""
    number = next(_numbers)
    return json.dumps(
        {
            "id": f"e{number}",
            "source": "pbx",
            "type": "channel.up",
            "tenant_id": "acme",
            "time": f"2026-10-20T12:{number:02d}:00Z",
            "channel": "phone",
        }
    ).encode()


def publish(stack, topic, codec, values, partition=PLACE):
    """One batch; its first offset."""

    async def send():
        producer = AIOKafkaProducer(
            bootstrap_servers=stack.settings.kafka, compression_type=codec, linger_ms=20
        )
        await producer.start()
        try:
            batch = producer.create_batch()
            for value in values:
                assert batch.append(key=KEY, value=value, timestamp=1_792_497_600_000)
            sent = await (await producer.send_batch(batch, topic, partition=partition))
            return sent.offset
        finally:
            await producer.stop()

    return asyncio.run(send())


def damage(stack, topic, base_offset, change, mend_checksum):
    """Change a batch in the broker's segment, its checksum made right again or left wrong."""
    (segment,) = (stack.data / "kafka").rglob(f"{topic}-{PLACE}/00000000000000000000.log")
    with segment.open("r+b") as log:
        whole = bytearray(log.read())
        at = 0
        while struct.unpack_from(">q", whole, at)[0] != base_offset:
            at += LENGTH_AT + 4 + struct.unpack_from(">i", whole, at + LENGTH_AT)[0]
        size = LENGTH_AT + 4 + struct.unpack_from(">i", whole, at + LENGTH_AT)[0]
        batch = whole[at : at + size]
        change(batch)
        if mend_checksum:
            checksum = calc_crc32c(bytes(batch[ATTRIBUTES_AT:]))
            struct.pack_into(">I", batch, CRC_AT, checksum)
        log.seek(at)
        log.write(batch)


def flip_payload(batch):
    """As a bad disk does."""
    batch[-3] ^= 0x55


def blur_payload(batch):
    """Compressed bytes that unpack to nothing."""
    batch[RECORDS_AT:] = b"\xff" * (len(batch) - RECORDS_AT)


def future_codec(batch):
    """A codec that nobody knows yet."""
    batch[ATTRIBUTES_AT + 1] = batch[ATTRIBUTES_AT + 1] & 0xF8 | 6


def longer(batch):
    """More offsets than there are: believed, what follows would be left out."""
    struct.pack_into(">i", batch, DELTA_AT, 3)


def doctor(stack):
    done = CliRunner().invoke(cli, ["doctor", "--json"], env=stack.variables)
    return {each["check"]: each for each in json.loads(done.stdout)}


@pytest.mark.kafka
@pytest.mark.timeout(240)
def test_every_codec_is_read_and_what_cannot_be_read_stops_nobody(tmp_path):
    with running_stack(tmp_path, "kafka") as stack:
        # Whoever looks how far a log goes needs no codec for it.
        for number in range(PARTITIONS):
            publish(stack, UNREAD, "snappy", [b"{}"], number)
        with observing(stack.settings) as log:
            assert list(log.ends([UNREAD]).values()) == [1] * PARTITIONS
        good = 0
        damaged = {}
        harms = [(future_codec, True, "codec"), (flip_payload, False, "checksum")]
        for codec in CODECS:
            publish(stack, TOPIC, codec, [event(), event()])
            good += 2
            harm = (blur_payload, True, "cannot be read") if codec else (longer, False, "checksum")
            for change, mended, reason in (harm, *harms[: 2 if codec == "zstd" else 0]):
                offset = publish(stack, TOPIC, codec, [event(), event(), event()])
                damage(stack, TOPIC, offset, change, mended)
                damaged[TOPIC, offset] = reason
        publish(stack, TOPIC, "lz4", [event()])
        good += 1
        # The last of its topic, which only one of the two reads.
        offset = publish(stack, WINDOWS, None, [b"{}", b"{}"])
        damage(stack, WINDOWS, offset, flip_payload, False)
        damaged[WINDOWS, offset] = "checksum"

        with stack.workers("streams", "sinks") as workers:
            stack.drain()
            stack.drain()  # the dead letters too
            assert stack.rows("SELECT count() FROM support_events FINAL") == [(good,)]
            letters = stack.rows("SELECT topic, partition, offset, reason FROM dead_letters FINAL")
            assert {(topic, offset) for topic, _, offset, _ in letters} == set(damaged)
            for topic, partition, offset, reason in letters:
                assert partition == PLACE
                assert "cannot be read" in reason
                assert damaged[topic, offset] in reason, reason
            published = [json.loads(record.value) for record in stack.read("sla.dead_letters")]
            assert {(one["topic"], one["offset"]) for one in published} == {
                place for place in damaged if place[0] == TOPIC
            }
            found = doctor(stack)["unreadable batches"]
            assert found["state"] == "wrong"
            assert f"{TOPIC} (7)" in found["detail"] and f"{WINDOWS} (1)" in found["detail"]
            for worker in workers:
                assert "starting again" not in worker.log
