"""One message: what happened to it, its latency, and which clause it counts in or why in none."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from mailsla.schemas.codec.addresses import AddressKey
from mailsla.sinks.clickhouse import Client
from mailsla.sinks.closing.plan.contract_segments import SegmentPeriod
from mailsla.streams.web.readings.connection import rows
from mailsla.streams.web.readings.month import period_in

FOUND: Final = 100
"""So many messages are listed, the newest."""
_FINISHED: Final = {"message.dispatched": "outbound", "message.delivered": "inbound"}
_QUEUE_ID: Final = re.compile(r"[0-9A-Za-z]{5,20}")
_GIVEN_UP: Final = frozenset({"message.bounced", "message.expired", "message.discarded"})

FIND: Final = """
SELECT toString(tenant_id) AS tenant_id, toString(source) AS source, message_id, recipient,
  min(coalesce(m.accepted_at, m.time)) AS accepted_at, max(m.time) AS last_at
FROM (
  -- Each by an index of its own (`0065_message_search`).
  SELECT * FROM mta_events WHERE message_id = {asked:String}
  UNION ALL
  SELECT * FROM mta_events WHERE recipient IN {addresses:Array(String)}
  UNION ALL
  SELECT * FROM mta_events WHERE mailbox IN {addresses:Array(String)}
  UNION ALL
  SELECT * FROM mta_events
  WHERE {queue:String} != '' AND substringIndex(message_id, '-', 1) = {queue:String}
) AS m
WHERE {tenant:String} = '' OR tenant_id = {tenant:String}
GROUP BY tenant_id, source, message_id, recipient
ORDER BY accepted_at DESC, tenant_id, source, message_id, recipient
LIMIT {rows:UInt32}
"""
_EVENTS: Final = """
SELECT time, toString(type) AS type, toString(direction) AS direction, accepted_at,
  coalesce(attempt, 1) AS attempt, ifNull(peer, '') AS peer, ifNull(reason, '') AS reason,
  ifNull(dsn, '') AS dsn, ifNull(toString(liability), '') AS liability,
  ifNull(toString(estimate), '') AS estimate, id,
  (source, id) IN (
    SELECT source, id FROM counted_mta_events(cutoff = toUnixTimestamp64Micro(now64(6)))
    WHERE tenant_id = {tenant:String} AND message_id = {message:String}
  ) AS counts
FROM mta_events FINAL
WHERE tenant_id = {tenant:String} AND source = {source:String}
  AND message_id = {message:String} AND recipient = {recipient:String}
ORDER BY time, type, id
"""
_SCANS: Final = """
SELECT time, toString(verdict) AS verdict, toString(action) AS action, toString(policy) AS policy
FROM antivirus_events FINAL
WHERE tenant_id = {tenant:String} AND type = 'message.scanned' AND message_id = {message:String}
ORDER BY time
"""
_COUNTED: Final = """
WITH (SELECT max(plan) FROM plans WHERE month = {month:Date}) AS newest
SELECT toString(direction) AS direction, accepted_us, finished_us, latency_us, over, left_out
FROM closing_messages(
  month = {month:Date}, plan = newest, cutoff = toUnixTimestamp64Micro(now64(6))
)
WHERE tenant_id = {tenant:String}
  AND message = sipHash128({tenant:String}, {source:String}, {message:String}, {recipient:String})
ORDER BY direction
"""


@dataclass(frozen=True)
class FoundMessage:
    """One message to one recipient."""

    tenant_id: str
    source: str
    message_id: str
    recipient: str
    accepted_at: datetime
    last_at: datetime


@dataclass(frozen=True)
class ShownMessageEvent:
    """One event of a message; ``counts``: it was neither voided nor is it a conflict."""

    time: datetime
    type: str
    direction: str
    accepted_at: datetime | None
    attempt: int
    peer: str
    reason: str
    dsn: str
    liability: str
    estimate: str
    id: str
    counts: bool


@dataclass(frozen=True)
class Scan:
    """One virus scan of the message."""

    time: datetime
    verdict: str
    action: str
    policy: str


@dataclass(frozen=True)
class Counted:
    """How the closing sees the message in one direction; times in µs, 0: not finished."""

    direction: str
    accepted_us: int
    finished_us: int
    latency_us: int
    over: bool
    left_out: bool

    @property
    def indicators(self) -> list[str]:
        """What it is part of, unless it is left out."""
        way = "send" if self.direction == "outbound" else "receive"
        means = [f"latency.{way}.mean", f"latency.{way}.max"] if self.finished_us else []
        return means + (["latency.exceedances"] if self.over else [])


@dataclass(frozen=True)
class ShownMessage:
    """Everything about one message."""

    tenant_id: str
    source: str
    message_id: str
    recipient: str
    events: Sequence[ShownMessageEvent]
    scans: Sequence[Scan]
    counted: Sequence[Counted]
    period: SegmentPeriod
    """The tenant's part of the month in which it was accepted."""

    @property
    def latencies(self) -> dict[str, float]:
        """Direction → µs from acceptance to its first attempt or its delivery, as recorded."""
        found: dict[str, float] = {}
        for one in self.events:
            direction = _FINISHED.get(one.type)
            if direction and one.attempt == 1 and one.accepted_at is not None:
                passed = (one.time - one.accepted_at).total_seconds() * 1e6
                found.setdefault(direction, passed)
        return found

    @property
    def why_not(self) -> str:
        """Why it counts in no clause, as a key of the words; empty where it does."""
        if self.counted:
            return "out_excluded" if all(one.left_out for one in self.counted) else ""
        types = {one.type for one in self.events if one.counts}
        if not types:
            return "out_voided"
        if types == {"message.rejected"}:
            return "out_rejected"
        accepted = accepted_on(self.events, self.period)
        if not self.period.first <= accepted < self.period.last:
            return "out_not_served"
        if not types & _FINISHED.keys():
            return "out_given_up" if types & _GIVEN_UP else "out_in_flight"
        return "out_attempt"


def find(
    client: Client, tenant: str, asked: str, key: AddressKey | None = None
) -> list[FoundMessage]:
    """Messages by message id, queue id or address; of one tenant, or of all (``""``).

    Args:
        client: who reads.
        tenant: whose messages.
        asked: what is looked for.
        key: hashes addresses, where they are kept hashed.

    """
    # Postfix uses a queue id again; a message's id is that with its first stamp.
    queue = asked if _QUEUE_ID.fullmatch(asked) else ""
    addresses = [asked] if key is None else [asked, key.hashed(asked)]
    chosen = {"tenant": tenant, "asked": asked, "addresses": addresses, "queue": queue}
    return rows(client, FoundMessage, FIND, **chosen, rows=FOUND)


def message_of(
    client: Client, tenant: str, source: str, message_id: str, recipient: str
) -> ShownMessage | None:
    """What is known of a message; None where there is no such message."""
    named = {
        "tenant": tenant, "source": source, "message": message_id, "recipient": recipient,
    }  # fmt: skip
    events = rows(client, ShownMessageEvent, _EVENTS, **named)
    if not events:
        return None
    period = _period(client, tenant, events)
    scans = rows(client, Scan, _SCANS, tenant=tenant, message=message_id)
    counted = rows(client, Counted, _COUNTED, month=period.month, **named)
    return ShownMessage(tenant, source, message_id, recipient, events, scans, counted, period)


def accepted_on(events: Sequence[ShownMessageEvent], period: SegmentPeriod) -> date:
    """The local day on which a message was accepted, as far as its events say."""
    return _accepted(events).astimezone(period.contract.zone).date()


def _accepted(events: Sequence[ShownMessageEvent]) -> datetime:
    return min(one.accepted_at or one.time for one in events)


def _period(client: Client, tenant: str, events: Sequence[ShownMessageEvent]) -> SegmentPeriod:
    """The month of the acceptance, cut where the contract of that month cuts it."""
    accepted = _accepted(events)
    period = period_in(client, tenant, accepted.date().replace(day=1))
    day = accepted.astimezone(period.contract.zone).date()
    return period_in(client, tenant, day.replace(day=1))
