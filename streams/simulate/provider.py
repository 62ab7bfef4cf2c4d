"""The provider's ordinary month: probes, monitoring, backups, definitions, bills, faults."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Final

from mailsla.schemas.codec.identifiers import PLATFORM
from mailsla.streams.simulate.record import DAY, HOUR, SECOND, Draft, Span
from mailsla.streams.simulate.stories import (
    MISSING_BACKUP_DAY,
    OUTAGE_DAY,
    OUTAGE_HOUR,
    OUTAGE_S,
    Story,
)

PLATFORM_OUTAGE_S: Final = 600
PLATFORM_FAULT_S: Final = 120
PLATFORM_ADJUSTMENT_S: Final = 1800

_PLATFORM_PROBE_S: Final = 300
_OWN_PROBE_S: Final = 600
_HEARTBEAT_S: Final = 300
_OUTBREAK_WEEK: Final = 1
_STALE_WEEK: Final = 2
_CAPABILITIES: Final = tuple(
    (capability, scope) for capability in ("send", "receive") for scope in ("internal", "external")
)


def platform_probes(span: Span, day: int) -> Iterator[Draft]:
    """A day of the platform's probes of all four capabilities; they fail during its outage."""
    down = span.at(3, 2)
    for time in range(span.at(day), span.at(day + 1), _PLATFORM_PROBE_S * SECOND):
        ok = not down <= time < down + PLATFORM_OUTAGE_S * SECOND
        for capability, scope in _CAPABILITIES:
            yield _probe(PLATFORM, time, capability, scope, ok, _PLATFORM_PROBE_S)


def own_probes(
    span: Span, day: int, tenants: Sequence[str], stories: Sequence[Story]
) -> Iterator[Draft]:
    """A day of the probes of those tenants that have one; they fail during the tenant's outage."""
    down = span.at(OUTAGE_DAY, OUTAGE_HOUR)
    for tenant, story in zip(tenants, stories, strict=True):
        if not story.outage:
            continue
        for time in range(span.at(day), span.at(day + 1), _OWN_PROBE_S * SECOND):
            ok = not down <= time < down + OUTAGE_S * SECOND
            yield _probe(tenant, time, "send", "external", ok, _OWN_PROBE_S)


def _probe(tenant: str, time: int, capability: str, scope: str, ok: bool, interval_s: int) -> Draft:
    fields = {
        "probe": f"{capability}-{scope}",
        "channel": "submission" if capability == "send" else "imap",
        "capability": capability,
        "scope": scope,
        "ok": ok,
        "interval_s": interval_s,
        "duration_ms": 180.5 if ok else 30_000,
    }
    return Draft("probe.result", tenant, time, fields, "probe1.example.net")


def monitoring(span: Span, day: int) -> Iterator[Draft]:
    """A day of heartbeats and of hourly page loads."""
    beat = {"monitor": "noc", "interval_s": _HEARTBEAT_S}
    for time in range(span.at(day), span.at(day + 1), _HEARTBEAT_S * SECOND):
        yield Draft("monitor.heartbeat", PLATFORM, time, beat, "noc.example.net")
    for hour in range(24):
        for bandwidth, load_ms in (("narrowband", 8200.0), ("broadband", 1450.5)):
            fields = {"bandwidth": bandwidth, "load_ms": load_ms + 10 * hour}
            yield Draft("page.loaded", PLATFORM, span.at(day, hour), fields, "probe1.example.net")


def platform_events(span: Span) -> Iterator[Draft]:
    """The platform's fault, agreed maintenance, service channels, outbreak and block list."""
    fault, works = span.at(4, 5), span.at(6, 3)
    for kind, begun, seconds in (
        ("fault", fault, PLATFORM_FAULT_S),
        ("adjustment", works, PLATFORM_ADJUSTMENT_S),
    ):
        name = {"incident_id": f"platform-{kind}"}
        yield Draft("incident.opened", PLATFORM, begun, {**name, "kind": kind})
        yield Draft("incident.closed", PLATFORM, begun + seconds * SECOND, name)
    agreed = {
        "exclusion_id": "platform-works",
        "code": "agreed_maintenance",
        "starts_at": works,
        "ends_at": works + PLATFORM_ADJUSTMENT_S * SECOND,
        "consent_ref": "circular 4",
    }
    yield Draft("exclusion.declared", PLATFORM, works - DAY, agreed)
    for channel in ("phone", "mail", "web"):
        yield Draft("channel.up", PLATFORM, span.start_us, {"channel": channel})
    outbreak, monday = {"outbreak_id": "worm-7"}, _weeks(span)[_OUTBREAK_WEEK]
    yield Draft("outbreak.declared", PLATFORM, _hour(span, monday, 2, 12), outbreak)
    yield Draft("outbreak.ended", PLATFORM, _hour(span, monday, 4, 12), outbreak)
    listed = {"list_id": "list-1"}
    yield Draft("blocklist.published", PLATFORM, span.at(10, 9), listed)
    yield Draft("blocklist.processed", PLATFORM, span.at(10, 16), listed)


def tenant_events(span: Span, tenant: str, story: Story, billing_error: bool) -> Iterator[Draft]:
    """A tenant's backups, definitions, scans, complaint and bill."""
    yield from _backups(span, tenant, story)
    yield from _definitions(span, tenant, story)
    scan = {
        "message_id": "SCAN-1",
        "mailbox": f"user1@{tenant}.example.cn",
        "verdict": "clean",
        "action": "none",
        "policy": "clean",
        "scan_ms": 12.25,
    }
    for day in range(2, span.days, 5):
        yield Draft("message.scanned", tenant, span.at(day, 11), scan, "av1.example.net")
    case = {"case_id": f"quick-{tenant}"}
    received = {**case, "origin": "own_domain"}
    yield Draft("complaint.received", tenant, span.at(9, 9), received)
    yield Draft("complaint.responded", tenant, span.at(9, 15), case)
    yield Draft("complaint.result_notified", tenant, span.at(10, 15), case)
    yield from _bill(span, tenant, billing_error)


def _backups(span: Span, tenant: str, story: Story) -> Iterator[Draft]:
    for day in range(1, span.days + 1):
        done = span.at(day, 2)
        fields = {
            "backup_id": f"bk-{tenant}-{day}",
            "kind": "full" if day % 3 == 1 else "incremental",
        }
        if story.missing_backup and day == MISSING_BACKUP_DAY:
            yield Draft("backup.failed", tenant, done, {**fields, "reason": "disk full"})
        else:
            started = {"started_at": done - HOUR}
            yield Draft("backup.completed", tenant, done, {**fields, **started}, "bk1.example.net")


def _definitions(span: Span, tenant: str, story: Story) -> Iterator[Draft]:
    """Three updates a week, none before the month."""
    for number, monday in enumerate(_weeks(span)):
        if story.stale_definitions and number == _STALE_WEEK:
            continue
        thin = story.thin_outbreak and number == _OUTBREAK_WEEK
        for weekday in (0,) if thin else (0, 2, 4):
            time = max(_hour(span, monday, weekday, 4), span.at(1, 4))
            fields = {"engine": "av", "version": f"{number}.{weekday}"}
            yield Draft("definitions.updated", tenant, time, fields, "av1.example.net")


def _bill(span: Span, tenant: str, billing_error: bool) -> Iterator[Draft]:
    """The month's charge; an error of this bill, or of an earlier month's, which must not count."""
    charge = {"charge_id": f"ch-{tenant}-{span.first:%Y%m}", "billing_month": f"{span.first:%Y-%m}"}
    price = {"amount": "1200.00", "currency": "CNY"}
    yield Draft("customer.charged", tenant, span.at(span.days, 10), {**charge, **price})
    if tenant.endswith("001"):
        before = f"{span.first - timedelta(days=1):%Y-%m}"
        wrong = charge if billing_error else {"charge_id": "ch-before", "billing_month": before}
        confirmed = {**wrong, "kind": "overcharged"}
        yield Draft("billing.error_confirmed", tenant, span.at(span.days, 12), confirmed)


def _weeks(span: Span) -> list[date]:
    """The Mondays of the weeks whose Sunday is in the month."""
    days: Iterable[date] = (span.first + timedelta(days=n) for n in range(span.days))
    return [day - timedelta(days=6) for day in days if day.weekday() == 6]


def _hour(span: Span, monday: date, weekday: int, hour: int) -> int:
    return span.at((monday - span.first).days + 1 + weekday, hour)
