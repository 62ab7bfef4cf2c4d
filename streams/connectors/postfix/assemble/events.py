"""The `mail.mta` events of a message, as plain dicts (events.md)."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final

from mailsla.streams.connectors.postfix.assemble.incarnation import Incarnation
from mailsla.streams.connectors.stamps import rfc3339

Event = dict[str, Any]

OUTBOUND: Final = "outbound"
INBOUND: Final = "inbound"

_REASON_LIMIT: Final = 500
_RECIPIENT_LIMIT: Final = 320


def source_of(host: str) -> str:
    """The `source` of a host's Postfix."""
    return f"{host}/postfix"[:128]


def event_id(message_id: str, kind: str, recipient: str, occurrence: str) -> str:
    """A name that the same line of the same log always gets again.

    `occurrence` tells apart what may happen more than once to a recipient (deferrals).
    """
    digest = blake2b(f"{recipient}\0{occurrence}".encode(), digest_size=8).hexdigest()
    return f"{message_id}/{kind}/{digest}"


def message_event(
    root: Incarnation,
    kind: str,
    time: int,
    party: tuple[str, str],
    recipient: str,
    *,
    occurrence: str = "",
    **more: Any,
) -> Event:
    """An event `message.<kind>` of a root message; `party` = (direction, tenant).

    `time` is never before the moment of acceptance. Fields that are None are left out.
    """
    accepted = root.accepted
    at = rfc3339(time)
    if accepted is not None:
        accepted_at = rfc3339(accepted)
        at = at if time > accepted else accepted_at
    direction, tenant = party
    event: Event = {
        "id": event_id(root.message_id, kind, recipient, occurrence),
        "source": source_of(root.host),
        "type": f"message.{kind}",
        "tenant_id": tenant,
        "time": at,
        "message_id": root.message_id,
        "direction": direction,
        "recipient": recipient[:_RECIPIENT_LIMIT],
    }
    if accepted is not None:
        event["accepted_at"] = accepted_at
        event["estimate"] = "upper_bound" if root.upper_bound else "exact"
    if root.size is not None:
        event["size_bytes"] = root.size
    event.update((name, value) for name, value in more.items() if value is not None)
    return event


def progress_event(host: str, until: int) -> Event:
    """`source.progress`: all that happened on a host up to `until` (µs) has been published."""
    of = source_of(host)
    time = rfc3339(until)
    return {
        "id": f"progress/{time}",
        "source": of,
        "type": "source.progress",
        "tenant_id": "*",
        "time": time,
        "of": of,
    }


def shortened(reason: str) -> str | None:
    """A reason of at most 500 characters, None when empty."""
    return reason[:_REASON_LIMIT] or None
