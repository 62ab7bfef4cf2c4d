"""The closing of months in which the contract changes: as the reference, part by part."""

from random import Random

import orjson
import pytest

from mailsla.schemas.indicators import INDICATORS
from mailsla.sinks.closing.plan.contract_segments import micros
from mailsla.sinks.closing.run.audit import Value, compare
from mailsla.sinks.closing.run.close_month import close_month
from tests.integration.test_closing.conftest import forget
from tests.integration.test_closing.ledger import judgements, land
from tests.live_run import live_through
from tests.reference.judge import judge
from tests.reference.part_cases import CASES
from tests.reference.scenario import CUTOFF, MONTH
from tests.reference.strategies import History

pytestmark = pytest.mark.embedded

TENANTS = [f"case-{number}" for number in range(len(CASES))]
EVENTS = [
    each | {"tenant_id": tenant, "source": tenant}
    for tenant, case in zip(TENANTS, CASES, strict=True)
    for each in case.events
]
CONTRACTS = [
    each.model_copy(update={"tenant_id": tenant})
    for tenant, case in zip(TENANTS, CASES, strict=True)
    for each in case.contracts
]
DAY = CASES[0].history.first_day
CHANGED = "SELECT tenant_id, indicator, parts FROM {} WHERE parts != '[]' ORDER BY ALL"


@pytest.fixture(scope="module")
def client(schema):
    forget(schema)
    return schema


@pytest.fixture(scope="module")
def closed(client):
    land(client, EVENTS, CUTOFF)
    return close_month(client, DAY, contracts=CONTRACTS, now=CUTOFF)


def rows(client, query):
    return client.query(query).result_rows


def test_every_part_is_judged_as_by_the_reference(closed):
    found = judgements(closed)
    assert found == judge(EVENTS, CONTRACTS, MONTH, CUTOFF)
    for tenant, case in zip(TENANTS, CASES, strict=True):
        judged = found[tenant, case.indicator]
        parts = tuple(part.verdict for part in judged.parts)
        assert (judged.verdict, parts) == (case.verdict, tuple(case.parts)), case.about


def test_the_parts_are_frozen_shown_and_printed(client, closed):
    shown = rows(client, CHANGED.format(f"clause_results(month = '{DAY}')"))
    assert shown == rows(client, CHANGED.format("closing_items"))
    printed = {
        (item["tenant_id"], item["indicator"]): item["parts"]
        for closing in closed
        for item in closing.model_dump(mode="json")["items"]
        if item["parts"]
    }
    texts = {(tenant, name): orjson.loads(parts) for tenant, name, parts in shown}
    assert texts.keys() == printed.keys()
    first, second = texts["case-1", "connectivity.downtime"]
    assert first == {
        "version": 1,
        "from": "2025-10-01",
        "to": "2025-10-16",
        "observed": "2640",
        "target": "2640",
        "comparator": "<",
        "verdict": "breached",
    }
    assert (second["version"], second["to"], second["verdict"]) == (2, "2025-11-01", "met")
    assert [each["to"] for each in printed["case-1", "connectivity.downtime"]] == [
        each["to"] for each in (first, second)
    ]


def test_the_audit_finds_live_and_closed_parts_alike(closed):
    history = History(MONTH, tuple(TENANTS), tuple(CONTRACTS), CUTOFF, tuple(EVENTS))
    told = live_through(history, Random(1)).status
    live = {
        (tenant, indicator): Value(status.observed, status.state in {"breached", "failing"})
        for (tenant, indicator, month), status in told.items()
        if month == MONTH
    }
    audit = compare(closed, live)
    assert audit.differences == ()
    assert (audit.tenants, audit.compared) == (len(CASES), len(CASES) * len(INDICATORS))


def test_closing_a_changed_month_again_makes_no_revision(client, closed):
    assert close_month(client, DAY, contracts=CONTRACTS, now=CUTOFF) == closed
    assert {closing.revision for closing in closed} == {1}


def test_parts_are_no_tenants(client, closed):
    assert [closing.tenant_id for closing in closed] == sorted(TENANTS)
    # The summary reads clause_results.
    views = ("downtime_month", "latency_month", "faults_month", "cases_month", "exceedances",
             "tenant_month_summary")  # fmt: skip
    for view in views:
        seen = rows(client, f"SELECT DISTINCT tenant_id FROM {view}(month = '{DAY}')")
        assert {tenant for (tenant,) in seen} <= set(TENANTS), view
    (twice,) = rows(
        client, f"SELECT count() - uniqExact(tenant_id) FROM downtime_month(month = '{DAY}')"
    )
    assert twice == (0,)


def test_a_running_month_is_judged_as_it_will_be_closed(client, closed):
    (plan,) = client.query("SELECT max(plan) FROM plans").result_rows[0]
    moment = {"month": DAY, "plan": plan, "cutoff": micros(CUTOFF)}
    running = client.query(
        "SELECT tenant_id, indicator, observed, verdict, remedy, evidence_count, parts "
        "FROM closing_current(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}) "
        "ORDER BY tenant_id, indicator",
        parameters=moment,
    ).result_rows
    assert running == rows(
        client,
        "SELECT tenant_id, indicator, observed, verdict, remedy, evidence_count, parts "
        "FROM closing_items ORDER BY tenant_id, indicator",
    )
