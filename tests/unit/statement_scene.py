"""A statement made by hand: a month in which little is well."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

from mailsla.schemas.contract import Contract
from mailsla.schemas.indicators import INDICATORS
from mailsla.schemas.results import ClosingItem, Credit
from mailsla.sinks.closing.plan.contract_segments import SegmentSpan, micros, period_of
from mailsla.sinks.statement.facts.content import (
    DayLatency,
    Evidence,
    Exclusion,
    Proof,
    Statement,
    StatementIncident,
    StatementRevision,
)

OCTOBER = date(2025, 10, 1)
CONTRACT = Contract.model_validate(
    {
        "tenant_id": "acme",
        "version": 3,
        "name": "甲公司 <Acme & Söhne>",
        "effective_from": "2025-01-01",
        "monthly_fee": {"amount": "1200.50", "currency": "CNY"},
    }
)
OBSERVED = {
    "connectivity.downtime": ("2640", "3000.5", "360.5", "breached"),
    "connectivity.ratio": ("0.999014336", "0.998879", "0.000135", "met"),
    "latency.send.mean": ("1.25", "1.25", "0", "met"),
    "operations.fault_free_days": ("360", "360", "0", "met"),
    "antispam.complaint_response": ("1", "1", "0", "breached"),
}


def at(day, hour=0, minute=0, second=0, month=10):
    """µs of a local time of 2025."""
    return micros(datetime(2025, month, day, hour, minute, second, tzinfo=CONTRACT.zone))


def item(indicator):
    """The closing's item; what `OBSERVED` does not name has no data."""
    known = INDICATORS[indicator]
    *figures, verdict = OBSERVED.get(indicator, (None, None, None, "no_data"))
    observed, raw, excluded = (None if one is None else Decimal(one) for one in figures)
    return ClosingItem(
        tenant_id="acme",
        month="2025-10",
        section=known.section,
        indicator=indicator,
        observed=observed,
        raw=raw,
        excluded=excluded,
        unit=known.unit,
        comparator=known.comparator,
        target=known.target,
        verdict=verdict if known.judged else "not_judged",
        remedy=known.remedy,
        evidence_count=1,
        contract_version=3,
        profile="default/1",
    )


def credit(remedy, kind="issue", **owed):
    return Credit(
        tenant_id="acme", month="2025-10", revision=2, remedy=remedy, kind=kind, **owed
    )  # fmt: skip


EXCLUSION = Exclusion(
    scope="acme",
    exclusion_id="works-7",
    code="agreed_maintenance",
    starts_us=at(14, 15),
    ends_us=at(14, 15, 6),
    sections=(),
    consent_ref="letter 2025/17",
    note="",
    declared_us=at(13),
    revoked_us=0,
)
STATEMENT = Statement(
    month=OCTOBER,
    revision=StatementRevision(
        tenant_id="acme",
        revision=2,
        closed_at=datetime(2025, 11, 2, 3, tzinfo=UTC),
        cutoff=datetime(2025, 11, 2, 2, 59, 59, 123456, tzinfo=UTC),
        superseded=False,
        provisional=False,
        verdict="breached",
        contract_version=3,
        profile="default/1",
        fingerprint="0123456789abcdef0123456789abcdef",
        run="00000000-0000-0000-0000-000000000000",
    ),
    period=period_of("acme", [CONTRACT], OCTOBER),
    contracts=[SegmentSpan(CONTRACT, OCTOBER, date(2025, 11, 1))],
    items=[item(indicator) for indicator in INDICATORS],
    parts={},
    credits=[
        credit("double_service", days=31),
        credit("fee_waiver", amount=Decimal("1200.500000000"), currency="CNY"),
        credit("double_service", "reversal", days=31),
    ],
    latency={"outbound": [DayLatency(date(2025, 10, 11), 4, 5_000_000, 3_700_000_000)]},
    down=[(at(14, 15), at(14, 15, 50)), (at(20, 3), at(20, 3, 0, 1))],
    unobserved=[(at(30), at(31))],
    excused={1: [(at(14, 15), at(14, 15, 6))]},
    exclusions=[EXCLUSION],
    incidents=[StatementIncident("acme", "i1", "fault", "store", "", at(3, 23), at(4, 1))],
    faulty_days=[date(2025, 2, 3), date(2025, 10, 3), date(2025, 10, 4)],
    proofs={
        "connectivity.downtime": Proof([Evidence("", at(14, 15), at(14, 15, 50), about={})], 41),
        "antispam.complaint_response": Proof(
            [Evidence("<script>alert(1)</script>", at(12, 10), 0, at(14), {})], 1
        ),
    },
)


def changed(**fields):
    """The statement with other fields."""
    return replace(STATEMENT, **fields)


def revised(**fields):
    """The statement of another revision."""
    return changed(revision=replace(STATEMENT.revision, **fields))
