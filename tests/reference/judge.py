"""Every indicator of every tenant of a month, straight from the log."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from mailsla.schemas.contract import Contract
from mailsla.schemas.indicators import INDICATORS
from tests.reference.antivirus import antivirus
from tests.reference.backup import backup
from tests.reference.cases import antispam, provisioning
from tests.reference.connectivity import connectivity
from tests.reference.instants import micros
from tests.reference.latency import latency
from tests.reference.log import PLATFORM, TOPIC_OF, Event, between, of_type, own, read
from tests.reference.operations import operations
from tests.reference.period import Period, parts_of, period_of, tenants_of
from tests.reference.support import support
from tests.reference.values import NOTHING, Judged, Value, finding, judged, plain

Findings = dict[tuple[str, str], Judged]


def judge(
    wire_events: Iterable[Event],
    contracts: Sequence[Contract],
    month: str,
    cutoff: datetime,
    calendars: Sequence[Mapping[str, Any]] = (),
) -> Findings:
    """(tenant_id, indicator) → finding, for every tenant of the month.

    Args:
        wire_events: events as JSON objects with RFC 3339 strings, in log order, duplicates too.
        contracts: every contract version; a later one of the same tenant and version replaces.
        month: ``YYYY-MM``.
        cutoff: when the month is closed; what is in flight is as old as it is then.
        calendars: documents of published calendars, in order.

    """
    events = read(wire_events)
    first = date.fromisoformat(f"{month}-01")
    found: Findings = {}
    for tenant_id in tenants_of(events, contracts, first):
        period = period_of(tenant_id, contracts, first)
        measured: dict[tuple[date, date], dict[str, Value]] = {}
        for indicator in INDICATORS:
            findings = []
            for part in [period, *parts_of(period, indicator)]:
                days = (part.first, part.last)
                if days not in measured:
                    measured[days] = measure_all(events, part, micros(cutoff), calendars)
                value, term = measured[days][indicator], part.contract.term(indicator)
                findings.append((finding(value, term), term, part))
            (whole, governing, _), *parts = findings
            found[tenant_id, indicator] = judged(whole, governing, parts)
    return found


def _changes_nothing(event: Event) -> bool:
    """Maintenance declared without the customer's consent."""
    return (
        event["type"] == "exclusion.declared"
        and event["code"] == "agreed_maintenance"
        and not event.get("consent_ref")
    )


def measure_all(
    events: Sequence[Event], period: Period, cutoff: int, calendars: Sequence[Mapping[str, Any]]
) -> dict[str, Value]:
    """Indicator → exact value of one tenant's period."""

    def spoken(topic: str, *tenants: str) -> bool:
        return any(
            TOPIC_OF[event["type"]] == topic
            and event["tenant_id"] in tenants
            and min(event["time"], event.get("accepted_at") or event["time"]) < period.month_end
            and not _changes_nothing(event)
            for event in events
        )

    both = (period.tenant_id, PLATFORM)
    counted_sections = {
        "mail.abuse": antispam(events, period, calendars),
        "mail.antivirus": antivirus(events, period),
        "mail.security": _security(events, period),
        "mail.backup": backup(events, period),
        "mail.billing": provisioning(events, period),
    }
    values = {
        **connectivity(events, period),
        **latency(events, period, cutoff, spoken("mail.mta", period.tenant_id)),
        **operations(events, period, spoken("mail.ops", *both)),
        **support(events, period),
    }
    for topic, section in counted_sections.items():
        heard = spoken(topic, *both)
        values.update({name: value if heard else NOTHING for name, value in section.items()})
    return values


def _security(events: Sequence[Event], period: Period) -> dict[str, Value]:
    """Section 6: incidents of the month."""
    incidents = of_type(own(events, period.tenant_id), "security.incident")
    in_month = between(incidents, period.start, period.end)
    return {"security.incidents": plain(len({event["incident_id"] for event in in_month}))}
