"""Which events an indicator is made of: its evidence, and what can change a closed month. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final

from mailsla.schemas.registry import EVENT_TYPES, TYPES

_EXCUSES: Final = ("exclusion.declared", "exclusion.revoked", "approval.given")
_PROBES: Final = ("probe.result", "outage.declared", "outage.revoked", *_EXCUSES)
_FINISHED: Final = ("message.dispatched", "message.delivered")
_ENDED: Final = ("message.bounced", "message.expired", "message.discarded")
_INCIDENTS: Final = ("incident.opened", "incident.closed")
_OUTBREAKS: Final = ("outbreak.declared", "outbreak.ended")
_COPIES: Final = ("backup.completed",)
_ORDERS: Final = ("payment.confirmed", "service.opened")

PLATFORM_WIDE: Final = ("customer.charged", "billing.error_confirmed")
"""Events of any tenant that concern every tenant."""

BEARING: Final[Mapping[str, tuple[str, ...]]] = {
    "connectivity.downtime": _PROBES,
    "connectivity.ratio": _PROBES,
    "latency.send.mean": ("message.dispatched", *_EXCUSES),
    "latency.receive.mean": ("message.delivered", *_EXCUSES),
    "latency.exceedances": ("message.accepted", *_FINISHED, *_ENDED, *_EXCUSES),
    "latency.send.max": ("message.dispatched", *_EXCUSES),
    "latency.receive.max": ("message.delivered", *_EXCUSES),
    "operations.fault_duration": (*_INCIDENTS, *_EXCUSES),
    "operations.adjustment_duration": _INCIDENTS,
    "operations.availability": (*_INCIDENTS, *_EXCUSES),
    "operations.fault_free_days": (*_INCIDENTS, *_EXCUSES),
    "operations.billing_error_rate": PLATFORM_WIDE,
    "operations.page_load.narrowband": ("page.loaded",),
    "operations.page_load.broadband": ("page.loaded",),
    "operations.monitoring": ("monitor.heartbeat",),
    "antispam.complaint_response": ("complaint.received", "complaint.responded"),
    "antispam.result_notice": ("complaint.received", "complaint.result_notified"),
    "antispam.blocklist_processing": ("blocklist.published", "blocklist.processed"),
    "antispam.listing_report": ("listing.detected", "listing.reported"),
    "antispam.foreign_source_report": ("source.confirmed", "source.reported"),
    "antivirus.definition_updates": ("definitions.updated",),
    "antivirus.outbreak_updates": ("definitions.updated", *_OUTBREAKS),
    "antivirus.unscanned": ("message.scanned",),
    "antivirus.policy_mismatch": ("message.scanned",),
    "antivirus.scan_delay": ("message.scanned",),
    "security.incidents": ("security.incident",),
    "backup.incremental": _COPIES,
    "backup.full": _COPIES,
    "backup.retention": ("backup.deleted",),
    "backup.account_retention": ("account.purged",),
    "provisioning.own_domain": _ORDERS,
    "provisioning.new_domain": _ORDERS,
    "support.availability": ("channel.up", "channel.down"),
}
"""indicator → the types of events that make its value."""


def topics_of(indicators: Iterable[str]) -> list[str]:
    """The topics of the events that bear on any of the indicators, sorted: one may be voided."""
    return sorted({TYPES[one].topic for name in indicators for one in BEARING.get(name, ())})


def types_of(indicators: Iterable[str], silent: Iterable[str] = ()) -> list[str]:
    """The types that bear on any of the indicators, sorted.

    ``silent``: indicators that had no data on one of two sides, which the first event of any type
    of their topics ends (contract, Verdicts).
    """
    types = {one for name in indicators for one in BEARING.get(name, ())}
    for name in silent:
        topics = {TYPES[one].topic for one in BEARING.get(name, ())}
        types.update(one for topic in topics for one in EVENT_TYPES[topic])
    return sorted(types | {"event.voided"})
