"""The recipe of docs/adding.md for a new indicator, followed with one that is gone afterwards.

``support.tickets_open``: tickets opened in the month and never answered.
"""

import json
import shutil
from datetime import timedelta
from decimal import Decimal
from random import Random

import pytest

from mailsla.schemas.facts.fact import Fact
from mailsla.schemas.facts.support import TicketAnsweredFact, TicketOpenedFact
from mailsla.schemas.indicators import INDICATORS, Indicator
from mailsla.sinks.closing import views
from mailsla.sinks.closing.plan.contract_segments import micros
from mailsla.sinks.schema import install_schema
from mailsla.streams.clauses import registry
from mailsla.streams.clauses.facts.base import Facts
from mailsla.streams.clauses.model.measure import Measure, View, count_measure
from mailsla.streams.clauses.registry import Clause, Context
from tests.integration.landing_server import ClickHouseProcess
from tests.integration.test_closing.ledger import close, findings
from tests.live_run import LiveRun, contract_record
from tests.reference.log import TOPIC_OF
from tests.reference.scenario import CUTOFF, MONTH, at, contract, event

pytestmark = pytest.mark.embedded

TOY = "support.tickets_open"

# 1. The line in schemas/indicators.py.
PROMISE = Indicator(TOY, 9, "count", "=", Decimal(0), True, "tickets never answered")


# 2. The module in streams/clauses/sections.
class TicketFacts(Facts):
    """Tickets of one tenant."""

    topic = "mail.support"

    def __init__(self) -> None:
        super().__init__()
        self.opened: dict[str, tuple[int, str]] = {}
        self.answered: set[str] = set()

    def _take(self, fact: Fact) -> None:
        match fact:
            case TicketOpenedFact(ticket_id=ticket):
                opening = (fact.time, fact.reference)
                self.opened[ticket] = min(opening, self.opened.get(ticket, opening))
            case TicketAnsweredFact():
                self.answered.add(fact.ticket_id)

    def _drop(self, horizon_us: int) -> None:
        self.opened = {name: one for name, one in self.opened.items() if one[0] >= horizon_us}
        self.answered &= self.opened.keys()


def measure(context: Context, view: View) -> list[Measure]:
    own, platform = context.own.facts(TicketFacts), context.platform.facts(TicketFacts)
    unanswered = sorted(
        opening
        for ticket, opening in own.opened.items()
        if view.start_us <= opening[0] < view.end_us and ticket not in own.answered
    )
    evidence = [label for _, label in unanswered]
    spoken = view.spoken(own, platform)
    return [count_measure(TOY, len(unanswered), spoken, evidence=evidence, trend="moves")]


# 3. Its line in streams/clauses/registry.py.
CLAUSE = Clause(9, (TOY,), measure, facts=(TicketFacts,))

# 4. The file sinks/closing/sql/sections/section_9_tickets.sql.
SQL = """
WITH
  tickets AS (
    SELECT toString(tenant_id) AS tenant_id, ticket_id,
      minIf(toUnixTimestamp64Micro(time), type = 'ticket.opened') AS opened_us,
      countIf(type = 'ticket.answered') > 0 AS answered
    FROM support_events FINAL
    WHERE type IN ('ticket.opened', 'ticket.answered')
      AND toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
    GROUP BY tenant_id, ticket_id
    HAVING countIf(type = 'ticket.opened') > 0
  ),
  violations AS (
    SELECT p.tenant_id AS tenant_id, countIf(NOT answered) AS violations
    FROM closing_periods(month = {month:Date}, plan = {plan:UInt64}) AS p
    INNER JOIN tickets AS t ON p.scope = t.tenant_id
    WHERE t.opened_us >= p.start_us AND t.opened_us < p.end_us
    GROUP BY tenant_id
  )
SELECT
  s.tenant_id AS tenant_id,
  'support.tickets_open' AS indicator,
  toInt256(v.violations) AS num,
  toInt256(1) AS den,
  num AS raw_num,
  toInt256(1) AS raw_den,
  toInt256(0) AS excluded_num,
  toInt256(1) AS excluded_den,
  toUInt64(v.violations) AS evidence_count,
  true AS has_data,
  false AS settled
FROM closing_spoken(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}) AS s
LEFT JOIN violations AS v ON s.tenant_id = v.tenant_id
WHERE s.topic = 'mail.support'
"""


@pytest.fixture(autouse=True)
def recipe(monkeypatch, tmp_path):
    """The four steps, undone after the test."""
    monkeypatch.setitem(INDICATORS, TOY, PROMISE)
    monkeypatch.setattr(registry, "CLAUSES", (*registry.CLAUSES, CLAUSE))
    folder = tmp_path / "sql"
    shutil.copytree(str(views.SQL), folder)
    (folder / "sections/section_9_tickets.sql").write_text(SQL)
    monkeypatch.setattr(views, "SQL", folder)


@pytest.fixture
def client(recipe, tmp_path):
    process = ClickHouseProcess(tmp_path / "clickhouse")
    process.start()
    connection = process.connect()
    install_schema(connection)
    yield connection
    connection.close()
    process.stop()


def history(seed):
    """Events of one tenant, and how many tickets of the month stay open (None: silence)."""
    rng, tenant = Random(seed), f"tenant-{seed}"
    tickets = range(rng.choice((0, 1, 4)))
    events, unanswered = [], 0
    for number in tickets:
        opened = rng.choice((at(1) - timedelta(microseconds=1), at(1), at(9, 9), at(31, 23)))
        ticket = {"ticket_id": f"t{number}", "channel": "web", "tenant_id": tenant}
        told = [event("ticket.opened", opened, **ticket)]
        if rng.random() < 0.5:
            told.append(event("ticket.answered", opened + timedelta(hours=2), **ticket))
        unanswered += len(told) == 1 and opened >= at(1)
        events += told * rng.choice((1, 2))
    rng.shuffle(events)
    mail = event("message.accepted", at(5), accepted_at=at(5), tenant_id=tenant)
    return [mail, *events], unanswered if tickets else None


HISTORIES = {f"tenant-{seed}": history(seed) for seed in range(40)}
EVENTS = [each for events, _ in HISTORIES.values() for each in events]
EXPECTED = {tenant: expected for tenant, (_, expected) in HISTORIES.items()}
CONTRACTS = [contract(tenant_id=tenant) for tenant in HISTORIES]
VERDICT = {None: "no_data", 0: "met"}


def wire(given):
    return TOPIC_OF[given["type"]], given["tenant_id"].encode(), json.dumps(given).encode()


def test_the_live_worker_tells_its_state():
    run = LiveRun()
    run.feed([contract_record(each) for each in CONTRACTS])
    run.feed([wire(each) for each in EVENTS])
    run.pass_time(1)
    run.reach(micros(CUTOFF))
    # Of an indicator without data nothing is said.
    spoken = {tenant: open_ for tenant, open_ in EXPECTED.items() if open_ is not None}
    told = {key[0]: status for key, status in run.status.items() if key[1:] == (TOY, MONTH)}
    assert {tenant: status.observed for tenant, status in told.items()} == spoken
    assert {tenant: status.state for tenant, status in told.items()} == {
        tenant: "breached" if open_ else "ok" for tenant, open_ in spoken.items()
    }


def test_the_closing_judges_it_and_the_views_show_it(client):
    closed = findings(close(client, EVENTS, now=CUTOFF, contracts=CONTRACTS))
    expected = {
        tenant: (open_, VERDICT.get(open_, "breached")) for tenant, open_ in EXPECTED.items()
    }
    assert {tenant: closed[tenant, TOY][::3] for tenant in HISTORIES} == expected
    shown = client.query(
        "SELECT tenant_id, observed, verdict FROM clause_results(month = '2025-10-01') "
        f"WHERE indicator = '{TOY}'"
    ).result_rows
    assert {tenant: (observed, verdict) for tenant, observed, verdict in shown} == expected
    assert set(expected.values()) > {(None, "no_data"), (0, "met"), (1, "breached")}
