"""Dead letters: what could not be accepted, with the reason and the original bytes."""

from base64 import b64encode
from datetime import UTC, datetime
from typing import Final

from mailsla.schemas.codec.identifiers import rfc3339
from mailsla.schemas.codec.instants import LATEST_US
from mailsla.schemas.codec.kept_json import kept_json
from mailsla.schemas.codec.records import Rejection
from mailsla.schemas.topics import DEAD_LETTERS
from mailsla.streams.runtime.checkpoint.writer import Outgoing
from mailsla.streams.runtime.faust_app.batches import RecordBatch

FAILED: Final = "failed"
"""How the reason begins where a record was accepted and then made the task fail."""
CONFLICT: Final = "conflict"
"""The reason where an event came before under the same source and id with other content; its field
names those that differ."""
MAX_DEAD_LETTER_BYTES: Final = 700_000
"""Most original bytes a dead letter carries, so that it fits a record of default size."""
_MOST_KEY_BYTES: Final = 250_000
"""Of a longer key the rest is left out: a tenant's has some dozens."""


def dead_letter(batch: RecordBatch, place: int, rejection: Rejection) -> Outgoing:
    """The dead letter of record ``place`` of a batch, under the record's own key."""
    value, key = batch.values[place] or b"", batch.keys[place]
    # A producer may stamp a record with any number, be it below 0.
    stamp_us = min(max(0, int(batch.timestamps_us[place])), LATEST_US - 1)
    received = datetime.fromtimestamp(stamp_us // 1000 / 1000, UTC)
    offset = int(batch.offsets[place])
    unreadable = batch.unreadable.get(offset)
    reason = unreadable or rejection.reason
    if key is not None and len(key) > _MOST_KEY_BYTES:
        key = key[:_MOST_KEY_BYTES]
    room = MAX_DEAD_LETTER_BYTES - len(key or b"")
    if len(value) > room:
        reason = f"{reason} (only the first {room} bytes are kept)"
        value = value[:room]
    document = {
        "topic": batch.topic,
        "partition": batch.partition,
        "offset": offset,
        "reason": reason,
        "field": None if unreadable else rejection.field,
        "received_at": rfc3339(received),
        "value_b64": b64encode(value).decode("ascii"),
    }
    return Outgoing(DEAD_LETTERS.name, key, kept_json(document))
