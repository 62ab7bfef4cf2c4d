"""Random histories of one tenant and its platform around a month, as facts."""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from mailsla.schemas.facts.fact import Fact
from mailsla.schemas.facts.lines import fact_of
from mailsla.schemas.facts.ops import ExclusionDeclaredFact
from mailsla.streams.time.calendar import DAY, HOUR
from tests.unit.clauses_scene import TENANT, at

START, END = at("2026-10-01"), at("2026-11-01")

moments = st.one_of(
    st.integers(START - 40 * DAY, END + 5 * DAY),
    st.integers(-60, 60).map(lambda each: START + each * HOUR),
    st.sampled_from([START, END]).flatmap(lambda edge: st.integers(edge - 2, edge + 2)),
)
tenants = st.sampled_from([TENANT, "*"])
names = st.sampled_from(["a", "b"])
kinds = st.sampled_from(["fault", "adjustment"])
domains = st.sampled_from(["own", "new"])
codes = st.sampled_from(["carrier", "force_majeure", "agreed_maintenance", "foreign_system"])


def _of(type_: str, both: bool = True, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Fact]:
    return st.fixed_dictionaries(
        {
            "type": st.just(type_),
            "source": st.just("s"),
            "tenant_id": tenants if both else st.just(TENANT),
            "time": moments,
            **fields,
        }
    ).map(fact_of)


def _exclusions(told: ExclusionDeclaredFact) -> Fact:
    return replace(told, ends_at=told.starts_at + told.ends_at)


facts: st.SearchStrategy[Fact] = st.one_of(
    _of(
        "probe.result",
        probe=names,
        channel=st.just("web"),
        capability=st.sampled_from(["send", "receive"]),
        scope=st.just("internal"),
        ok=st.booleans(),
        interval_s=st.sampled_from([60.0, 3600.0, 86_400.0]),
    ),
    _of("page.loaded", bandwidth=st.just("broadband"), load_ms=st.floats(0, 20_000)),
    _of("incident.opened", incident_id=names, kind=kinds),
    _of("incident.closed", incident_id=names),
    _of(
        "exclusion.declared",
        exclusion_id=names,
        code=codes,
        starts_at=moments,
        ends_at=st.integers(0, 2 * DAY),
        sections=st.sampled_from([None, [1], [3]]),
        consent_ref=st.sampled_from([None, "ref"]),
    ).map(_exclusions),
    _of("exclusion.revoked", exclusion_id=names),
    _of("monitor.heartbeat", monitor=names, interval_s=st.sampled_from([60.0, 1e6])),
    _of("definitions.updated", engine=names, version=st.just("1")),
    _of("outbreak.declared", outbreak_id=names),
    _of("outbreak.ended", outbreak_id=names),
    _of(
        "message.scanned",
        both=False,
        message_id=names,
        mailbox=names,
        verdict=st.sampled_from(["infected", "error"]),
        action=st.sampled_from(["none", "cleaned"]),
        policy=st.sampled_from(["clean", "off"]),
        scan_ms=st.sampled_from([None, 1.5]),
    ),
    _of(
        "backup.completed",
        backup_id=names,
        kind=st.sampled_from(["full", "incremental"]),
        started_at=st.just(START),
    ),
    _of("backup.deleted", backup_id=names, completed_at=moments),
    _of("account.purged", both=False, account=names, locked_at=moments),
    _of("customer.charged", both=False, charge_id=names, billing_month=st.just("2026-10")),
    _of("billing.error_confirmed", both=False, charge_id=names, billing_month=st.just("2026-10")),
    _of(
        "payment.confirmed", both=False, order_id=names, domain_kind=st.sampled_from(["own", "new"])
    ),
    _of("service.opened", both=False, order_id=names, notified_at=moments),
    _of("complaint.received", both=False, case_id=names, origin=st.just("own_domain")),
    _of("complaint.responded", both=False, case_id=names),
    _of("complaint.result_notified", both=False, case_id=names),
    _of("blocklist.published", list_id=names),
    _of("blocklist.processed", list_id=names),
    _of("source.confirmed", case_id=names),
    _of("source.reported", case_id=names, reported_to=st.sampled_from(["association", "nsp"])),
    _of("channel.up", channel=st.sampled_from(["phone", "web"])),
    _of("channel.down", channel=st.sampled_from(["phone", "web"])),
    _of("security.incident", both=False, incident_id=names),
)


def _numbered(told: list[Fact]) -> list[Fact]:
    return [replace(each, id=f"{number:03d}") for number, each in enumerate(told)]


histories = st.lists(facts, min_size=1, max_size=25).map(_numbered)
"""Facts with distinct ids, in any order of time."""
