"""The end of a transaction that was asked for twice is noted; nothing else is."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import EndTxnRequest, TxnOffsetCommitRequest

from mailsla.streams.runtime.kafka.repeated_ends import RepeatedEnds

REQUESTS = {
    "end": (EndTxnRequest("mailsla-streams-0", 1, 0, True), True),
    "offsets": (TxnOffsetCommitRequest("mailsla-streams-0", "mailsla-streams", 1, 0, []), True),
    "records": (ProduceRequest("mailsla-streams-0", -1, 1_000, []), False),
}


@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.parametrize("breaks", [False, True])
def test_only_an_end_whose_connection_broke_is_noted(kind, breaks):
    request, is_end = REQUESTS[kind]

    async def send(node, request, **options):
        if breaks:
            raise KafkaConnectionError("the connection broke")

    async def ask():
        try:
            await client.send(1, request, group=None)
        except KafkaConnectionError:
            assert breaks

    client = SimpleNamespace(send=send)
    ends = RepeatedEnds(SimpleNamespace(client=client))
    asyncio.run(ask())
    assert (ends.error is not None) == (breaks and is_end)
