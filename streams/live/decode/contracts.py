"""Contract documents, and calendars, from fetched records."""

from collections.abc import Callable
from typing import TypeVar

from schemas.calendars import WorkingCalendar
from schemas.codec.records import Rejection, decode_calendar, decode_contract
from schemas.contract import Contract
from streams.live.decode.dead_letters import dead_letter
from streams.runtime.checkpoint.writer import Outgoing
from streams.runtime.faust_app.batches import RecordBatch

_T = TypeVar("_T")


def decode_contracts(batch: RecordBatch) -> tuple[list[tuple[bytes, Contract]], list[Outgoing]]:
    """The contracts of a batch with their documents, and dead letters."""
    return _decode(batch, decode_contract)


def decode_calendars(
    batch: RecordBatch,
) -> tuple[list[tuple[bytes, WorkingCalendar]], list[Outgoing]]:
    """The calendars of a batch with their documents, and dead letters."""
    return _decode(batch, decode_calendar)


def _decode(
    batch: RecordBatch, read: Callable[[bytes], _T | Rejection]
) -> tuple[list[tuple[bytes, _T]], list[Outgoing]]:
    documents: list[tuple[bytes, _T]] = []
    refused: list[Outgoing] = []
    for place, value in enumerate(batch.values):
        if value is None:
            continue
        document = read(value)
        if isinstance(document, Rejection):
            refused.append(dead_letter(batch, place, document))
        else:
            documents.append((value, document))
    return documents, refused
