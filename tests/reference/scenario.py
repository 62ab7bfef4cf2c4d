"""Short notation for hand-made histories of one tenant in October 2025, Shanghai time."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from mailsla.schemas.contract import Contract
from tests.reference.judge import judge
from tests.reference.log import Event
from tests.reference.values import Finding, Judged

ZONE = ZoneInfo("Asia/Shanghai")
TENANT = "acme"
MONTH = "2025-10"
MONTH_S = 31 * 86_400
CUTOFF = datetime(2025, 11, 3, tzinfo=ZONE)

_DEFAULTS: dict[str, dict[str, Any]] = {
    "probe.result": {
        "probe": "p",
        "channel": "smtp",
        "capability": "send",
        "scope": "internal",
        "ok": True,
        "interval_s": 60,
    },
    "incident.opened": {"incident_id": "i", "kind": "fault"},
    "incident.closed": {"incident_id": "i"},
    "exclusion.declared": {"exclusion_id": "x", "code": "carrier"},
    "exclusion.revoked": {"exclusion_id": "x"},
    "message.scanned": {
        "message_id": "m",
        "mailbox": "a@acme.cn",
        "verdict": "clean",
        "action": "none",
        "policy": "clean",
    },
    "definitions.updated": {"engine": "av", "version": "1"},
    "customer.charged": {
        "charge_id": "c",
        "amount": "10.00",
        "currency": "CNY",
        "billing_month": MONTH,
    },
    "billing.error_confirmed": {"charge_id": "c", "billing_month": MONTH},
    "complaint.received": {"origin": "own_domain"},
    "security.incident": {"kind": "login", "severity": "low"},
}
_MESSAGE = {"message_id": "m", "recipient": "r@example.org"}
_numbers = count()


def at(day: int, hour: int = 0, minute: int = 0, second: float = 0, month: int = 10) -> datetime:
    """A local time of 2025."""
    return datetime(2025, month, day, hour, minute, tzinfo=ZONE) + timedelta(seconds=second)


def event(type_: str, at_: datetime, /, **fields: Any) -> Event:
    """An event of the tenant in wire form, with defaults for the fields that do not matter."""
    defaults = dict(_DEFAULTS.get(type_, {}))
    if type_.startswith("message.") and type_ != "message.scanned":
        defaults |= _MESSAGE | {
            "direction": "outbound" if type_ == "message.dispatched" else "inbound"
        }
    base = {
        "id": f"e{next(_numbers)}",
        "source": "s",
        "type": type_,
        "tenant_id": TENANT,
        "time": at_,
    }
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in (base | defaults | fields).items()
    }


def probes(start: datetime, seconds: float, **fields: Any) -> list[Event]:
    """One result that holds for exactly so many seconds."""
    return [event("probe.result", start, interval_s=seconds / 2, **fields)]


def fault(start: datetime, seconds: float, **fields: Any) -> list[Event]:
    """An incident of so many seconds."""
    named = {"incident_id": f"i{next(_numbers)}"} | fields
    closing = {k: v for k, v in named.items() if k in ("incident_id", "tenant_id", "source")}
    return [
        event("incident.opened", start, **named),
        event("incident.closed", start + timedelta(seconds=seconds), **closing),
    ]


def excluded(start: datetime, seconds: float, **fields: Any) -> Event:
    """An exclusion of so many seconds, declared when it starts."""
    ends_at = start + timedelta(seconds=seconds)
    return event("exclusion.declared", start, **({"starts_at": start, "ends_at": ends_at} | fields))


def sent(accepted: datetime, latency_s: float, message_id: str = "m", **fields: Any) -> Event:
    """An outbound message dispatched so long after it was accepted."""
    time = accepted + timedelta(seconds=latency_s)
    named: dict[str, Any] = {"message_id": message_id, "accepted_at": accepted}
    return event("message.dispatched", time, **(named | fields))


def received(accepted: datetime, latency_s: float, message_id: str = "m", **fields: Any) -> Event:
    """An inbound message delivered so long after it was accepted."""
    time = accepted + timedelta(seconds=latency_s)
    named: dict[str, Any] = {"message_id": message_id, "accepted_at": accepted}
    return event("message.delivered", time, **(named | fields))


def contract(**fields: Any) -> Contract:
    """A contract of the tenant from 2025 on."""
    given = {"tenant_id": TENANT, "version": 1, "effective_from": "2025-01-01"} | fields
    return Contract.model_validate(given)


def judged(
    events: Iterable[Event],
    indicator: str,
    *contracts: Contract,
    tenant: str = TENANT,
    month: str = MONTH,
    cutoff: datetime = CUTOFF,
) -> Judged:
    """What the reference says of one indicator of the month, with its parts."""
    return judge(events, contracts or (contract(),), month, cutoff)[tenant, indicator]


def found(events: Iterable[Event], indicator: str, *contracts: Contract, **where: Any) -> Finding:
    """What the reference finds of one indicator of the month, its parts apart."""
    return judged(events, indicator, *contracts, **where).finding
