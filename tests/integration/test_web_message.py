"""A message's page: what became of it, its latencies, where it counts and why not."""

import re
from datetime import date
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from mailsla.sinks.closing.run.close_month import close_month
from mailsla.streams.web.readings.messages import FIND
from tests.integration.test_closing.browser import headless, obstacles, opening
from tests.integration.web_site import served

pytestmark = pytest.mark.embedded

VIEWS = [((1280, 800), "light", "en-GB"), ((390, 800), "dark", "zh-CN")]
SOURCE, HOSTILE = "mx1/postfix", "<script>alert(1)</script>&x=1"
EVENT = """
INSERT INTO mta_events
  (id, source, type, tenant_id, time, message_id, direction, recipient, accepted_at, attempt,
   reason, liability, estimate, landed_at)
SELECT {id:String}, {source:String}, {type:String}, {tenant:String},
  toDateTime64({time:String}, 6, 'UTC'), {message:String}, {direction:String}, {to:String},
  {accepted:Nullable(DateTime64(6, 'UTC'))}, if({attempt:Int64} = 0, NULL, {attempt:Int64}),
  nullIf({reason:String}, ''), nullIf({liability:String}, ''), 'exact', now64(6)
"""
MANY = """
INSERT INTO mta_events
  (id, source, type, tenant_id, time, message_id, direction, recipient, mailbox, landed_at)
SELECT toString(number), 'mx1/postfix', 'message.delivered', 'many',
  toDateTime64('2025-09-06', 6, 'UTC'),
  concat(hex(sipHash64(number)), '-17'), 'inbound', concat(toString(number), '@many.example'),
  concat('box', toString(number), '@many.example'), now64(6)
FROM numbers(40000)
"""
VOIDING = """
INSERT INTO ops_events (id, source, type, tenant_id, time, voids_topic, voids_source, voids_id,
  reason, actor)
VALUES ('v1', 'desk', 'event.voided', 'acme', '2025-10-07 00:00:00', 'mail.mta', 'mx1/postfix',
  'voided-1', 'a test', 'eve')
"""
CONTRACT = """
INSERT INTO contracts (tenant_id, version, effective_from, timezone, calendar, profile, document,
  recorded_at)
SELECT 'late', 1, '2025-10-20', 'Asia/Shanghai', 'CN', 'default/1', {document:String}, now64(6)
"""


def event(client, name, message, kind, at, **more):
    fields = {
        "id": name, "source": SOURCE, "type": f"message.{kind}", "tenant": "acme",
        "time": f"2025-10-{at}", "message": message, "direction": "outbound",
        "to": f"{message[:20]}@example.org", "accepted": None, "attempt": 0, "reason": "",
        "liability": "",
    } | more  # fmt: skip
    client.command(EVENT, parameters=fields)


@pytest.fixture(scope="module")
def site(server):
    client = server.connect()
    begun = "2025-10-06 08:00:00"
    sent = {"accepted": begun, "attempt": 1}
    event(client, "s1", "4XyzQ1-17", "accepted", "06 08:00:00")
    event(client, "s2", "4XyzQ1-17", "dispatched", "06 08:00:30", **sent)
    event(client, "s3", "4XyzQ1-17", "deferred", "06 08:00:31", accepted=begun, reason=HOSTILE)
    event(client, "s4", "4XyzQ1-17", "dispatched", "06 09:30:00", accepted=begun, attempt=2)
    delivered = {"direction": "inbound", "accepted": begun}
    event(client, "d1", "slow", "delivered", "06 10:00:00", **delivered)
    event(client, "r1", "refused", "rejected", "06 08:00:00", direction="inbound")
    event(client, "b1", "bounced", "bounced", "06 09:00:00", accepted=begun)
    event(client, "l1", "excused", "dispatched", "06 08:00:30", **sent, liability="carrier")
    event(client, "voided-1", "voided", "dispatched", "06 08:00:30", **sent)
    event(client, "a1", "early", "dispatched", "06 08:00:30", **sent, tenant="late")
    event(client, "h1", HOSTILE, "dispatched", "06 08:00:30", **sent)
    event(client, "w1", "retried", "dispatched", "06 08:00:30", accepted=begun, attempt=2)
    client.command(VOIDING)
    document = '{"tenant_id": "late", "version": 1, "effective_from": "2025-10-20"}'
    client.command(CONTRACT, parameters={"document": document})
    close_month(client, date(2025, 10, 1))
    client.close()
    with served(server) as running:
        yield running


@pytest.fixture(scope="module")
def chrome():
    with headless() as browser:
        yield browser


@pytest.fixture
def page(chrome):
    complaints = []
    context = chrome.new_context(locale="en-GB")
    opened = context.new_page()
    opened.set_default_timeout(60_000)
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("dialog", lambda dialog: complaints.append("a script of somebody else's ran"))
    yield opened
    context.close()
    assert complaints == []


def conflicting(client, source, name):
    client.command(
        "INSERT INTO conflict_log (topic, tenant_id, source, id, type, time, landed_at, fields) "
        "SELECT 'mail.mta', 'acme', {source:String}, {name:String}, 'message.delivered', now64(6),"
        " now64(6), ['recipient']",
        parameters={"source": source, "name": name},
    )


def address(message, tenant="acme"):
    named = {"source": SOURCE, "id": message, "recipient": f"{message[:20]}@example.org"}
    return f"/tenants/{tenant}/message?{urlencode(named)}"


@pytest.mark.parametrize("asked", ["4XyzQ1", "4XyzQ1-17", "4XyzQ1-17@example.org"])
def test_a_message_is_found_by_queue_id_message_id_and_address(site, page, asked):
    page.goto(f"{site.address}/messages")
    page.get_by_label("Message id, queue id or address").fill(asked)
    page.get_by_role("button").click()
    page.get_by_role("link", name="4XyzQ1-17").click()
    expect(page.locator("#send")).to_have_text("30 s")
    expect(page.locator("#receive")).to_have_text("–")
    events = [
        row.inner_text() for row in page.locator("#events ~ div tbody tr td:nth-child(2)").all()
    ]
    assert events == ["accepted", "attempt to send", "deferred", "attempt to send"]
    clauses = [each.get_attribute("data-indicator") for each in page.locator("#clauses li").all()]
    assert clauses == ["latency.send.mean", "latency.send.max"]
    assert HOSTILE in page.locator("main").inner_text(), "as text"
    again = page.url
    page.goto(again)
    expect(page.locator("#send")).to_have_text("30 s")


def test_only_what_can_hold_a_message_is_read_to_find_it(site, server):
    client = server.connect()
    client.command(MANY)
    chosen = {"tenant": "", "asked": "5NoSuch", "queue": "5NoSuch", "addresses": ["no@no.example"]}
    lines = client.query(f"EXPLAIN indexes = 1 {FIND}", parameters=chosen | {"rows": 1}).result_rows
    client.close()
    plan = "\n".join(line for (line,) in lines)
    left = dict(re.findall(r"Name: (by_\w+)\n.*\n.*\n.*Granules: (\d+)/", plan))
    assert left == dict.fromkeys(("by_message", "by_queue", "by_recipient", "by_mailbox"), "0"), (
        plan
    )


def test_an_hour_s_exceedance_counts_as_one(site, page):
    page.goto(f"{site.address}{address('slow')}")
    expect(page.locator("#receive")).to_have_text("2 h")
    clauses = [each.get_attribute("data-indicator") for each in page.locator("#clauses li").all()]
    assert clauses == ["latency.receive.mean", "latency.receive.max", "latency.exceedances"]


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ("refused", "refused before it was accepted"),
        ("bounced", "without a first attempt or a delivery"),
        ("excused", "is excluded"),
        ("voided", "was voided"),
        ("retried", "only the first attempt"),
    ],
)
def test_what_counts_nowhere_says_why(site, page, message, why):
    page.goto(f"{site.address}{address(message)}")
    expect(page.locator("#why-not")).to_contain_text(why)
    assert page.locator("#clauses li").count() == 0


def test_mail_of_days_without_a_contract_says_so(site, page):
    page.goto(f"{site.address}{address('early', 'late')}")
    expect(page.locator("#why-not")).to_contain_text("no contract was in force")


def test_a_hostile_name_is_only_text(site, page):
    page.goto(f"{site.address}/tenants/acme/messages?{urlencode({'q': HOSTILE})}")
    page.get_by_role("link", name=HOSTILE).click()
    expect(page.locator("h1")).to_have_text(f"Message {HOSTILE}")


def test_silent_sources_and_conflicts_are_named(site, server, page):
    client = server.connect()
    for source, at in (("mx-late", "now64(6) - INTERVAL 2 HOUR"), ("mx-well", "now64(6)")):
        client.command(
            "INSERT INTO mta_events (id, source, type, tenant_id, time, accepted_at, landed_at) "
            f"SELECT 'p', {{source:String}}, 'message.delivered', 'acme', {at}, {at}, now64(6)",
            parameters={"source": source},
        )
    conflicting(client, "mx-well", "<b>c1</b>")
    page.goto(f"{site.address}/platform/sources")
    sources = [row.get_attribute("data-source") for row in page.locator("[data-source]").all()]
    assert sources == ["mx-late", "mx-well"]
    late, well = page.locator("[data-source] td:nth-child(3)").all()
    assert late.inner_text().startswith("2 h")
    assert "at_risk" in late.get_attribute("class")
    assert "at_risk" not in well.get_attribute("class")
    conflict = page.locator("[data-conflict]")
    assert conflict.get_attribute("data-conflict") == "<b>c1</b>"
    assert "recipient" in conflict.inner_text()
    (count,) = client.query("SELECT count() FROM conflicts").result_rows[0]
    assert page.locator("[data-conflict]").count() == count
    client.close()


def test_other_tenants_messages_are_not_found_under_a_tenant(site):
    assert "No message fits" in site.get("/tenants/late/messages?q=4XyzQ1").text
    assert site.get(address("4XyzQ1-17", "late")).status == 404


@pytest.mark.parametrize("view", VIEWS, ids=["desktop", "phone"])
def test_nothing_serious_stands_in_anybody_s_way(site, server, chrome, view):
    client = server.connect()
    client.command(
        "INSERT INTO antivirus_events (id, source, type, tenant_id, time, message_id, verdict,"
        " action, policy, landed_at) VALUES ('c1', 'av', 'message.scanned', 'acme',"
        " '2025-10-06 08:00:01', '4XyzQ1-17', 'clean', 'none', 'detect', now64(6))"
    )
    conflicting(client, f"mx-long-name-of-a-source-{'x' * 40}", "c-of-nobody")
    client.close()
    with opening(chrome, site.address, patience_ms=60_000, bypass_csp=True) as opens:
        found = {
            path: obstacles(opens(path, view))
            for path in (
                "/messages",
                "/messages?q=4XyzQ1",
                "/messages?q=nothing",
                address("4XyzQ1-17"),
                address("excused"),
                address(HOSTILE),
                "/platform/sources",
            )
        }
    assert not any(found.values()), found
