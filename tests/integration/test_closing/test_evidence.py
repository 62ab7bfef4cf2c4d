"""The rows behind each figure add up to it: every indicator of random months, by other SQL."""

import os
from datetime import date, timedelta

import pytest

from mailsla.schemas.indicators import INDICATORS
from mailsla.sinks.closing.errors import ClosingError
from mailsla.sinks.closing.explain.explain import ROWS_SHOWN, explain
from mailsla.sinks.closing.explain.formulas import FORMULAS, evidence_of
from mailsla.sinks.closing.plan.contract_segments import micros
from mailsla.sinks.closing.views import evidence
from tests.integration.test_closing.conftest import forget
from tests.integration.test_closing.drilldown import unexplained
from tests.integration.test_closing.ledger import close, close_history
from tests.reference.scenario import CUTOFF, TENANT, at, contract, excluded, probes, sent
from tests.reference.strategies import seeded_month

pytestmark = pytest.mark.embedded

SEEDS = int(os.environ.get("MAILSLA_TEST_EXAMPLES", "2"))
OCTOBER = date(2025, 10, 1)
NOON = at(10, 12)


@pytest.mark.parametrize("seed", range(100, 100 + SEEDS))
def test_the_rows_of_random_months_add_up_to_their_figures(schema, seed):
    forget(schema)
    history = seeded_month(seed)
    for closing in close_history(schema, history, dry_run=True):
        assert unexplained(schema, closing, history.first_day, micros(history.cutoff)) == {}


def test_a_figure_is_explained_step_by_step_before_and_after_the_closing(client):
    events = [
        *probes(NOON, 3600, ok=False),
        excluded(NOON, 600, code="carrier"),
        *(sent(at(11), 10 + n, f"m{n}") for n in range(ROWS_SHOWN + 5)),
    ]
    strict = contract(version=7, overrides={"connectivity.downtime": {"target": 60}})
    close(client, events, now=CUTOFF, contracts=[strict])
    downtime = explain(client, TENANT, "connectivity.downtime", OCTOBER)
    assert downtime.agrees
    assert (downtime.item.contract_version, downtime.item.verdict) == (7, "breached")
    assert downtime.value == 3000
    assert downtime.outcome.arithmetic == "Σ 3600 s - excluded 600 s"
    (row,) = downtime.rows
    assert (row.since, row.until) == (NOON, NOON + timedelta(hours=1))
    assert (row.amount, row.excused) == (3_600_000_000, 600_000_000)
    assert downtime.exclusions == ((NOON, NOON + timedelta(minutes=10)),)
    mean = explain(client, TENANT, "latency.send.mean", OCTOBER, revision=1)
    assert (mean.agrees, mean.sums.rows, len(mean.rows)) == (True, ROWS_SHOWN + 5, ROWS_SHOWN)
    assert mean.rows[0].item == f"s m{ROWS_SHOWN + 4} to r@example.org"
    with pytest.raises(ClosingError, match="acme has no revision 2 of 2025-10"):
        explain(client, TENANT, "latency.send.mean", OCTOBER, revision=2)
    client.command("TRUNCATE TABLE closing_log")
    running = explain(client, TENANT, "connectivity.downtime", OCTOBER)
    assert running.revision is None
    assert running.agrees
    assert running.item.contract_version == 0, "no contract document has landed"
    silent = explain(client, TENANT, "security.incidents", OCTOBER)
    assert (silent.value, silent.item.verdict, silent.agrees) == (None, "not_judged", True)


def test_every_indicator_has_its_formula_and_its_rows():
    assert FORMULAS.keys() == INDICATORS.keys()
    assert {evidence_of(name) for name in INDICATORS} == set(evidence())
