"""`mailsla worker notify` against a real broker, a real HTTP receiver and a real SMTP server."""

import email
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime
from email import policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml
from aiosmtpd.controller import Controller
from click.testing import CliRunner
from landing_server import wait_for

from mailsla.schemas.topics import BREACHES
from mailsla.sinks.embedded.ports import LOOPBACK, resolve_port
from mailsla.streams.cli.main import cli
from mailsla.streams.cli.support.errors import CheckFailed, CommandError
from mailsla.streams.cli.support.kafka_publish import Record, publish
from mailsla.streams.notify.signing import signature
from mailsla.streams.notify.worker import sample_news
from mailsla.streams.runtime.kafka.admin import ensure_topics
from mailsla.streams.settings import load
from tests.embedded import embedded_stack

pytestmark = pytest.mark.embedded

SECRET = b"a secret of the desk"


class Receiver:
    """Takes webhooks, and can be told to refuse them for a while."""

    def __init__(self):
        self.status = 200
        self.taken, self.tried = [], 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.tried += 1
                if outer.status == 200:
                    outer.taken.append((dict(self.headers), body))
                self.send_response(outer.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self.url = f"http://{LOOPBACK}:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def ids(self):
        return [json.loads(body)["id"] for _, body in self.taken]


class Mails:
    """Keeps what a real SMTP server was given."""

    def __init__(self):
        self.found = []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - as aiosmtpd calls it
        self.found.append(email.message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    with embedded_stack(tmp_path_factory.mktemp("notify")) as state:
        found = load(kafka=state.kafka, clickhouse=state.clickhouse)
        ensure_topics(found)
        yield found


@pytest.fixture(scope="module")
def receiver():
    found = Receiver()
    yield found
    found.server.shutdown()


@pytest.fixture(scope="module")
def mails():
    found = Mails()
    controller = Controller(found, hostname=LOOPBACK, port=resolve_port(0, "mail"))
    controller.start()
    found.port = controller.port
    yield found
    controller.stop()


@pytest.fixture(scope="module")
def routes(receiver, mails, tmp_path_factory):
    folder = tmp_path_factory.mktemp("routes")
    (folder / "secret").write_bytes(SECRET + b"\n")
    nobody = f"http://{LOOPBACK}:{resolve_port(0, 'nobody')}/"
    hook = {"kind": "webhook", "url": receiver.url, "secret_file": str(folder / "secret")}
    mail = {"kind": "mail", "host": LOOPBACK, "port": mails.port, "security": "none",
            "from": "sla@example.net", "to": ["desk@example.net"], "lang": "zh"}  # fmt: skip
    document = {
        "routes": [
            {"name": "desk", "to": hook, "severity": "at_risk"},
            {"name": "dead", "to": {"kind": "webhook", "url": nobody}},
            {"name": "mail", "to": mail, "tenants": ["mailed"], "group_s": 1},
        ]
    }
    path = folder / "routes.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@contextmanager
def worker(settings, routes, folder):
    """A notify worker; gives its process and the address of its metrics."""
    port = resolve_port(0, "metrics")
    variables = {
        "MAILSLA_KAFKA": settings.kafka,
        "MAILSLA_NOTIFY_ROUTES": str(routes),
        "MAILSLA_METRICS_PORT": str(port),
        "MAILSLA_SESSION_TIMEOUT_S": "3",
    }
    with open(folder / "worker.log", "a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mailsla.streams.cli.main", "worker", "notify"],
            env=os.environ | variables, stdout=log, stderr=log,
        )  # fmt: skip
        address = f"http://{LOOPBACK}:{port}"
        try:
            wait_for(lambda: is_ready(address) or process.poll() is not None)
            assert process.poll() is None, (folder / "worker.log").read_text()
            yield process, address
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def is_ready(address):
    try:
        with urllib.request.urlopen(f"{address}/ready", timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def happened(settings, names, tenant="acme"):
    """Publish breach events of these ids."""
    records = []
    for name in names:
        document = json.loads(sample_news(datetime.now(UTC)).value)
        document |= {"id": name, "subject": tenant}
        document["data"]["tenant_id"] = tenant
        records.append(Record(BREACHES.name, tenant.encode(), json.dumps(document).encode()))
    publish(settings, records)


def test_a_receiver_that_was_away_gets_each_event_once_and_a_killed_worker_loses_none(
    settings, routes, receiver, tmp_path
):
    with worker(settings, routes, tmp_path) as (process, address):
        happened(settings, ["before"])
        wait_for(lambda: receiver.ids == ["before"])
        receiver.status = 503
        names = [f"e{n}" for n in range(40)]
        happened(settings, names)
        before = receiver.tried
        wait_for(lambda: receiver.tried >= before + 3)
        with urllib.request.urlopen(f"{address}/metrics", timeout=5) as answer:
            told = answer.read().decode()
        assert 'mailsla_notifications_waiting{route="desk"} 40.0' in told
        assert 'mailsla_notifications_waiting{route="dead"} 41.0' in told
        process.kill()
    receiver.status = 200
    with worker(settings, routes, tmp_path):
        wait_for(lambda: set(receiver.ids) >= set(names))
        happened(settings, ["after"])
        wait_for(lambda: "after" in receiver.ids)
    assert Counter(receiver.ids) == Counter(["before", *names, "after"])
    assert receiver.ids == ["before", *names, "after"], "a tenant's events come in order"
    for headers, body in receiver.taken:
        stamp = int(headers["webhook-timestamp"])
        name = json.loads(body)["id"]
        assert headers["webhook-signature"] == signature(name, body, SECRET, stamp)
        assert headers["Content-Type"] == "application/cloudevents+json"


def test_what_comes_together_is_one_mail_in_the_agreement_s_words(
    settings, routes, receiver, mails, tmp_path
):
    with worker(settings, routes, tmp_path):
        happened(settings, [f"m{n}" for n in range(5)], tenant="mailed")
        wait_for(lambda: mails.found)
        wait_for(lambda: "m4" in receiver.ids)
    (mail,) = mails.found
    assert "mailed 有风险 · 每月不联通时间 40分 (< 44分)" in mail["Subject"]
    assert len(mail.get_content().splitlines()) == 5
    assert (mail["X-Mailsla-Event"], mail["To"]) == ("m0", "desk@example.net")


def command(routes, *words):
    return CliRunner().invoke(cli, ["notify", *words], env={"MAILSLA_NOTIFY_ROUTES": str(routes)})


def test_a_route_can_be_tried(routes, receiver):
    assert command(routes, "test", "desk").output == "desk took it\n"
    assert receiver.ids[-1].startswith("test-")
    failed = command(routes, "test", "dead").exception
    assert isinstance(failed, CheckFailed)
    assert "did not take it (ClientConnectorError)" in str(failed)
    typo = command(routes, "test", "dsek").exception
    assert isinstance(typo, CommandError)
    assert "did you mean desk?" in str(typo)
    assert "at_risk or worse" in command(routes, "list").output
