"""Contract documents from fetched records."""

from collections.abc import Mapping

from schemas.codec import Rejection, decode_contract
from schemas.contract import Contract
from streams.live.decode.dead_letters import dead_letter
from streams.runtime.batches import RecordBatch
from streams.runtime.delivery import Outgoing

Passed = Mapping[int, Rejection]
"""Offset → why, of records that must not be applied."""


def decode_contracts(
    batch: RecordBatch, passed: Passed
) -> tuple[list[tuple[bytes, Contract]], list[Outgoing]]:
    """The contracts of a batch with their documents, and dead letters.

    Args:
        batch: fetched records.
        passed: what to pass over.

    """
    contracts: list[tuple[bytes, Contract]] = []
    refused: list[Outgoing] = []
    for place, value in enumerate(batch.values):
        if value is None:
            continue
        contract = passed.get(int(batch.offsets[place])) or decode_contract(value)
        if isinstance(contract, Rejection):
            refused.append(dead_letter(batch, place, contract))
        else:
            contracts.append((value, contract))
    return contracts, refused
