"""A tenant's pages over a simulated month, in a headless Chromium: figures equal the views."""

import json
from datetime import UTC, date, datetime

import pytest
from playwright.sync_api import expect

from mailsla.schemas.presentation.figures import microseconds
from mailsla.sinks.closing.run.close_month import close_month
from mailsla.sinks.schema import install_schema
from mailsla.sinks.statement.facts.gather import closed_revisions
from mailsla.sinks.statement.making import make_all
from tests.integration.landing_server import ClickHouseProcess
from tests.integration.test_closing.browser import headless, obstacles, opening
from tests.integration.web_site import served

pytestmark = pytest.mark.embedded

MONTH, TENANT = "2025-10", "acme"
FIRST = date(2025, 10, 1)
DESKTOP, PHONE = (1280, 800), (390, 800)
VIEWS = [(DESKTOP, "light", "en-GB"), (PHONE, "dark", "zh-CN")]
SEEDS = (
    """
    INSERT INTO probe_events
      (id, source, type, tenant_id, time, probe, channel, capability, scope, ok, interval_s)
    SELECT concat(toString(number), cap, span), 'probes', 'probe.result', 'acme',
      toDateTime64('2025-09-30 16:00:00', 6, 'UTC') + toIntervalMinute(number * 15), 'p1',
      if(cap = 'send', 'smtp', 'imap'), cap, span, NOT number BETWEEN 1000 AND 1007, 900
    FROM numbers(2900)
    ARRAY JOIN ['send', 'send', 'receive', 'receive'] AS cap,
      ['internal', 'external', 'internal', 'external'] AS span
    WHERE NOT number BETWEEN 2000 AND 2020
    """,
    """
    INSERT INTO ops_events (id, source, type, tenant_id, time, incident_id, kind) VALUES
      ('i1', 'desk', 'incident.opened', 'acme', '2025-02-10 01:00:00', 'f1', 'fault'),
      ('i2', 'desk', 'incident.closed', 'acme', '2025-02-12 03:00:00', 'f1', NULL),
      ('i3', 'desk', 'incident.opened', 'acme', '2025-10-03 02:00:00', 'f2', 'fault'),
      ('i4', 'desk', 'incident.closed', 'acme', '2025-10-03 02:30:00', 'f2', NULL)
    """,
    """
    INSERT INTO abuse_events (id, source, type, tenant_id, time, case_id, origin)
    VALUES ('a1', 'desk', 'complaint.received', 'acme', '2025-10-20 08:00:00', 'c-<1>',
      'own_domain')
    """,
    """
    INSERT INTO windows
      (tenant_id, family, direction, window, window_start, window_end, as_of, revision, count,
       mean_s, p95_s, max_s, recorded_at)
    SELECT 'acme', 'latency', way, name,
      window_end - if(name = '1h', toIntervalHour(1), toIntervalMinute(5)),
      toDateTime64('2025-10-31 16:00:00', 6, 'UTC') - toIntervalMinute(number * 5) AS window_end,
      window_end, 1, 10, 4.125 + number % 7, 20 + number % 30, 4200.5 - number % 4000, now64(6)
    FROM numbers(3000)
    ARRAY JOIN ['outbound', 'outbound', 'inbound', 'inbound'] AS way,
      ['5m', '1h', '5m', '1h'] AS name
    """,
)
EXCLUSION = """
INSERT INTO ops_events (id, source, type, tenant_id, time, exclusion_id, code, starts_at, ends_at)
VALUES ('x1', 'desk', 'exclusion.declared', 'acme', '2025-10-30 00:00:00', 'x1', 'carrier',
  '2025-10-11 00:00:00', '2025-10-11 12:00:00')
"""
CONTRACT = """
INSERT INTO contracts
  (tenant_id, version, name, effective_from, timezone, calendar, profile, document, recorded_at)
SELECT 'acme', {version:Int64}, 'Acme <&>', {day:Date32}, 'Asia/Shanghai', 'CN', 'default/1',
  {document:String}, now64(6)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    process = ClickHouseProcess(tmp_path_factory.mktemp("tenant"))
    process.start()
    yield process
    process.stop()


@pytest.fixture(scope="module")
def client(server):
    """Closed twice: two hours of downtime are excused by the second closing."""
    client = server.connect()
    install_schema(client)
    for version, day, mean in ((1, "2025-01-01", "60"), (2, "2025-10-16", "45")):
        document = {
            "tenant_id": TENANT,
            "version": version,
            "name": "Acme <&>",
            "effective_from": day,
            "overrides": {"latency.send.mean": {"target": mean}},
        }
        named = {"version": version, "day": day, "document": json.dumps(document)}
        client.command(CONTRACT, parameters=named)
    for seed in SEEDS:
        client.command(seed)
    close_month(client, FIRST)
    client.command(EXCLUSION)
    close_month(client, FIRST)
    yield client
    client.close()


@pytest.fixture(scope="module")
def site(server, client, tmp_path_factory):
    folder = tmp_path_factory.mktemp("statements")
    revisions = closed_revisions(client, FIRST, [TENANT])
    make_all(client, FIRST, revisions, folder, "en", "html", lambda _: None)
    with served(server, web_statements=folder) as running:
        yield running


@pytest.fixture(scope="module")
def chrome():
    with headless() as browser:
        yield browser


@pytest.fixture
def opened(site, chrome):
    with opening(chrome, site.address, patience_ms=60_000) as opens:
        yield lambda path, view=VIEWS[0], **more: opens(path, view, **more)


def one(client, query, **parameters):
    (row,) = client.query(query, parameters=parameters).named_results()
    return row


@pytest.mark.parametrize("view", VIEWS, ids=["desktop", "phone"])
@pytest.mark.parametrize(
    "path",
    [
        f"?month={MONTH}",
        f"/month?month={MONTH}",
        f"/evidence/connectivity.downtime?month={MONTH}",
        f"/closings?month={MONTH}",
    ],
)
def test_nothing_serious_stands_in_anybody_s_way(opened, path, view):
    # Only to let the checker in: what is loaded is looked at elsewhere.
    page = opened(f"/tenants/{TENANT}{path}", view, bypass_csp=True)
    if path.startswith("?"):
        expect(page.locator(".chart canvas")).to_have_count(2)
        expect(page.locator("#net-down")).to_be_visible(timeout=60_000)
    assert obstacles(page) == []


def test_what_happened_is_what_the_views_say(client, opened):
    page = opened(f"/tenants/{TENANT}?month={MONTH}")
    expect(page.locator("#net-down")).to_be_visible(timeout=60_000)
    where = "(month = {month:Date}) WHERE tenant_id = {tenant:String}"
    named = {"month": FIRST, "tenant": TENANT}
    row = one(client, f"SELECT * FROM downtime_month{where}", **named)
    assert row["down_s"] > row["net_down_s"], "something is excluded"
    for name, column in (
        ("down", "down_s"),
        ("excluded", "excluded_s"),
        ("net-down", "net_down_s"),
        ("unobserved", "unobserved_s"),
    ):
        told = page.locator(f"#{name}").inner_text()
        assert told == microseconds(float(row[column]) * 1e6, "en"), name
    days = one(client, f"SELECT faulty_days_of_year FROM faults_month{where}", **named)
    assert page.locator("#faulty-days").inner_text() == str(days["faulty_days_of_year"])
    cases = client.query(
        f"SELECT case_id FROM cases_month{where} AND answered_at IS NULL", parameters=named
    ).result_rows
    shown = [row.get_attribute("data-case") for row in page.locator("[data-case]").all()]
    assert sorted(shown) == sorted(case for (case,) in cases)
    assert "c-<1>" in shown


@pytest.mark.parametrize("span", ["hour", "day", "month"])
def test_the_chart_shows_the_windows_that_were_measured(client, site, opened, span):
    tenant = TENANT
    page = opened(f"/tenants/{tenant}?month={MONTH}&span={span}")
    expect(page.locator(".chart canvas")).to_have_count(2)
    window = "1h" if span == "month" else "5m"
    newest = one(
        client,
        "SELECT mean_s, p95_s, max_s FROM windows FINAL WHERE tenant_id = {tenant:String}"
        " AND family = 'latency' AND window = {window:String} AND direction = 'outbound'"
        " AND window_end <= '2025-10-31 16:00:00'"
        " AND ({window:String} = '5m' OR window_end = toStartOfHour(window_end))"
        " ORDER BY window_end DESC LIMIT 1",
        tenant=tenant,
        window=window,
    )
    told = page.locator('.newest[data-direction="outbound"]').inner_text()
    for name, label in (("mean_s", "mean"), ("p95_s", "95th percentile"), ("max_s", "largest")):
        assert f"{label} {float(f'{newest[name]:.6g}'):,.12g} s" in told, (name, newest, told)


def test_limits_are_those_of_each_segment_of_the_contract(client, site):
    answer = site.get(f"/api/tenants/{TENANT}/latency?month={MONTH}&span=month")
    limits = json.loads(answer.text)["limits"]
    shown = [(each["version"], each["outbound"], each["inbound"]) for each in limits]
    assert shown == [(1, 60.0, 60.0), (2, 45.0, 60.0)]
    assert limits[0]["to_s"] == limits[1]["from_s"]
    at = datetime.fromtimestamp(limits[1]["from_s"], UTC)
    assert at == datetime(2025, 10, 15, 16, tzinfo=UTC), "local midnight"
    assert {each["largest"] for each in limits} == {3600.0}


def test_a_later_closing_tells_what_it_changed(opened):
    page = opened(f"/tenants/{TENANT}/closings?month={MONTH}")
    expect(page.locator("h2")).to_have_count(2)
    changed = page.locator('[data-indicator="connectivity.downtime"]')
    assert "breached" in changed.locator("td").nth(0).inner_text()
    assert "met" in changed.locator("td").nth(1).inner_text()
    assert "exclusion.declared" in page.locator("main").inner_text()


def test_the_statement_of_a_revision_can_be_opened(site, opened):
    page = opened(f"/tenants/{TENANT}/closings?month={MONTH}")
    page.get_by_role("link", name="Statement").first.click()
    expect(page.locator("h1")).to_contain_text("October 2025")
    assert page.locator("svg").count() > 0
    missing = site.get(f"/tenants/other/statement?month={MONTH}")
    assert missing.status == 404
    assert "mailsla statement --tenant other" in missing.text


def test_rows_behind_a_figure_add_up_to_it(client, opened):
    page = opened(f"/tenants/{TENANT}/evidence/connectivity.downtime?month={MONTH}")
    rows = client.query(
        "SELECT amount FROM evidence_1_connectivity(tenant = {tenant:String},"
        " month = {month:Date}) WHERE indicator = 'connectivity.downtime'",
        parameters={"tenant": TENANT, "month": FIRST},
    ).result_rows
    assert page.locator("tbody tr").count() == len(rows) > 0


@pytest.mark.parametrize(
    "path",
    [
        "/tenants/nobody",
        "/tenants/%2A?month=2025-10",
        "/tenants/acme/evidence/nonsense?month=2025-10",
    ],
)
def test_what_is_not_there_is_not_found(site, path):
    assert site.get(path).status == 404


def test_a_month_has_to_be_named(site):
    assert site.get(f"/tenants/{TENANT}/month").status == 400
    assert site.get(f"/api/tenants/{TENANT}/latency?month={MONTH}&span=x").status == 400
