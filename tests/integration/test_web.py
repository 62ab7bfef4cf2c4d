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

import pytest
from cli_stack import running_stack
from landing_server import wait_for

from sinks.embedded.ports import LOOPBACK
from streams.cli.publishing import Record, publish
from streams.settings import load

pytestmark = pytest.mark.embedded

TENANT, HEALTHY = "acme", "calm"
MONTH = "2026-10"
HOSTILE = "<script>alert(1)</script>"
FAULT = ("2026-10-03T02:00:00+08:00", "2026-10-03T05:00:00+08:00")
HEADINGS = [
    "Service levels: overview",
    "In trouble now",
    "Latest closed month of each tenant",
    "Newest breach events",
    "Pipeline",
]


def unscanned():
    """A message of this moment that nobody scanned: a breach of the running month at once."""
    event = {
        "id": "s1",
        "source": "mx1.example.net/scanner",
        "type": "message.scanned",
        "tenant_id": TENANT,
        "time": datetime.now(UTC).isoformat(),
        "message_id": "m1",
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
        if tag == "script" or "src" in values or any(name.startswith("on") for name in values):
            self.loaded.append((tag, attributes))
        if tag == "link" and not values["href"].startswith("data:"):
            self.loaded.append((tag, attributes))
        if tag == "tr":
            self.rows.append([])
        if tag in {"h1", "h2"}:
            self.headings.append("")
            self._into = self.headings
        elif tag in {"td", "th"}:
            assert tag == "td" or values["scope"] in {"row", "col"}
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


def test_the_overview_shows_closings_trouble_changes_and_the_pipeline(site):
    answer = site.get("/")
    assert answer.status == 200
    page = answer.page
    assert (page.headings, page.language) == (HEADINGS, "en")
    (closed,) = page.row(TENANT, MONTH)
    assert closed[2:5] == ["breached", "double service for the month", "1"]
    (trouble,) = page.row(TENANT, "antivirus.unscannedMessages not scanned")
    assert trouble[2:5] == ["breached", "1", "= 0"]
    assert not [row for row in page.rows if row[0] == HEALTHY and row[2] != "incomplete"]
    (change,) = [
        r for r in page.rows if r[1:4] == [TENANT, "operations.fault_duration", "breached"]
    ]
    at_once = (
        "1 h 40 min 0.000001 s"  # the fault went on; the change says how it stood when it came
    )
    assert change[4:] == [at_once, "≤ 1 h 40 min", MONTH]
    assert page.row("mailsla-streams")
    assert page.row("mailsla-sinks")
    assert "ClickHouse: answers" in answer.text


def test_a_tenant_s_page_shows_every_indicator_and_its_closings(site):
    page = site.get(f"/tenants/{TENANT}").page
    assert page.headings == [
        f"Tenant {TENANT}",
        "Present state of every indicator",
        "Last closed months",
    ]
    found = page.row("5 · Anti-virus", "antivirus.unscannedMessages not scanned")
    assert [row[2] for row in found] == ["breached"]
    assert page.row("3 · Operations", "operations.fault_durationFault time of the month")
    assert page.row(MONTH, "breached")


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
    for path in ("/", f"/tenants/{TENANT}"):
        answer = site.get(path)
        assert not answer.page.loaded
        assert not re.search(r"https?://|@import|url\(", answer.text)
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src")
        assert answer.headers["Cache-Control"] == "no-store"


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
        seen[:] = visitors.map(site.get, ("/", "/healthz"))
        return seen[1].status == 503

    seen = []
    with site.frozen("broker"), ThreadPoolExecutor(2) as visitors:
        wait_for(told)  # an answer from before holds for two seconds
    overview, health = seen
    assert (overview.status, overview.page.headings) == (200, HEADINGS)
    assert "Consumer lag: <strong" in overview.text
    assert list(json.loads(health.text)["problems"]) == ["kafka"]
    wait_for(lambda: site.get("/healthz").status == 200)


def test_without_clickhouse_every_page_says_so(site):
    """All at once: each page waits for its own time-out."""
    with site.frozen("clickhouse"), ThreadPoolExecutor(3) as visitors:
        pages = ("/", f"/tenants/{TENANT}", "/healthz")
        overview, tenant, health = visitors.map(site.get, pages)
    assert [each.status for each in (overview, tenant, health)] == [503] * 3
    assert overview.page.headings == ["Service levels: overview", "Pipeline"]
    assert overview.page.row("mailsla-streams")
    for answer in (overview, tenant, health):
        assert "ClickHouse does not answer" in answer.text
        assert "Traceback" not in answer.text
    assert list(json.loads(health.text)["problems"]) == ["clickhouse"]
