"""The log as the clauses read it: duplicates dropped, times as integer microseconds."""

from collections.abc import Iterable, Mapping
from typing import Any

from tests.reference.instants import parse

Event = Mapping[str, Any]

PLATFORM = "*"

INSTANT_FIELDS = frozenset(
    {
        "time",
        "accepted_at",
        "starts_at",
        "ends_at",
        "started_at",
        "completed_at",
        "locked_at",
        "notified_at",
    }
)

TOPIC_TYPES = {
    "mail.mta": (
        "message.accepted",
        "message.dispatched",
        "message.delivered",
        "message.deferred",
        "message.bounced",
        "message.expired",
        "message.discarded",
        "message.rejected",
    ),
    "mail.probe": ("probe.result", "page.loaded"),
    "mail.ops": (
        "incident.opened",
        "incident.closed",
        "exclusion.declared",
        "exclusion.revoked",
        "monitor.heartbeat",
        "source.progress",
        "outage.declared",
        "outage.revoked",
        "event.voided",
        "approval.given",
    ),
    "mail.antivirus": (
        "definitions.updated",
        "outbreak.declared",
        "outbreak.ended",
        "message.scanned",
    ),
    "mail.backup": (
        "backup.completed",
        "backup.failed",
        "backup.deleted",
        "account.locked",
        "account.purged",
    ),
    "mail.billing": (
        "customer.charged",
        "billing.error_confirmed",
        "payment.confirmed",
        "service.opened",
    ),
    "mail.abuse": (
        "complaint.received",
        "complaint.responded",
        "complaint.result_notified",
        "source.confirmed",
        "source.blocked",
        "source.unblocked",
        "source.reported",
        "blocklist.published",
        "blocklist.processed",
        "listing.detected",
        "listing.reported",
    ),
    "mail.support": ("channel.up", "channel.down", "ticket.opened", "ticket.answered"),
    "mail.security": ("security.incident",),
}
TOPIC_OF = {name: topic for topic, names in TOPIC_TYPES.items() for name in names}


def read(wire_events: Iterable[Event]) -> list[Event]:
    """Events in log order, each (source, id) once, null fields left out, times in µs.

    Under one (source, id) the first counts whatever the others say; voided events are left out.
    """
    seen: set[tuple[str, str]] = set()
    events: list[Event] = []
    for wire in wire_events:
        identity = (wire["source"], wire["id"])
        if identity in seen:
            continue
        seen.add(identity)
        events.append(
            {
                name: parse(value) if name in INSTANT_FIELDS else value
                for name, value in wire.items()
                if value is not None
            }
        )
    voided = {
        (event["voids_topic"], event["voids_source"], event["voids_id"])
        for event in of_type(events, "event.voided")
    }
    return [e for e in events if (TOPIC_OF[e["type"]], e["source"], e["id"]) not in voided]


def of_type(events: Iterable[Event], *types: str) -> list[Event]:
    """The events of some types."""
    return [event for event in events if event["type"] in types]


def own(events: Iterable[Event], tenant_id: str) -> list[Event]:
    """The tenant's own events."""
    return [event for event in events if event["tenant_id"] == tenant_id]


def seen_by(events: Iterable[Event], tenant_id: str) -> list[Event]:
    """The events that concern the tenant: its own and the platform's."""
    return [event for event in events if event["tenant_id"] in (tenant_id, PLATFORM)]


def between(events: Iterable[Event], start: int, end: int) -> list[Event]:
    """The events with ``time`` in ``[start, end)``."""
    return [event for event in events if start <= event["time"] < end]
