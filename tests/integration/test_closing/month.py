"""A fixed October: one tenant to whom little goes well, and a quiet one."""

from datetime import date, timedelta

from mailsla.schemas.contract import Contract
from tests.reference.scenario import at, event, excluded, fault, probes, received, sent

OCTOBER = date(2025, 10, 1)
TERRIBLE, QUIET = "terrible", "quiet"
MONTH_S = 31 * 86_400
REACHES = [(c, s) for c in ("send", "receive") for s in ("internal", "external")]
OUTAGE = at(14, 15)


def contracts():
    """A Chinese name and a fee; the terrible one's contract reads one thing otherwise."""
    head = {"version": 1, "effective_from": "2025-01-01"}
    fee = {"monthly_fee": {"amount": "1200.50", "currency": "CNY"}}
    changed = {
        "profile": {"name": "strict", "account_retention_days": 180},
        "overrides": {
            "antispam.foreign_source_report": {"target": 0, "judged": True},
            "antivirus.scan_delay": {"target": 1, "comparator": "<=", "judged": True},
            "operations.monitoring": {"judged": True},
        },
    }
    return [
        Contract.model_validate({"tenant_id": TERRIBLE, "name": "甲公司"} | head | fee | changed),
        Contract.model_validate({"tenant_id": QUIET, "name": "Quiet & Co"} | head | fee),
    ]


def _watched():
    """Everybody is probed throughout by the platform."""
    return [
        one
        for capability, scope in REACHES
        for one in probes(
            at(1), MONTH_S, tenant_id="*", capability=capability, scope=scope, probe="whole"
        )
    ]


def _cut_off():
    """50 minutes in which sending fails by the tenant's own probe, 6 of them excluded; unobserved
    is nothing, as the platform's probes speak where the own one is silent."""
    fails = probes(OUTAGE, 3000, tenant_id=TERRIBLE, ok=False, probe="own")
    excuse = {"exclusion_id": "works", "code": "agreed_maintenance", "tenant_id": TERRIBLE}
    return [
        *fails,
        excluded(OUTAGE, 360, consent_ref="letter 2025/17", **excuse),
        excluded(OUTAGE + timedelta(hours=1), 60, **excuse | {"exclusion_id": "unasked"}),
    ]


def _messages():
    slow = [sent(at(10, 12, n), 3700 + n, f"over-{n}", tenant_id=TERRIBLE) for n in range(25)]
    quick = [
        received(at(day, 9), 1.25 + day / 1000, f"{tenant}-{day}", tenant_id=tenant)
        for tenant in (TERRIBLE, QUIET)
        for day in range(1, 32)
    ]
    return [*slow, *quick, sent(at(5, 9), 2.5, "quiet-sent", tenant_id=QUIET)]


def _service():
    own = {"tenant_id": TERRIBLE}
    case, order = {"case_id": "late-case"} | own, {"order_id": "order-1"} | own
    return [
        *fault(at(13, 23), 7200, incident_id="fault-1", component="store", **own),
        *fault(at(3, 5), 60, incident_id="platform-1", tenant_id="*"),
        event("complaint.received", at(14), **case),
        event("complaint.responded", at(20), **case),
        event("monitor.heartbeat", at(1), monitor="noc", interval_s=600, tenant_id="*"),
        event("monitor.heartbeat", at(1, 0, 10), monitor="noc", interval_s=86_400, tenant_id="*"),
        event("payment.confirmed", at(6), domain_kind="own", **order),
        event("service.opened", at(8), notified_at=at(8), **order),
        event("message.scanned", at(9), message_id="scan-1", verdict="skipped", **own),
        event("account.purged", at(20), account="left@acme.cn", locked_at=at(1, month=7), **own),
        event("source.confirmed", at(22), case_id="outside", **own),
        event("source.reported", at(23), case_id="outside", reported_to="nsp", **own),
        event("message.scanned", at(9, 1), message_id="scan-2", scan_ms=1500.5, **own),
        event("security.incident", at(19), incident_id="break-in", **own),
        event("channel.up", at(1), channel="phone", tenant_id="*"),
        event("channel.down", at(18, 10), channel="phone", **own),
        event("channel.up", at(18, 11), channel="phone", **own),
    ]


def _kept():
    """What the platform does every day for everybody."""
    events = []
    for day in range(1, 32):
        backup = {"tenant_id": "*", "started_at": at(day, 1), "backup_id": f"b{day}"}
        events.append(event("backup.completed", at(day, 2), kind="full", **backup))
        events.append(event("definitions.updated", at(day, 3), tenant_id="*"))
    return events


EVENTS = [*_watched(), *_cut_off(), *_messages(), *_service(), *_kept()]
