"""Contract documents from fetched records."""

from schemas.codec.records import Rejection, decode_contract
from schemas.contract import Contract
from streams.live.decode.dead_letters import dead_letter
from streams.runtime.checkpoint.writer import Outgoing
from streams.runtime.faust_app.batches import RecordBatch


def decode_contracts(
    batch: RecordBatch,
) -> tuple[list[tuple[bytes, Contract]], list[Outgoing]]:
    """The contracts of a batch with their documents, and dead letters."""
    contracts: list[tuple[bytes, Contract]] = []
    refused: list[Outgoing] = []
    for place, value in enumerate(batch.values):
        if value is None:
            continue
        contract = decode_contract(value)
        if isinstance(contract, Rejection):
            refused.append(dead_letter(batch, place, contract))
        else:
            contracts.append((value, contract))
    return contracts, refused
