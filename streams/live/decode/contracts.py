"""Contract documents, and calendars, from fetched records."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from mailsla.schemas.calendars import WorkingCalendar
from mailsla.schemas.codec.records import Rejection, decode_calendar, decode_contract
from mailsla.schemas.contract import Contract
from mailsla.streams.live.decode.homes import Homes
from mailsla.streams.runtime.checkpoint.writer import Outgoing
from mailsla.streams.runtime.dead_letters import dead_letter
from mailsla.streams.runtime.faust_app.batches import RecordBatch

_T = TypeVar("_T")

Passed = Mapping[int, Rejection]
"""Offset → why, of records that must not be applied."""


def decode_contracts(
    batch: RecordBatch, passed: Passed, homes: Homes | None
) -> tuple[list[tuple[bytes, Contract]], list[Outgoing]]:
    """The contracts of a batch with their documents; dead letters, and what belongs elsewhere.

    Args:
        batch: fetched records.
        passed: what to pass over.
        homes: the partitions of tenants; None where all are in this one.

    """
    documents, outgoing = _decode(batch, passed, decode_contract)
    if homes is None:
        return documents, outgoing
    here = []
    for value, contract in documents:
        if homes.of(contract.tenant_id) == batch.partition:
            here.append((value, contract))
        else:
            outgoing.append(Outgoing(batch.topic, contract.tenant_id.encode(), value))
    return here, outgoing


def decode_calendars(
    batch: RecordBatch, passed: Passed
) -> tuple[list[tuple[bytes, WorkingCalendar]], list[Outgoing]]:
    """The same of calendars."""
    return _decode(batch, passed, decode_calendar)


def _decode(
    batch: RecordBatch, passed: Passed, read: Callable[[bytes], _T | Rejection]
) -> tuple[list[tuple[bytes, _T]], list[Outgoing]]:
    documents: list[tuple[bytes, _T]] = []
    refused: list[Outgoing] = []
    for place, value in enumerate(batch.values):
        if value is None:
            continue
        document = passed.get(int(batch.offsets[place])) or read(value)
        if isinstance(document, Rejection):
            refused.append(dead_letter(batch, place, document))
        else:
            documents.append((value, document))
    return documents, refused
