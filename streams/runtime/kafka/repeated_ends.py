"""Whether the broker may still hear of the end of a transaction that is over.

A request whose connection breaks is sent again. Should the first one be on its way still, it comes
within the next transaction, of which the broker cannot tell it apart: it would end that one half
done, or set its offsets back (KIP-890 tells more). A producer that registers anew shuts it out.
"""

from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.protocol.transaction import EndTxnRequest, TxnOffsetCommitRequest

_ENDS: Final = (EndTxnRequest, TxnOffsetCommitRequest)


class RepeatedEnds:
    """Notes how a producer lost sight of such a request; ``error`` is None if it never did."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self.error: KafkaError | None = None
        self._send = producer.client.send
        producer.client.send = self._noting

    async def _noting(self, node: int, request: Any, **options: Any) -> Any:
        try:
            return await self._send(node, request, **options)
        except KafkaError as error:
            if isinstance(request, _ENDS):
                self.error = error
            raise
