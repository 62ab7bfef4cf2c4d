"""A delivery attempt → the events it means for its message (contract §2, events.md).

Decisions:

- Send latency ends at the first attempt that faces a foreign system, sent, deferred or bounced;
  a lookup of the destination's own name that fails is such an attempt.
- `SOFTBOUNCE` (soft_bounce=yes) is a deferral: Postfix keeps the message.
- Mail that stays inside the provider (recipient delivered to a mailbox here) has a receive
  latency for the recipient's tenant and no send latency: no transmission to a destination
  system ever starts, so no outbound event is made that would wait for one.
- `message.accepted` is emitted with a recipient's first result, not at reception: only then
  are recipient and direction known (a content filter may still expand an alias).
- A full mailbox (4.2.2, 5.2.2) is `customer_negligence`: emptying it is the customer's, no
  wrong operation. The code stays with the recipient, so that a delivery after room was made
  carries it too.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from mailsla.streams.connectors.postfix.assemble.events import (
    INBOUND,
    OUTBOUND,
    Event,
    message_event,
    shortened,
)
from mailsla.streams.connectors.postfix.assemble.incarnation import UNSEEN, Incarnation, Recipient
from mailsla.streams.connectors.postfix.read.lines import StatusLine
from mailsla.streams.connectors.postfix.read.relays import Facing
from mailsla.streams.connectors.postfix.site import Site

_OVER_QUOTA: Final = frozenset({"4.2.2", "5.2.2"})
_OVER_QUOTA_LIABILITY: Final = "customer_negligence"
_RESULTS: Final = {
    "sent": "sent",
    "deferred": "deferred",
    "bounced": "bounced",
    "SOFTBOUNCE": "deferred",
}
# Answers to address verification (sendmail -bv, reject_unverified_recipient): no message.
_PROBES: Final = ("deliverable", "undeliverable")
_SWALLOWED: Final = re.compile(r"\b(?:discarded|INFECTED|quarantined?|BOUNCE)\b")
_QUEUED_AS: Final = re.compile(r"\b(?:queued|forwarded) as (\w+)")
_FORWARDED: Final = "forwarded as "
# An attempt this soon after arrival is a first one; Postfix retries after minutes.
_FIRST_ATTEMPT_WITHIN: Final = 30_000_000


def queued_as(status: StatusLine) -> str | None:
    """The queue id under which the next hop took the message, if it told one."""
    match = _QUEUED_AS.search(status.text)
    return match[1] if match else None


def result_of(status: str) -> str | None:
    """What a status word says of the message: `sent`, `deferred`, `bounced`; None for others."""
    return _RESULTS.get(status)


def is_probe(status: str) -> bool:
    """Whether a status word answers an address verification."""
    return status.startswith(_PROBES)


class Outcomes:
    """Turns status lines into events; keeps what it decided in the root's recipients."""

    def __init__(self, site: Site, counters: Counter[str]) -> None:
        self._tenants = site.tenants
        self.counters = counters

    def of_attempt(
        self, held: Incarnation, status: StatusLine, stamp: int, facing: Facing
    ) -> list[Event]:
        """The events of one attempt logged at `stamp` (µs), its status one of `result_of`."""
        root = held.root
        if root.silent:
            self.counters["notifications"] += 1
            return []
        self._settle_acceptance(root, held, status, stamp)
        if facing is Facing.FOREIGN:
            return self._transmission(held, status, stamp)
        if facing is Facing.MAILBOX and status.status == "sent":
            return self._delivery(held, status, stamp)
        if facing is Facing.DISCARD or (status.status == "sent" and is_swallowed(status)):
            return self._unsent(held, status, stamp, facing, "discarded")
        if status.status == "sent":
            self.counters["internal_hops"] += 1
            return []
        return self._unsent(held, status, stamp, facing, status.status)

    def _settle_acceptance(
        self, root: Incarnation, held: Incarnation, status: StatusLine, stamp: int
    ) -> None:
        if root.accepted is not None:
            return
        if held is not root:
            # The root was not seen to be received: it was before its filter handed it back.
            root.accepted = root.birth
        elif root.origin == UNSEEN:
            # Arrival is when the client began to send: the latency is at most this.
            root.accepted = stamp - status.delay
            root.upper_bound = True
        else:
            into_active = stamp - status.in_manager - status.connection - status.transfer
            root.accepted = max(into_active, root.birth)

    def _transmission(self, held: Incarnation, status: StatusLine, stamp: int) -> list[Event]:
        root = held.root
        party = self._sending_party(root, held)
        if party is None:
            name = "unmapped" if self._receiving_party(status) is None else "relayed_inbound"
            self.counters[name] += 1
            return []
        address, recipient = self._recipient(held, status.recipient, status)
        events = self._announce(root, recipient, address, party)
        if not recipient.dispatched:
            recipient.dispatched = recipient.finished = True
            # The log may have begun after earlier attempts.
            first = root.origin != UNSEEN or status.before_active < _FIRST_ATTEMPT_WITHIN
            peer = None if status.relay == "none" else status.relay
            start = max(stamp - status.connection - status.transfer, held.active or 0)
            events.append(
                message_event(
                    root,
                    "dispatched",
                    min(start, stamp),
                    party,
                    address,
                    attempt=1 if first else 2,
                    peer=peer,
                )
            )
        if status.status != "sent":
            events.append(_result(root, status.status, status, stamp, party, address, None))
        return events

    def _delivery(self, held: Incarnation, status: StatusLine, stamp: int) -> list[Event]:
        if status.text.startswith(_FORWARDED):
            held.own_hop = True
            self.counters["internal_hops"] += 1
            return []
        found = self._receiving_party(status)
        if found is None:
            self.counters["unmapped"] += 1
            return []
        party, named = found
        root = held.root
        address, recipient = self._recipient(held, named, status)
        events = self._announce(root, recipient, address, party)
        if recipient.finished:
            return events
        recipient.finished = True
        if status.text.startswith("discarded"):
            return [*events, _result(root, "discarded", status, stamp, party, address, None)]
        events.append(
            message_event(
                root,
                "delivered",
                stamp,
                party,
                address,
                mailbox=address,
                peer=root.client,
                liability=recipient.liability,
            )
        )
        return events

    def _unsent(
        self, held: Incarnation, status: StatusLine, stamp: int, facing: Facing, kind: str
    ) -> list[Event]:
        """Deferred, bounced or discarded without facing a foreign system."""
        root = held.root
        found = self._receiving_party(status)
        if found is None and facing is not Facing.MAILBOX:
            sender = self._sending_party(root, held)
            found = None if sender is None else (sender, status.recipient)
        if found is None:
            self.counters["unmapped"] += 1
            return []
        party, named = found
        address, recipient = self._recipient(held, named, status)
        if party[0] == INBOUND and status.dsn in _OVER_QUOTA:
            recipient.liability = _OVER_QUOTA_LIABILITY
        events = self._announce(root, recipient, address, party)
        recipient.finished = recipient.finished or kind != "deferred"
        events.append(_result(root, kind, status, stamp, party, address, recipient.liability))
        return events

    def left_behind(
        self, root: Incarnation, kind: str, stamp: int, reason: str, serial: int | None = None
    ) -> list[Event]:
        """Finish the announced recipients nothing more will be logged about.

        `serial` limits it to those whose last attempt was made by that incarnation. An expired
        message has expired for its dispatched recipients too.
        """
        events = []
        for address, recipient in root.recipients.items():
            waiting = not recipient.finished or (kind == "expired" and recipient.dispatched)
            if recipient.tenant is None or not waiting:
                continue
            if serial is not None and recipient.at != serial:
                continue
            recipient.finished = True
            direction, _, tenant = recipient.tenant.partition(":")
            events.append(
                message_event(root, kind, stamp, (direction, tenant), address, reason=reason)
            )
        return events

    def _announce(
        self, root: Incarnation, recipient: Recipient, address: str, party: tuple[str, str]
    ) -> list[Event]:
        root.settled = True
        if recipient.announced or root.accepted is None:
            return []
        recipient.announced = True
        recipient.tenant = f"{party[0]}:{party[1]}"
        return [
            message_event(
                root,
                "accepted",
                root.accepted,
                party,
                address,
                peer=root.client,
                liability=recipient.liability,
            )
        ]

    def _recipient(
        self, held: Incarnation, named: str, status: StatusLine
    ) -> tuple[str, Recipient]:
        """The recipient's name in events and its record.

        A message announced under an alias (stuck before its content filter) and expanded behind
        the filter finishes under the alias: one recipient, one latency.
        """
        recipients = held.root.recipients
        origin = status.original_recipient
        if named not in recipients and origin and origin in recipients:
            waiting = recipients[origin]
            if waiting.announced and not waiting.finished:
                waiting.at = held.serial
                return origin, waiting
        recipient = recipients.get(named)
        if recipient is None:
            recipient = recipients[named] = Recipient()
        recipient.at = held.serial
        return named, recipient

    def _sending_party(self, root: Incarnation, held: Incarnation) -> tuple[str, str] | None:
        user = root.user or held.user
        address = user if user and "@" in user else root.sender or held.sender
        tenant = self._tenants.of_address(address)
        return None if tenant is None else (OUTBOUND, tenant)

    def _receiving_party(self, status: StatusLine) -> tuple[tuple[str, str], str] | None:
        for address in (status.recipient, status.original_recipient):
            tenant = self._tenants.of_address(address)
            if tenant is not None and address is not None:
                return (INBOUND, tenant), address
        return None


def is_swallowed(status: StatusLine) -> bool:
    """A content filter said 250 and kept the message (INFECTED, discarded)."""
    return "queued as" not in status.text and _SWALLOWED.search(status.text) is not None


def _result(
    root: Incarnation,
    kind: str,
    status: StatusLine,
    stamp: int,
    party: tuple[str, str],
    address: str,
    liability: str | None,
) -> Event:
    return message_event(
        root,
        kind,
        stamp,
        party,
        address,
        occurrence=str(stamp),
        reason=shortened(status.text),
        dsn=status.dsn or None,
        liability=liability,
    )
