"""``sla.closings``: one CloudEvent per tenant-month-revision."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import orjson
from kafka import KafkaProducer

from schemas.results import Closing, CloudEvent
from schemas.topics import CLOSINGS
from streams.runtime.kafka import client_options
from streams.settings import Settings

_NAMESPACE: Final = uuid.UUID("6f1c8f5e-6a1f-5b5e-9f0e-0d7c9a1c2b3d")
_CONTENT_TYPE: Final = ("content-type", b"application/cloudevents+json")


def closing_event(closing: Closing, now: datetime) -> CloudEvent:
    """The event of a revision; its id depends on tenant, month and revision alone."""
    name = f"{closing.tenant_id}/{closing.month}/{closing.revision}"
    return CloudEvent(
        id=str(uuid.uuid5(_NAMESPACE, name)),
        source="mailsla/closing",
        type="sla.month.closed",
        subject=closing.tenant_id,
        time=now,
        data=closing.model_dump(mode="json"),
    )


def publish_closings(settings: Settings, closings: Sequence[Closing]) -> None:
    """Publish revisions and wait until the broker has them; repeating is harmless (same id)."""
    producer = KafkaProducer(**client_options(settings), acks="all")
    try:
        now = datetime.now(UTC)
        pending = [
            producer.send(
                CLOSINGS.name,
                key=closing.tenant_id.encode(),
                value=orjson.dumps(closing_event(closing, now).model_dump(mode="json")),
                headers=[_CONTENT_TYPE],
            )
            for closing in closings
        ]
        for future in pending:
            future.get(timeout=30)
    finally:
        producer.close()
