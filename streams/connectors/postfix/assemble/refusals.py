"""Mail turned away or thrown away on reception → `message.rejected`, `message.discarded`."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b

from mailsla.streams.connectors.postfix.assemble.events import (
    INBOUND,
    OUTBOUND,
    Event,
    event_id,
    shortened,
    source_of,
)
from mailsla.streams.connectors.postfix.assemble.incarnation import Incarnation
from mailsla.streams.connectors.postfix.read.lines import NOQUEUE, Refusal
from mailsla.streams.connectors.postfix.tenants import TenantMap
from mailsla.streams.connectors.stamps import rfc3339
from mailsla.streams.connectors.syslog import SyslogLine


def refusal_events(
    line: SyslogLine,
    refusal: Refusal,
    held: Incarnation | None,
    tenants: TenantMap,
    counters: Counter[str],
) -> list[Event]:
    """The event of one refusal, none where no recipient is named or nobody's mail is meant.

    The recipient's tenant comes first (inbound), else the SASL user's or the sender's. A
    refusal without a queue id gets a message id of its own from the line.
    """
    if not refusal.recipient:
        counters["refused_without_recipient"] += 1
        return []
    user = held.user if held is not None else None
    inbound = tenants.of_address(refusal.recipient)
    tenant = inbound or tenants.of_address(user if user and "@" in user else refusal.sender)
    if tenant is None:
        counters["unmapped"] += 1
        return []
    kind = "discarded" if refusal.action.endswith("discard") else "rejected"
    digest = blake2b(line.text.encode(), digest_size=4).hexdigest()
    message_id = (
        f"{NOQUEUE}-{line.pid}-{line.stamp}-{digest}" if held is None else held.root.message_id
    )
    event: Event = {
        "id": event_id(message_id, kind, refusal.recipient, digest),
        "source": source_of(line.host),
        "type": f"message.{kind}",
        "tenant_id": tenant,
        "time": rfc3339(line.stamp),
        "message_id": message_id,
        "direction": INBOUND if inbound is not None else OUTBOUND,
        "recipient": refusal.recipient[:320],
    }
    reason = shortened(refusal.text)
    if reason is not None:
        event["reason"] = reason
    if refusal.dsn is not None:
        event["dsn"] = refusal.dsn
    return [event]
