"""What befalls each simulated tenant: one story each, with what must come of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mailsla.streams.simulate.record import DAY, HOUR, SECOND, Draft, Span

Tell = Callable[[Span, str], list[Draft]]


def _nothing(_span: Span, _tenant: str) -> list[Draft]:
    return []


@dataclass(frozen=True)
class Story:
    """A tenant's month beside the ordinary traffic.

    ``tell`` gives the events of its own; the numbers say what they inject (seconds, messages).
    ``breached`` holds the ids of the indicators that must come out breached, but for the mean
    latencies, which depend on the traffic.
    """

    name: str
    breached: frozenset[str] = frozenset()
    tell: Tell = _nothing
    unfinished: int = 0
    exceedances: int = 0
    exceedances_left_out: int = 0
    slow_s: float = 0.0
    """Seconds added to every latency."""
    outage: bool = False
    """Whether the tenant's own probe fails for `OUTAGE_S`."""
    excused_s: int = 0
    fault_s: int = 0
    adjustment_s: int = 0
    missing_backup: bool = False
    stale_definitions: bool = False
    thin_outbreak: bool = False


OUTAGE_DAY: Final = 14
OUTAGE_HOUR: Final = 15
OUTAGE_S: Final = 3000
MISSING_BACKUP_DAY: Final = 17
_DOWN: Final = frozenset({"connectivity.downtime", "connectivity.ratio"})
_FAULTY: Final = frozenset({"operations.fault_duration", "operations.availability"})


def _message(
    tenant: str, name: str, accepted_us: int, latency_s: float | None, inbound: bool, **more: Any
) -> list[Draft]:
    """One message with a chosen latency; None: accepted and never finished."""
    source = "mx1.example.net/postfix"
    common: Mapping[str, Any] = {
        "message_id": f"STORY-{tenant}-{name}",
        "direction": "inbound" if inbound else "outbound",
        "recipient": f"user1@{tenant}.example.cn" if inbound else "desk@partner.example.org",
        "accepted_at": accepted_us,
        **more,
    }
    drafts = [Draft("message.accepted", tenant, accepted_us, common, source)]
    if latency_s is not None:
        kind = "message.delivered" if inbound else "message.dispatched"
        done = accepted_us + int(latency_s * SECOND)
        drafts.append(Draft(kind, tenant, done, common, source))
    return drafts


def _messages(*latencies: float | None, **more: Any) -> Tell:
    """Messages of the 11th, alternately sent and received."""

    def tell(span: Span, tenant: str) -> list[Draft]:
        return [
            draft
            for number, latency in enumerate(latencies)
            for draft in _message(
                tenant, str(number), span.at(11, 9 + number), latency, number % 2 == 1, **more
            )
        ]

    return tell


def _excuse(
    span: Span, tenant: str, code: str, seconds: int, days_late: int = 0, **more: Any
) -> Draft:
    """An exclusion over the beginning of the tenant's outage."""
    starts = span.at(OUTAGE_DAY, OUTAGE_HOUR)
    fields = {
        "exclusion_id": f"excl-{tenant}",
        "code": code,
        "starts_at": starts,
        "ends_at": starts + seconds * SECOND,
        **more,
    }
    return Draft("exclusion.declared", tenant, starts + days_late * DAY, fields)


def _carrier(span: Span, tenant: str) -> list[Draft]:
    return [_excuse(span, tenant, "carrier", 1800)]


def _consented(span: Span, tenant: str) -> list[Draft]:
    return [_excuse(span, tenant, "agreed_maintenance", OUTAGE_S, consent_ref="letter 2025/17")]


def _without_consent(span: Span, tenant: str) -> list[Draft]:
    return [_excuse(span, tenant, "agreed_maintenance", OUTAGE_S)]


def _declared_late(span: Span, tenant: str) -> list[Draft]:
    return [_excuse(span, tenant, "force_majeure", OUTAGE_S, days_late=5)]


def _revoked(span: Span, tenant: str) -> list[Draft]:
    taken_back = span.at(OUTAGE_DAY + 2, 10)
    fields = {"exclusion_id": f"excl-{tenant}"}
    return [
        _excuse(span, tenant, "customer_equipment", OUTAGE_S),
        Draft("exclusion.revoked", tenant, taken_back, fields),
    ]


def _excused_exceedances(span: Span, tenant: str) -> list[Draft]:
    """One by the message's own liability, one by an exclusion of the time."""
    accepted = span.at(11, 9)
    line = {
        "exclusion_id": f"line-{tenant}",
        "code": "customer_equipment",
        "starts_at": span.at(12, 9),
        "ends_at": span.at(12, 12),
        "sections": [2],
    }
    return [
        *_message(tenant, "foreign", accepted, 5400.0, False, liability="foreign_system"),
        *_message(tenant, "line", span.at(12, 10), 4000.0, True),
        Draft("exclusion.declared", tenant, span.at(12, 9), line),
    ]


def _incident(kind: str, seconds: int) -> Tell:
    def tell(span: Span, tenant: str) -> list[Draft]:
        begun, name = span.at(13, 10), {"incident_id": f"inc-{tenant}"}
        return [
            Draft("incident.opened", tenant, begun, {**name, "kind": kind, "component": "store"}),
            Draft("incident.closed", tenant, begun + seconds * SECOND, name),
        ]

    return tell


def _late_complaint(span: Span, tenant: str) -> list[Draft]:
    case = {"case_id": f"case-{tenant}"}
    received = {**case, "origin": "own_domain", "reporter": "abuse@partner.example.org"}
    return [
        Draft("complaint.received", tenant, span.at(12, 10), received),
        Draft("complaint.responded", tenant, span.at(25, 10), case),
        Draft("complaint.result_notified", tenant, span.at(25, 11), case),
    ]


def _late_listing(span: Span, tenant: str) -> list[Draft]:
    listing = {"listing_id": f"list-{tenant}", "list_name": "bl.example.org"}
    return [
        Draft("listing.detected", tenant, span.at(12, 10), listing),
        Draft("listing.reported", tenant, span.at(25, 10), listing),
    ]


def _scans(count: int, **fields: Any) -> Tell:
    def tell(span: Span, tenant: str) -> list[Draft]:
        return [
            Draft(
                "message.scanned",
                tenant,
                span.at(15, 9 + number),
                {
                    "message_id": f"STORY-SCAN-{number}",
                    "mailbox": f"user1@{tenant}.example.cn",
                    "scan_ms": 40.5,
                    **fields,
                },
                "av1.example.net",
            )
            for number in range(count)
        ]

    return tell


def _early_deletion(span: Span, tenant: str) -> list[Draft]:
    gone = {"backup_id": f"bk-{tenant}-2", "completed_at": span.at(2, 2)}
    purged = {"account": f"left@{tenant}.example.cn", "locked_at": span.at(20) - 40 * DAY}
    return [
        Draft("backup.deleted", tenant, span.at(20, 9), gone),
        Draft("account.purged", tenant, span.at(20, 9), purged),
    ]


def _order(kind: str, hours: float) -> Tell:
    def tell(span: Span, tenant: str) -> list[Draft]:
        paid, order = span.at(10, 10), {"order_id": f"ord-{tenant}"}
        opened = paid + int(hours * HOUR)
        return [
            Draft("payment.confirmed", tenant, paid, {**order, "domain_kind": kind}),
            Draft("service.opened", tenant, opened, {**order, "notified_at": opened + 60 * SECOND}),
        ]

    return tell


def _silent_support(span: Span, tenant: str) -> list[Draft]:
    return [
        Draft(f"channel.{state}", tenant, span.at(18, hour), {"channel": channel})
        for state, hour in (("down", 10), ("up", 11))
        for channel in ("phone", "mail", "web")
    ]


def _slow_pages(span: Span, tenant: str) -> list[Draft]:
    page = {"bandwidth": "broadband", "load_ms": 12_500.0, "url": "https://mail.example.cn/"}
    return [Draft("page.loaded", tenant, span.at(day, 9), page) for day in range(8, 28)]


def _intrusion(span: Span, tenant: str) -> list[Draft]:
    fields = {"incident_id": f"sec-{tenant}", "kind": "password guessing", "severity": "medium"}
    return [Draft("security.incident", tenant, span.at(19, 3), fields)]


def _one(indicator: str) -> frozenset[str]:
    return frozenset({indicator})


STORIES: Final = (
    Story("well kept"),
    Story("outage", _DOWN, outage=True),
    Story("outage, half of it the carrier's", tell=_carrier, outage=True, excused_s=1800),
    Story("outage agreed with consent", tell=_consented, outage=True, excused_s=OUTAGE_S),
    Story("outage without consent", _DOWN, _without_consent, outage=True),
    Story("exclusion declared late", tell=_declared_late, outage=True, excused_s=OUTAGE_S),
    Story("exclusion revoked", _DOWN, _revoked, outage=True),
    Story("slow", tell=_messages(75.0, 75.0), slow_s=65.0),
    Story(
        "three messages over an hour",
        _one("latency.exceedances"),
        _messages(3700.0, 4000.0, 9000.5),
        exceedances=3,
    ),
    Story("one message over an hour", tell=_messages(3601.0), exceedances=1),
    Story(
        "slow messages excused",
        tell=_excused_exceedances,
        exceedances_left_out=2,
    ),
    Story(
        "two messages never finished",
        _one("latency.exceedances"),
        _messages(None, None),
        unfinished=2,
        exceedances=2,
    ),
    Story("fault", _FAULTY, _incident("fault", 7000), fault_s=7000),
    Story(
        "long adjustment",
        _one("operations.adjustment_duration"),
        _incident("adjustment", 6600),
        adjustment_s=6600,
    ),
    Story("slow pages", _one("operations.page_load.broadband"), _slow_pages),
    Story(
        "complaint answered late",
        frozenset({"antispam.complaint_response", "antispam.result_notice"}),
        _late_complaint,
    ),
    Story("listing reported late", _one("antispam.listing_report"), _late_listing),
    Story("week without definitions", _one("antivirus.definition_updates"), stale_definitions=True),
    Story("outbreak met late", _one("antivirus.outbreak_updates"), thin_outbreak=True),
    Story(
        "unscanned messages",
        _one("antivirus.unscanned"),
        _scans(3, verdict="skipped", action="none", policy="clean"),
    ),
    Story(
        "virus against the policy",
        _one("antivirus.policy_mismatch"),
        _scans(1, verdict="infected", action="tagged", policy="clean"),
    ),
    Story("day without a backup", _one("backup.incremental"), missing_backup=True),
    Story(
        "data destroyed early",
        frozenset({"backup.retention", "backup.account_retention"}),
        _early_deletion,
    ),
    Story("order opened late", _one("provisioning.own_domain"), _order("own", 30)),
    Story("new domain opened late", _one("provisioning.new_domain"), _order("new", 50)),
    Story("service desk silent", _one("support.availability"), _silent_support),
    Story("intrusion", tell=_intrusion),
    Story("orders in time", tell=_order("own", 23.5)),
)
"""Told in this order, one tenant each; further tenants are well kept."""


def story_of(place: int) -> Story:
    """The story of the n-th tenant, from 0."""
    return STORIES[place] if place < len(STORIES) else STORIES[0]
