"""The SQL of docs/analysts.md, asked of a simulated month whose truth is known."""

import re
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from mailsla.schemas.indicators import INDICATORS
from mailsla.sinks.clickhouse import connect_reader
from mailsla.sinks.closing.plan.contract_segments import micros
from mailsla.sinks.closing.run.close_month import close_month
from mailsla.sinks.closing.views import evidence
from mailsla.streams.simulate.plan import plan
from mailsla.streams.simulate.record import Draft
from mailsla.streams.simulate.stories import OUTAGE_DAY, OUTAGE_HOUR, OUTAGE_S
from tests.integration.simulated_month import SimulatedMonth, contracts_with_fee
from tests.integration.test_closing.drilldown import unexplained

pytestmark = pytest.mark.embedded

OCTOBER = date(2025, 10, 1)
PLAN = plan(1, 28, "2025-10", 3000)
EXCUSED = "tenant-002"
"""Its outage is excused only after the month was closed."""
CUT_OFF = {"connectivity.downtime", "connectivity.ratio"}
QUESTIONS = Path(__file__).resolve().parents[2] / "docs/analysts.md"
QUESTION = re.compile(
    r"^\*\*(\d+)\. [^\n]+(?:\n[^\n]+)*\n\n```sql\n(.*?)```", re.MULTILINE | re.DOTALL
)


def questions():
    """number → SQL, as it stands there."""
    section = QUESTIONS.read_text()
    found = QUESTION.findall(section)
    assert section.count("```sql") == len(found), "a block of SQL has no numbered question"
    return {int(number): sql for number, sql in found}


@pytest.fixture(scope="module")
def closed(server):
    """The last revisions of a month that was closed twice, and a client that may do anything."""
    client = server.connect()
    month = SimulatedMonth(server)
    month.live_through(PLAN, contracts_with_fee(PLAN, "1200.00"))
    month.land()
    closings = {closing.tenant_id: closing for closing in close_month(client, OCTOBER)}
    month.publish([excuse()])
    month.land()
    (revised,) = close_month(client, OCTOBER, tenants=[EXCUSED])
    yield client, closings | {EXCUSED: revised}
    client.close()


@pytest.fixture(scope="module")
def ask(server, closed):
    """Asks a question of the document as ``analyst``."""
    analyst = connect_reader(server.settings(user="analyst"))
    texts = questions()

    def answer(number):
        return list(analyst.query(texts[number]).named_results())

    yield answer
    analyst.close()


def excuse():
    starts = PLAN.span.at(OUTAGE_DAY, OUTAGE_HOUR)
    fields = {
        "exclusion_id": "found out later",
        "code": "carrier",
        "starts_at": starts,
        "ends_at": starts + OUTAGE_S * 1_000_000,
    }
    draft = Draft("exclusion.declared", EXCUSED, PLAN.span.at(31, 23), fields)
    record = draft.written("later")
    return record.topic, record.key, record.value


def truth(story):
    return next(each for each in PLAN.truth.tenants.values() if each.story == story)


def breached():
    """(tenant, indicator) of everything breached by the last revision."""
    return {
        (tenant, indicator)
        for tenant, each in PLAN.truth.tenants.items()
        for indicator in each.breached
    } - {(EXCUSED, indicator) for indicator in CUT_OFF}


def test_who_broke_which_promise(ask):
    assert {(row["tenant_id"], row["indicator"]) for row in ask(1)} == breached()


def test_closed_months_are_read_without_computing_them_anew(closed):
    client, closings = closed
    columns = "tenant_id, section, indicator"
    of_closed = f"SELECT * FROM closed_results(month = '{OCTOBER}') ORDER BY {columns}"
    of_all = f"SELECT * FROM clause_results(month = '{OCTOBER}') ORDER BY {columns}"
    frozen = client.query(of_closed)
    assert {row["tenant_id"] for row in frozen.named_results()} == set(closings)
    asked = client.query(of_all)
    assert (frozen.column_names, frozen.result_rows) == (asked.column_names, asked.result_rows)
    for query in (of_closed, of_all):
        plan = "\n".join(line for (line,) in client.query(f"EXPLAIN {query}").result_rows)
        read = set(re.findall(r"\(\w+\.(\w+)\)", plan))
        assert read and read <= {"closing_item_log", "closing_log"}, plan


def test_the_columns_are_the_same_whether_a_month_is_closed_computed_or_unknown(closed):
    client, _ = closed
    views = (f"clause_results(month = '{OCTOBER}')", "clause_results(month = '2024-10-01')")
    computed, *others = (
        client.query(f"DESCRIBE {view}").result_rows for view in ("closing_open_2025_10", *views)
    )
    assert [*others] == [computed, computed]


def test_what_is_owed(ask):
    remedies = {
        (tenant, INDICATORS[indicator].remedy)
        for tenant, indicator in breached()
        if INDICATORS[indicator].remedy != "none"
    }
    owed = {
        (row["tenant_id"], row["remedy"]): (row["days_owed"], row["amount_owed"], row["currency"])
        for row in ask(2)
    }
    assert owed.keys() == remedies
    assert {owed[key] for key in owed if key[1] == "double_service"} == {(31, None, None)}
    assert {owed[key] for key in owed if key[1] == "fee_waiver"} == {(None, Decimal(1200), "CNY")}


def test_the_messages_over_an_hour(ask):
    assert [row["latency_s"] for row in ask(3)] == [9000.5, 4000.0, 3700.0]
    assert not any(row["left_out"] for row in ask(3))


def test_the_latency_of_every_day(ask):
    slow, days = truth("slow"), ask(4)
    assert slow.tenant_id in questions()[4]
    assert {row["day"].month for row in days} == {10}
    for direction, count, mean_s in (
        ("outbound", slow.sent, slow.send_mean_s),
        ("inbound", slow.received, slow.receive_mean_s),
    ):
        own = [row for row in days if row["direction"] == direction]
        assert sum(row["messages"] for row in own) == count
        total = sum(row["mean_s"] * row["messages"] for row in own)
        assert total / count == pytest.approx(mean_s)
        assert all(row["mean_s"] <= row["max_s"] for row in own)


def test_downtime_and_what_is_excused_of_it(ask):
    cut_off = truth("outage, half of it the carrier's")
    assert cut_off.tenant_id in questions()[5]
    (found,) = ask(5)
    net_s = cut_off.outage_s - cut_off.excused_s
    assert (found["down_s"], found["excluded_s"], found["net_down_s"], found["outages"]) == (
        cut_off.outage_s,
        cut_off.excused_s,
        net_s,
        2,
    )
    month_s = PLAN.span.days * 86_400
    assert found["connected"] == pytest.approx(1 - net_s / month_s)


def test_the_days_of_the_year_that_had_a_fault(ask):
    faulty = truth("fault").tenant_id
    assert [(row["day"], row["tenant_id"]) for row in ask(6)] == [
        (date(2025, 10, 4), "*"),
        (date(2025, 10, 13), faulty),
    ]
    for row in ask(6):
        assert row["since"] < row["until"]
        assert row["since"].utcoffset() == row["until"].utcoffset() == timedelta(hours=8)


def test_fault_time_and_spoiled_days(ask):
    found = {row["tenant_id"]: row for row in ask(7)}
    for tenant, each in PLAN.truth.tenants.items():
        row = found[tenant]
        assert (row["net_fault_s"], row["adjustment_s"]) == (each.fault_s, each.adjustment_s)
        assert row["faulty_days_of_year"] == (2 if each.story == "fault" else 1)


def test_late_cases_and_orders(ask):
    late = {name for name in INDICATORS if INDICATORS[name].section in {4, 8}}
    rows = ask(8)
    assert {(row["tenant_id"], row["indicator"]) for row in rows} == {
        (tenant, indicator) for tenant, indicator in breached() if indicator in late
    }
    assert all(row["hours_late"] > 0 for row in rows)


def test_what_a_later_closing_changed(ask):
    changes = {row["indicator"]: row for row in ask(9)}
    assert changes.keys() == CUT_OFF
    for row in changes.values():
        assert (row["tenant_id"], row["revision"]) == (EXCUSED, 2)
        assert (row["verdict_before"], row["verdict_now"]) == ("breached", "met")
    downtime = changes["connectivity.downtime"]
    assert downtime["observed_before"] - downtime["observed_now"] == OUTAGE_S


def test_what_is_not_in_order_now(ask):
    """Nothing came in November, so that backups are missing."""
    missing = {row["tenant_id"] for row in ask(10) if row["indicator"] == "backup.incremental"}
    assert missing == set(PLAN.tenants)
    assert {row["period"] for row in ask(10)} == {"2025-11"}


def test_the_history_of_a_promise(ask):
    assert EXCUSED in questions()[11]
    history = [
        row
        for row in ask(11)
        if row["indicator"] == "connectivity.downtime" and row["type"] != "sla.budget.burn"
    ]
    assert [row["type"] for row in history] == [
        "sla.indicator.at_risk",
        "sla.indicator.breached",
        "sla.indicator.withdrawn",
    ]
    begun = PLAN.span.at(OUTAGE_DAY, OUTAGE_HOUR) // 1_000_000
    broken = history[1]["event_time"].timestamp() - begun
    assert 0 < broken < timedelta(days=2).total_seconds()


def test_the_rolling_percentile(ask):
    windows = ask(12)
    with_mail = [row for row in windows if row["count"]]
    assert {row["direction"] for row in with_mail} == {"outbound", "inbound"}
    assert len({row["window_end"] for row in with_mail}) > 10
    slow_s = 65.0
    assert all(slow_s * 0.98 < row["p95_s"] <= row["max_s"] * 1.02 for row in with_mail)
    emptied = [row for row in windows if not row["count"]]
    assert all(row["p95_s"] is row["max_s"] is None for row in emptied)


def test_what_was_refused(ask):
    refused = Counter()
    for row in ask(13):
        refused[row["field"]] += row["records"]
    bad = PLAN.truth.bad
    assert refused.total() == sum(bad.values())
    assert refused["recipient"] == bad["missing_field"]
    assert refused["time"] == bad["naive_time"] + bad["far_future"] + bad["before_2000"]
    assert len(ask(13)) == len(bad)


def test_the_rows_behind_a_figure(ask):
    cut_off = truth("outage, half of it the carrier's")
    assert cut_off.tenant_id in questions()[14]
    rows = ask(14)
    assert sum(row["amount"] for row in rows) == cut_off.outage_s
    assert sum(row["excused"] for row in rows) == cut_off.excused_s
    assert all((row["until"] - row["since"]).total_seconds() == row["amount"] for row in rows)


@pytest.mark.parametrize("number", (2, 3, 9, 13))
def test_the_rows_add_up_to_every_figure_of_the_closing(closed, number):
    client, closings = closed
    closing = closings[f"tenant-{number:03}"]
    query = (
        "SELECT indicator, observed FROM clause_results(month = '2025-10-01') WHERE tenant_id = "
    )
    if number == 2:
        frozen = client.query(f"{query}'{closing.tenant_id}'").result_rows
        assert dict(frozen) == {item.indicator: item.observed for item in closing.items}
    assert unexplained(client, closing, OCTOBER, micros(closing.cutoff)) == {}


def test_an_analyst_has_a_view_of_the_rows_of_every_section(server, closed):
    analyst = connect_reader(server.settings(user="analyst"))
    for name in evidence():
        rows = f"SELECT * FROM {name}(tenant = 'tenant-005', month = '2025-10-01')"
        columns = [column for column, *_ in analyst.query(f"DESCRIBE ({rows})").result_rows]
        assert columns[2:6] == ["indicator", "item", "since", "until"], name
    analyst.close()


def test_every_question_is_tested():
    source = Path(__file__).read_text()
    tested = {int(number) for number in re.findall(r"\bask\((\d+)\)", source)}
    assert questions().keys() == tested
    assert len(tested) >= 10
