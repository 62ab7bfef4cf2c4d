"""The web page of a running stack, over HTTP: what it shows, refuses, and says when parts fail."""

import http.client
import json
import os
import re
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

import pytest
from cli_stack import running_stack
from landing_server import wait_for

from mailsla.sinks.clickhouse import connect
from mailsla.sinks.embedded.ports import LOOPBACK
from mailsla.streams.cli.support.kafka_publish import Record, publish
from mailsla.streams.settings import load

pytestmark = pytest.mark.embedded

TENANT, HEALTHY = "acme", "calm"
MONTH = "2026-10"
HOSTILE = "<script>alert(1)</script>"
FAULT = ("2026-10-03T02:00:00+08:00", "2026-10-03T05:00:00+08:00")


def unscanned(name="s1"):
    """A message of this moment that nobody scanned: a breach of the running month at once."""
    event = {
        "id": name,
        "source": "mx1.example.net/scanner",
        "type": "message.scanned",
        "tenant_id": TENANT,
        "time": datetime.now(UTC).isoformat(),
        "message_id": f"m-{name}",
        "mailbox": "bob@acme.example",
        "verdict": "error",
        "action": "none",
        "policy": "clean",
    }
    return Record("mail.antivirus", TENANT.encode(), json.dumps(event).encode())


class Page(HTMLParser):
    """Headings, the cells of each table row, and whatever a page would load or run."""

    def __init__(self, text):
        super().__init__()
        self.headings, self.rows, self.loaded = [], [], []
        self.language = None
        self._into = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.language = values.get("lang") if tag == "html" else self.language
        for name in ("src", "href"):
            address = values.get(name)
            loads = address is not None and tag in {"script", "link", "img"}
            if loads and not address.startswith(("/static/", "data:")):
                self.loaded.append((tag, attributes))
        if any(name.startswith("on") or name == "style" for name in values) or tag == "style":
            self.loaded.append((tag, attributes))
        if tag == "tr":
            self.rows.append([])
        if tag in {"h1", "h2"}:
            self.headings.append("")
            self._into = self.headings
        elif tag in {"td", "th"}:
            assert tag == "td" or values["scope"] in {"row", "col", "rowgroup"}
            self.rows[-1].append("")
            self._into = self.rows[-1]

    def handle_endtag(self, tag):
        if tag in {"h1", "h2", "td", "th"}:
            self._into = None

    def handle_data(self, data):
        if self._into is not None:
            self._into[-1] += data

    def row(self, *cells):
        """Every row that begins with the cells."""
        return [row for row in self.rows if row[: len(cells)] == list(cells)]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict
    text: str

    @property
    def page(self):
        return Page(self.text)


@dataclass
class Site:
    stack: object

    def __post_init__(self):
        self.port = urlsplit(self.stack.state["web"]).port

    def get(self, path, method="GET", **headers):
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=30)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.headers), answer.read().decode())
        finally:
            connection.close()

    @contextmanager
    def frozen(self, name):
        """Stopped, not killed: `mailsla up` would take the whole stack down with a dead child."""
        pid = self.stack.state["pids"][name]
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def hasty():
    """Workers whose group the embedded broker lets begin soon: half a session time-out after."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MAILSLA_SESSION_TIMEOUT_S", "3")
        yield


@pytest.fixture(scope="module")
def site(tmp_path_factory, hasty):
    """A closed month with a fault of three hours; in the running one mail goes unscanned."""
    folder = tmp_path_factory.mktemp("web")
    with running_stack(folder) as stack:
        opened, closed = FAULT
        incident = ("--tenant", TENANT, "--id", "i1", "--at")
        contracts = [
            {"tenant_id": tenant, "version": 1, "effective_from": "2026-01-01"}
            for tenant in (TENANT, HEALTHY)
        ]
        (folder / "contracts.json").write_text(json.dumps(contracts))
        stack.run("contract", "apply", str(folder / "contracts.json"))
        stack.run("incident", "open", *incident, opened, "--kind", "fault")
        stack.run("incident", "close", *incident, closed)
        publish(load(stack.state_file), [unscanned()])
        stack.run("drain", "--timeout", "60")
        stack.run("close", MONTH)
        yield Site(stack)


def overview(site, query=""):
    """tenant, month → its row."""
    answer = site.get(f"/api/overview{query}")
    assert answer.status == 200
    columns = json.loads(answer.text)
    lines = zip(*columns.values(), strict=True)
    rows = [dict(zip(columns, values, strict=True)) for values in lines]
    return {(row["tenant"], row["month"]): row for row in rows}


def this_month():
    """As it is in the contracts' zone."""
    return f"{datetime.now(ZoneInfo('Asia/Shanghai')):%Y-%m}"


def test_the_overview_has_every_open_month_else_the_last_closed_one(site):
    # What was kept from before the tests is read anew, which may take a moment.
    wait_for(lambda: (TENANT, this_month()) in overview(site))
    rows = overview(site)
    now = rows[TENANT, this_month()]
    assert (now["state"], now["sections"], now["revision"]) == ("breached", [5], 0)
    assert 1 <= now["measured"] < now["promised"] == 27
    others = {month: row["state"] for (tenant, month), row in rows.items() if tenant == HEALTHY}
    assert "breached" not in others.values()
    assert (TENANT, MONTH) not in rows, "it is closed, and there is a later one"


def test_a_past_month_stays_to_be_looked_at(site):
    rows = overview(site, f"?month={MONTH}")
    assert rows[TENANT, MONTH]["state"] == "breached"
    assert (rows[TENANT, MONTH]["sections"], rows[TENANT, MONTH]["revision"]) == ([3], 1)
    assert rows[HEALTHY, MONTH]["state"] == "incomplete"
    assert {month for _, month in rows} == {MONTH}
    page = site.get("/").page
    assert page.headings == ["Service levels"]
    assert MONTH in site.get("/").text


def test_figures_equal_those_of_the_closing(site):
    """As the analyst reads them."""
    client = connect(site.stack.clickhouse())
    summary = client.query(
        "SELECT i.tenant_id, any(c.verdict), countIf(i.verdict = 'met'), "
        "countIf(i.verdict = 'no_data') "
        "FROM closing_items AS i INNER JOIN closings AS c "
        "ON i.tenant_id = c.tenant_id AND i.month = c.month AND i.revision = c.revision "
        "WHERE i.month = {month:Date} AND c.status = 'final' GROUP BY i.tenant_id",
        parameters={"month": f"{MONTH}-01"},
    ).result_rows
    rows = overview(site, f"?month={MONTH}")
    assert {tenant for tenant, *_ in summary} == {tenant for tenant, _ in rows}
    for tenant, verdict, met, no_data in summary:
        row = rows[tenant, MONTH]
        assert row["state"] == verdict
        if verdict == "incomplete":
            assert (row["measured"], row["promised"]) == (met, met + no_data)
    client.close()


def test_a_tenant_s_page_shows_every_indicator_and_its_closings(site):
    page = site.get(f"/tenants/{TENANT}").page
    assert page.headings[:2] == [f"Tenant {TENANT}", f"Indicators in {this_month()}"]
    (unscanned_row,) = page.row("Messages not scannedantivirus.unscanned")
    assert unscanned_row[1:5] == ["breached", "1", "= 0", "1 over"]
    assert page.row("Fault time of the monthoperations.fault_duration")
    (closed,) = page.row(MONTH)
    assert closed[1:4] == ["breached", "double service for the month", "1"]
    changes = [row for row in page.rows if row[1:3] == ["Fault time of the month", "breached"]]
    at_once = "1 h 40 min 0.000001 s"  # it went on; the change says how it stood when it came
    assert [row[3:] for row in changes] == [[at_once, "≤ 1 h 40 min", MONTH]]


def test_a_closed_month_of_a_tenant_shows_its_verdicts(site):
    page = site.get(f"/tenants/{TENANT}?month={MONTH}").page
    (fault,) = page.row("Fault time of the monthoperations.fault_duration")
    assert fault[1:5] == ["breached", "3 h", "≤ 1 h 40 min", "1 h 20 min over"]
    (silent,) = page.row("Share of the month connectedconnectivity.ratio")
    assert silent[1:3] == ["no data", "–"]


def test_the_platform_page_shows_lag_and_refused_records(site):
    page = site.get("/platform").page
    assert page.row("mailsla-streams")
    assert page.row("mailsla-sinks")
    assert "No record was refused." in site.get("/platform").text


@pytest.mark.parametrize(
    ("path", "headers", "language"),
    [
        ("/", {}, "en"),
        ("/", {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.5"}, "zh-CN"),
        ("/?lang=zh", {}, "zh-CN"),
        ("/?lang=en", {"Accept-Language": "zh"}, "en"),
        ("/", {"Cookie": "lang=zh"}, "zh-CN"),
        ("/?lang=xx", {"Accept-Language": "fr"}, "en"),
    ],
)
def test_the_language_is_the_visitor_s(site, path, headers, language):
    answer = site.get(path, **headers)
    assert answer.page.language == language
    assert answer.page.headings == [{"en": "Service levels", "zh-CN": "服务品质"}[language]]


def test_a_tenant_of_whom_only_a_contract_is_known_has_a_page(site):
    assert site.get(f"/tenants/{HEALTHY}").status == 200


@pytest.mark.parametrize("name", [HOSTILE, "nobody", "*", "a" * 65, "' OR 1=1 --", "acme\n", "%"])
def test_an_unknown_or_hostile_tenant_is_not_found_and_comes_back_as_text(site, name):
    answer = site.get(f"/tenants/{quote(name, safe='')}")
    assert (answer.status, answer.page.headings) == (404, ["No such tenant"])
    assert not answer.page.loaded
    assert HOSTILE not in answer.text
    assert ("&lt;script&gt;" in answer.text) is (name == HOSTILE)


def test_nothing_is_loaded_from_elsewhere(site):
    for path in ("/", f"/tenants/{TENANT}", "/platform"):
        answer = site.get(path)
        assert not answer.page.loaded
        assert not re.search(r"https?://|@import|url\(", answer.text)
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src")
        for name in re.findall(r'"(/static/[^"]+)"', answer.text):
            file = site.get(name)
            assert file.status == 200
            # A library says in its first comment where it comes from.
            code = re.sub(r"\A/\*!.*?\*/", "", file.text)
            assert not re.search(r"https?://|@import|url\(", code)
        assert answer.headers["Cache-Control"] == "no-store"
    assert site.get("/static/../server.py").status == 404


def test_the_page_is_only_read(site):
    assert {site.get("/", method).status for method in ("POST", "PUT", "DELETE")} == {405}


def test_only_loopback_is_served_and_only_under_its_own_names(site):
    assert site.get("/", Host=f"localhost:{site.port}").status == 200
    assert site.get("/", Host=f"rebound.example:{site.port}").status == 421
    listening = re.findall(
        rf"^ *\d+: ([0-9A-F]+):{site.port:04X} \S+ 0A ",
        "".join(Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6")),
        re.MULTILINE,
    )
    loopback = socket.inet_aton(LOOPBACK)[::-1].hex().upper()
    assert listening == [loopback]


def test_a_healthy_stack_is_ok(site):
    answer = site.get("/healthz")
    assert (answer.status, json.loads(answer.text)) == (200, {"status": "ok"})


def test_without_the_broker_the_rest_is_still_shown(site):
    def told():
        seen[:] = visitors.map(site.get, ("/platform", "/healthz"))
        return seen[1].status == 503

    seen = []
    with site.frozen("broker"), ThreadPoolExecutor(2) as visitors:
        wait_for(told)  # an answer from before holds for two seconds
    platform, health = seen
    assert platform.status == 200
    assert "not known</strong>" in platform.text
    assert list(json.loads(health.text)["problems"]) == ["kafka"]
    wait_for(lambda: site.get("/healthz").status == 200)


def test_without_clickhouse_every_page_says_so(site):
    """All at once: each page waits for its own time-out."""
    paths = ("/", f"/tenants/{TENANT}", "/platform", "/api/overview?month=2020-01", "/ready")
    with site.frozen("clickhouse"), ThreadPoolExecutor(len(paths)) as visitors:
        answers = dict(zip(paths, visitors.map(site.get, paths), strict=True))
    assert {answer.status for answer in answers.values()} == {503}
    assert answers["/platform"].page.row("mailsla-streams")
    for answer in answers.values():
        assert "ClickHouse does not answer" in answer.text
        assert "Traceback" not in answer.text
    assert list(json.loads(answers["/ready"].text)["problems"]) == ["clickhouse"]


def test_changes_are_told_at_once(site):
    """A page that is open hears of a state that has landed, and of nothing else."""
    connection = http.client.HTTPConnection(LOOPBACK, site.port, timeout=30)
    connection.request("GET", "/api/changes")
    answer = connection.getresponse()
    assert answer.headers["Content-Type"] == "text/event-stream"
    publish(load(site.stack.state_file), [unscanned("s2")])
    while not (line := answer.readline()).startswith(b"event: changed"):
        assert line, "the stream has ended"
    connection.close()
    wait_for(lambda: "2" in observed_of(site))


def observed_of(site):
    page = site.get(f"/tenants/{TENANT}").page
    return [row[2] for row in page.row("Messages not scannedantivirus.unscanned")]
