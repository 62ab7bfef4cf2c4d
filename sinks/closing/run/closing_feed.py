"""``sla.closings``: one CloudEvent per tenant-month-revision."""

import uuid
from collections.abc import Sequence
from typing import Final

import orjson
from kafka import KafkaProducer

from mailsla.schemas.results import Closing, CloudEvent
from mailsla.schemas.topics import CLOSINGS
from mailsla.sinks.clickhouse import Client
from mailsla.sinks.closing.revisions.reader import mark_told, untold, whole
from mailsla.streams.runtime.kafka.client_options import client_options
from mailsla.streams.settings import Settings

_NAMESPACE: Final = uuid.UUID("6f1c8f5e-6a1f-5b5e-9f0e-0d7c9a1c2b3d")
_CONTENT_TYPE: Final = ("content-type", b"application/cloudevents+json")
_AT_ONCE: Final = 500
"""Revisions held in memory together."""


def closing_event(closing: Closing) -> CloudEvent:
    """The event of a revision, the same whenever it is made.

    Its id depends on tenant, month and revision alone, its time is that of the closing.
    """
    if closing.closed_at is None:
        raise ValueError("a closing that was never booked has no event; close the month first")
    name = f"{closing.tenant_id}/{closing.month}/{closing.revision}"
    return CloudEvent(
        id=str(uuid.uuid5(_NAMESPACE, name)),
        source="mailsla/closing",
        type="sla.month.closed",
        subject=closing.tenant_id,
        time=closing.closed_at,
        data=closing.model_dump(mode="json"),
    )


def publish_closings(settings: Settings, client: Client) -> int:
    """Publish every revision, of whatever month, that is not known to be published.

    A revision is marked once the broker has its event. After a crash in between it is published
    again, which is harmless (same id, same bytes). Returns how many were published.
    """
    count = 0
    if not (waiting := untold(client, _AT_ONCE)):
        return count
    producer = KafkaProducer(**client_options(settings), acks="all")
    try:
        while waiting:
            _send(producer, whole(client, waiting))
            mark_told(client, waiting)
            count += len(waiting)
            waiting = untold(client, _AT_ONCE)
    finally:
        producer.close()
    return count


def _send(producer: KafkaProducer, closings: Sequence[Closing]) -> None:
    pending = [
        producer.send(
            CLOSINGS.name,
            key=closing.tenant_id.encode(),
            # An attribute without a value is left out: CloudEvents knows no null.
            value=orjson.dumps(closing_event(closing).model_dump(mode="json", exclude_none=True)),
            headers=[_CONTENT_TYPE],
        )
        for closing in closings
    ]
    for future in pending:
        future.get(timeout=30)
