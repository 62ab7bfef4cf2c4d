"""Each judged indicator just inside, at and just beyond its target: equality passes or not."""

from datetime import timedelta

import pytest

from mailsla.schemas.indicators import INDICATORS
from tests.integration.test_closing.conftest import forget
from tests.integration.test_closing.ledger import close, findings
from tests.reference.scenario import (
    CUTOFF,
    TENANT,
    at,
    contract,
    event,
    fault,
    probes,
    received,
    sent,
)

pytestmark = pytest.mark.embedded

NOON = at(10, 12)
JUST = timedelta(microseconds=1)


def down(seconds):
    return [
        *probes(at(1), 40, probe="seen", capability="receive"),
        *probes(NOON, seconds, ok=False),
    ]


def one_case(opening, answer, name, until):
    """Received on Tuesday the 14th; the deadline is the end of the day before ``until``."""

    def answered(shift):
        return [
            event(opening, at(14, 9), **{name: "c"}),
            event(answer, until + shift, **{name: "c"}),
        ]

    return answered


def loads(bandwidth, ms):
    return [event("page.loaded", NOON, bandwidth=bandwidth, load_ms=ms)]


def order(kind, hours, shift):
    paid, done = at(10), at(10) + timedelta(hours=hours) + shift
    return [
        event("payment.confirmed", paid, order_id="o", domain_kind=kind),
        event("service.opened", paid, order_id="o", notified_at=done),
    ]


def backups(missing, kind="full"):
    return [
        event("backup.completed", at(1) + timedelta(days=day), backup_id=f"b{day}", kind=kind,
              started_at=at(1) + timedelta(days=day - 1))
        for day in range(-5, 31) if day not in missing
    ]  # fmt: skip


def deleted(type_, since, gone, **fields):
    return [event(type_, gone, **fields, **since)]


def scan(**fields):
    return [event("message.scanned", NOON, **fields)]


def detect(action):
    return scan(verdict="infected", policy="detect", action=action)


def updates(days):
    return [event("definitions.updated", at(day)) for day in days]


def billed(wrong, customers):
    events = [
        event("customer.charged", NOON, tenant_id=f"c{n}", charge_id="h") for n in range(customers)
    ]
    return events + [
        event("billing.error_confirmed", NOON, tenant_id=f"c{n}", charge_id="h")
        for n in range(wrong)
    ]


LATE = {
    "antispam.complaint_response": one_case(
        "complaint.received", "complaint.responded", "case_id", at(16)
    ),
    "antispam.result_notice": one_case(
        "complaint.received", "complaint.result_notified", "case_id", at(18)
    ),
    "antispam.blocklist_processing": one_case(
        "blocklist.published", "blocklist.processed", "list_id", at(16)
    ),
    "antispam.listing_report": one_case(
        "listing.detected", "listing.reported", "listing_id", at(16)
    ),
}
WEEKLY = (3, 8, 15, 22)

CASES = [
    ("connectivity.downtime", "inside", down(2639.999998), "met"),
    ("connectivity.downtime", "at", down(2640), "breached"),
    ("connectivity.ratio", "inside", down(2678.398), "met"),
    ("connectivity.ratio", "at", down(2678.4), "met"),
    ("connectivity.ratio", "beyond", down(2678.402), "breached"),
    *(
        (f"latency.{name}.mean", where, [make(NOON, 60 + s, "m1"), make(NOON, 60, "m2")], verdict)
        for name, make in (("send", sent), ("receive", received))
        for where, s, verdict in (
            ("inside", -0.000001, "met"), ("at", 0, "met"), ("beyond", 0.000001, "breached"),
        )
    ),
    ("latency.exceedances", "inside", [sent(NOON, 3600.000001), received(NOON, 3600)], "met"),
    ("latency.exceedances", "at", [sent(NOON, 3601), received(NOON, 3601)], "breached"),
    *(
        (f"operations.{kind}_duration", where, fault(NOON, 6000 + s, kind=kind), verdict)
        for kind in ("fault", "adjustment")
        for where, s, verdict in (
            ("inside", -0.000001, "met"), ("at", 0, "met"), ("beyond", 0.000001, "breached"),
        )
    ),
    ("operations.availability", "inside", fault(NOON, 267.839999), "met"),
    ("operations.availability", "at", fault(NOON, 267.84), "met"),
    ("operations.availability", "beyond", fault(NOON, 267.840001), "breached"),
    *(
        (
            "operations.fault_free_days", where,
            [e for day in range(1, days + 1) for e in fault(at(day, 9), 0.000001)], verdict,
        )
        for where, days, verdict in (
            ("inside", 4, "met"), ("at", 5, "met"), ("beyond", 6, "breached"),
        )
    ),
    *(
        (f"operations.page_load.{band}", where, loads(band, limit + ms), verdict)
        for band, limit in (("narrowband", 30_000), ("broadband", 10_000))
        for where, ms, verdict in (
            ("inside", -1, "met"), ("at", 0, "met"), ("beyond", 1, "breached"),
        )
    ),
    *(
        (name, where, make(shift), verdict)
        for name, make in LATE.items()
        for where, shift, verdict in (("inside", -JUST, "met"), ("beyond", JUST * 0, "breached"))
    ),
    ("antivirus.definition_updates", "inside", updates(WEEKLY), "met"),
    ("antivirus.definition_updates", "beyond", updates(WEEKLY[1:]), "breached"),
    *(
        (
            "antivirus.outbreak_updates", where,
            [*updates(days), event("outbreak.declared", at(15), outbreak_id="o"),
             event("outbreak.ended", at(16), outbreak_id="o")], verdict,
        )
        for where, days, verdict in (("inside", (13, 19), "met"), ("beyond", (13,), "breached"))
    ),
    ("antivirus.unscanned", "inside", scan(verdict="error", policy="off"), "met"),
    ("antivirus.unscanned", "beyond", scan(verdict="error"), "breached"),
    ("antivirus.policy_mismatch", "inside", detect("tagged"), "met"),
    ("antivirus.policy_mismatch", "beyond", detect("cleaned"), "breached"),
    ("backup.incremental", "inside", backups(()), "met"),
    ("backup.incremental", "beyond", backups((9,)), "breached"),
    ("backup.full", "inside", backups((9, 10)), "met"),
    ("backup.full", "beyond", backups((9, 10, 11)), "breached"),
    *(
        ("backup.retention", where, deleted(
            "backup.deleted", {"completed_at": at(10, 5, month=9)}, at(11) + shift, backup_id="b"
        ), verdict)
        for where, shift, verdict in (("inside", JUST * 0, "met"), ("beyond", -JUST, "breached"))
    ),
    *(
        ("backup.account_retention", where, deleted(
            "account.purged", {"locked_at": at(10, 5, month=7)}, at(9) + shift, account="u@a.cn"
        ), verdict)
        for where, shift, verdict in (("inside", JUST * 0, "met"), ("beyond", -JUST, "breached"))
    ),
    *(
        (f"provisioning.{kind}_domain", where, order(kind, hours, shift), verdict)
        for kind, hours in (("own", 24), ("new", 48))
        for where, shift, verdict in (
            ("inside", -JUST, "met"), ("at", JUST * 0, "met"), ("beyond", JUST, "breached"),
        )
    ),
    ("support.availability", "at", [event("channel.up", at(1), channel="web")], "met"),
    (
        "support.availability", "beyond",
        [event("channel.up", at(1), channel="web"), event("channel.down", NOON, channel="web"),
         event("channel.up", NOON + JUST, channel="web")], "breached",
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def judged(schema):
    """All cases at once, each a tenant of its own."""
    forget(schema)
    events = [
        given | {"tenant_id": f"case-{number}"}
        for number, (_, _, history, _) in enumerate(CASES)
        for given in history
    ]
    contracts = [
        contract().model_copy(update={"tenant_id": f"case-{number}"})
        for number in range(len(CASES))
    ]
    return findings(close(schema, events, now=CUTOFF, contracts=contracts))


@pytest.mark.parametrize(
    ("number", "indicator", "verdict"),
    [
        pytest.param(number, name, verdict, id=f"{name} {where} target is {verdict}")
        for number, (name, where, _, verdict) in enumerate(CASES)
    ],
)
def test_verdict(judged, number, indicator, verdict):
    assert judged[f"case-{number}", indicator][3] == verdict


@pytest.mark.parametrize(("wrong", "verdict"), [(2, "met"), (3, "met"), (4, "breached")])
def test_billing_error_rate_of_the_whole_platform(client, wrong, verdict):
    relaxed = contract(overrides={"operations.billing_error_rate": {"target": "0.3"}})
    events = billed(wrong, customers=10)
    found = findings(close(client, events, now=CUTOFF, contracts=[relaxed]))
    assert found[TENANT, "operations.billing_error_rate"][3] == verdict


def test_a_blank_section_is_judged_once_a_contract_sets_a_target(client):
    events = [event("security.incident", NOON, incident_id="n")]
    judged = contract(overrides={"security.incidents": {"target": 0, "remedy": "fee_waiver"}})
    found = findings(close(client, events, now=CUTOFF, contracts=[judged]))
    assert found[TENANT, "security.incidents"][3] == "breached"


def test_every_judged_indicator_has_its_cases():
    named = {name for name, *_ in CASES} | {"operations.billing_error_rate"}
    assert named == {name for name, indicator in INDICATORS.items() if indicator.judged}
