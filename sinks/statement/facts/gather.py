"""Reads what statements tell, for many tenants at a time: one query for each kind of fact."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any, Final

from mailsla.schemas.contract import Contract
from mailsla.schemas.presentation.decimals import exact
from mailsla.schemas.results import ClosingItem, Credit
from mailsla.sinks.clickhouse import Client
from mailsla.sinks.closing.errors import Failed, log_failure
from mailsla.sinks.closing.plan.calendars import calendars_of
from mailsla.sinks.closing.plan.contract_segments import SegmentPeriod, micros
from mailsla.sinks.closing.plan.plan import make_plan
from mailsla.sinks.closing.plan.plan_store import scratch_plan
from mailsla.sinks.statement.facts import spans
from mailsla.sinks.statement.facts.content import (
    SHOWN,
    DayLatency,
    Exclusion,
    Proof,
    Statement,
    StatementIncident,
    StatementRevision,
    Voided,
)
from mailsla.sinks.statement.facts.frame import contracts_of, spans_of_month
from mailsla.sinks.statement.facts.maintenance import maintenance_of
from mailsla.sinks.statement.facts.parts import read_parts
from mailsla.sinks.statement.facts.proofs import incident_proofs, outage_proof, proof_of
from mailsla.sinks.statement.facts.queries import SETTINGS, query_text

_EVIDENCE: Final = (
    "messages", "cases", "scans", "weeks", "backups", "support", "pages", "monitoring", "records",
)  # fmt: skip
_SLOW: Final = {
    "latency.send.mean", "latency.receive.mean",
    "operations.page_load.narrowband", "operations.page_load.broadband",
    "operations.monitoring", "antivirus.scan_delay",
}  # fmt: skip
"""Made of samples throughout the month: the worst are looked up only where they are breached."""
_ANY_VOIDED: Final = "SELECT count() FROM closing_voided(cutoff = {cutoff:Int64})"

Row = dict[str, Any]


def closed_revisions(
    client: Client, month: date, tenants: Sequence[str] = (), revision: int = 0
) -> list[StatementRevision]:
    """The revisions statements are made from, in order of tenant_id.

    Args:
        client: may read.
        month: first day of the month.
        tenants: only these; all that are closed by default.
        revision: this number of each; 0: the newest.

    """
    parameters = {"month": month, "tenants": list(tenants), "revision": revision}
    rows = client.query(query_text("revisions"), parameters=parameters).named_results()
    return [
        StatementRevision(**_without(row, "status"), superseded=row["status"] == "superseded")
        for row in rows
    ]


def gather(
    client: Client,
    month: date,
    revisions: Iterable[StatementRevision],
    failed: Failed = log_failure,
) -> list[Statement]:
    """The statements of some revisions of one month, in order of cutoff and tenant_id.

    Args:
        client: may also insert into and delete from the tables of plans.
        month: first day of the month.
        revisions: whose statements.
        failed: is told of every tenant of whom no statement can be made.

    """
    statements: list[Statement] = []
    by_run = attrgetter("cutoff", "run", "tenant_id")
    for _, group in groupby(sorted(revisions, key=by_run), key=attrgetter("cutoff", "run")):
        statements += _gather(client, month, list(group), failed)
    return statements


@dataclass(frozen=True)
class _Reader:
    """Asks the queries of one plan and cutoff; rows by tenant."""

    client: Client
    parameters: Mapping[str, Any]

    def rows(self, name: str) -> list[Row]:
        result = self.client.query(
            query_text(name), parameters=dict(self.parameters), settings=dict(SETTINGS)
        )
        return list(result.named_results())

    def any_voided(self) -> bool:
        """Whether any event at all was taken out by the cutoff."""
        parameters = {"cutoff": self.parameters["cutoff"]}
        return bool(self.client.query(_ANY_VOIDED, parameters=parameters).result_rows[0][0])

    def by_tenant(self, name: str) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = {}
        for row in self.rows(name):
            found.setdefault(row["tenant_id"], []).append(row)
        return found


def _gather(
    client: Client, month: date, run: Sequence[StatementRevision], failed: Failed
) -> Iterator[Statement]:
    """The statements of revisions of one run."""
    versions = contracts_of(client, run)
    made = make_plan(month, versions, versions, calendars_of(client, run[0].run))
    for failure in made.failures:
        failed(failure)
    revisions = [revision for revision in run if revision.tenant_id in made.periods]
    if not revisions:
        return
    parameters = {
        "month": month,
        "cutoff": micros(revisions[0].cutoff),
        "tenants": [revision.tenant_id for revision in revisions],
        "revisions": [revision.revision for revision in revisions],
        "shown": SHOWN,
    }
    with scratch_plan(client, made) as plan:
        periods = plan.plan.periods
        parameters["plan"] = plan.number
        parameters["year_us"] = min(_year_us(period) for period in periods.values())
        items = _Reader(client, parameters).by_tenant("items")
        parameters["slow"] = [
            tenant
            for tenant, own in items.items()
            if any(row["verdict"] == "breached" and row["indicator"] in _SLOW for row in own)
        ]
        facts = _facts(_Reader(client, parameters))
    for revision in revisions:
        tenant = revision.tenant_id
        own = {kind: rows.get(tenant, []) for kind, rows in facts.items()}
        own["items"] = items.get(tenant, [])
        yield _statement(revision, periods[tenant], versions[tenant], own)


def _year_us(period: SegmentPeriod) -> int:
    new_year = datetime(period.month.year, 1, 1, tzinfo=period.contract.zone)
    return micros(new_year)


def _facts(reader: _Reader) -> dict[str, dict[str, list[Row]]]:
    """Kind of fact → tenant_id → rows."""
    names = (
        "credits", "daily_latency", "stretches", "excused", "exclusions", "incidents",
        *(f"evidence/{name}" for name in _EVIDENCE),
    )  # fmt: skip
    facts = {name: reader.by_tenant(name) for name in names}
    # Rare, and looked for among the facts of every topic.
    return facts | {"voided": reader.by_tenant("voided") if reader.any_voided() else {}}


def _statement(
    revision: StatementRevision,
    period: SegmentPeriod,
    versions: Sequence[Contract],
    own: Mapping[str, list[Row]],
) -> Statement:
    zone = period.contract.zone
    until = min(period.end_us, micros(revision.cutoff))
    excused = {
        row["section"]: tuple((start, end) for start, end in row["spans"]) for row in own["excused"]
    }
    stretches = own["stretches"][0]["stretches"] if own["stretches"] else []
    down = spans.union((start, end) for start, end, is_down, _ in stretches if is_down)
    known = spans.union((start, end) for start, end, _, is_known in stretches if is_known)
    exclusions = [Exclusion(**_without(row, "tenant_id")) for row in own["exclusions"]]
    incidents = [StatementIncident(**_without(row, "tenant_id")) for row in own["incidents"]]
    faults = spans.union(
        span
        for one in incidents
        if one.kind == "fault"
        for span in spans.clip([(one.opened_us, one.closed_us or until)], _year_us(period), until)
    )
    spoiled = spans.subtract(faults, excused.get(3, ()))
    days = sorted({day for day in spans.days_touched(spoiled, zone) if _is_served(period, day)})
    return Statement(
        month=period.month,
        revision=revision,
        period=period,
        contracts=spans_of_month(period, versions),
        items=[_item(row, period) for row in own["items"]],
        parts={
            row["indicator"]: read_parts(row["parts"]) for row in own["items"] if row.get("parts")
        },
        credits=[_credit(row, revision, period) for row in own["credits"]],
        latency=_daily(own["daily_latency"]),
        down=down,
        unobserved=spans.subtract([(period.start_us, max(period.start_us, until))], known),
        excused=excused,
        exclusions=[one for one in exclusions if one.ends_us > period.start_us],
        maintenance=maintenance_of(exclusions, period),
        incidents=incidents,
        faulty_days=days,
        voided=[Voided(**_without(row, "tenant_id")) for row in own["voided"]],
        proofs=_proofs(own, down, excused.get(1, ()), incidents, (period.start_us, until)),
    )


def _is_served(period: SegmentPeriod, day: date) -> bool:
    return any(first <= day < last for first, last in period.served)


def _item(row: Row, period: SegmentPeriod) -> ClosingItem:
    fields = {name: row[name] for name in ClosingItem.model_fields if name in row}
    fields |= {
        "month": f"{period.month:%Y-%m}",
        "target": None if row["target"] is None else exact(row["target"]),
    }
    return ClosingItem.model_construct(**fields)


def _credit(row: Row, revision: StatementRevision, period: SegmentPeriod) -> Credit:
    return Credit(
        tenant_id=revision.tenant_id,
        month=f"{period.month:%Y-%m}",
        revision=revision.revision,
        remedy=row["remedy"],
        days=row["days"],
        amount=row["amount"],
        currency=row["currency"] or None,
        kind=row["kind"],
    )


def _daily(rows: Sequence[Row]) -> dict[str, list[DayLatency]]:
    return {
        direction: [DayLatency(**_without(row, "tenant_id", "direction")) for row in group]
        for direction, group in groupby(rows, key=itemgetter("direction"))
    }


def _proofs(
    own: Mapping[str, list[Row]],
    down: Sequence[spans.Span],
    excused: Sequence[spans.Span],
    incidents: Sequence[StatementIncident],
    month: spans.Span,
) -> dict[str, Proof]:
    proofs: dict[str, Proof] = {}
    for name in _EVIDENCE:
        ordered = sorted(own[f"evidence/{name}"], key=itemgetter("indicator"))
        for indicator, group in groupby(ordered, key=itemgetter("indicator")):
            proofs[indicator] = proof_of(list(group))
    breached = {row["indicator"] for row in own["items"] if row["verdict"] == "breached"}
    for indicator in _SLOW - breached:
        proofs.pop(indicator, None)
    if down:
        proofs["connectivity.downtime"] = outage_proof(down, excused)
    return proofs | incident_proofs(incidents, month)


def _without(row: Row, *names: str) -> Row:
    return {name: value for name, value in row.items() if name not in names}
