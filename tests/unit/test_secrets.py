"""Canaries: no password comes out of any command, whatever fails, not even at level DEBUG."""

import io
import logging
import os
import socket
import subprocess
import sys
import threading

import pytest

from mailsla.sinks.embedded.ports import LOOPBACK
from mailsla.sinks.embedded.state_file import StackState
from mailsla.streams.cli import main as program
from mailsla.streams.runtime.redaction import redact_logs
from mailsla.streams.settings import Settings

pytestmark = pytest.mark.slow

KAFKA, CLICKHOUSE, KEY = "canary-kafka-7f3a", "canary-clickhouse-91cc", "canary-key-50ee"
HASHING, TOKEN, SIGNING = "canary-hashing-77b1", "canary-token-0e4d", "canary-signing-a2d6"
CANARIES = (KAFKA, CLICKHOUSE, KEY, HASHING, TOKEN, SIGNING)
SECRETS = {
    "MAILSLA_KAFKA_USER": "somebody",
    "MAILSLA_KAFKA_PASSWORD": KAFKA,
    "MAILSLA_KAFKA_KEY_PASSWORD": KEY,
    "MAILSLA_CLICKHOUSE_USER": "somebody",
    "MAILSLA_CLICKHOUSE_PASSWORD": CLICKHOUSE,
    "MAILSLA_ADDRESS_KEY": HASHING,
    "MAILSLA_WEB_TOKEN": TOKEN,
}
COMMANDS = [
    ("config",),
    ("doctor",),
    ("doctor", "--json"),
    ("topics",),
    ("migrate",),
    ("drain", "--timeout", "1"),
    ("close", "2026-10"),
    ("audit", "2026-10"),
    ("credits",),
    ("contract", "show", "acme"),
    ("exclude", "list"),
    ("incident", "close", "--tenant", "acme", "--id", "1"),
    ("dead-letters", "list"),
    ("dead-letters", "replay"),
    ("statement", "--tenant", "acme", "--month", "2026-10"),
    ("explain", "acme", "backup.full", "2026-10"),
    ("prove", "--tenant", "acme", "--month", "2026-10", "-o", "/nowhere/proof.zip"),
    ("calendar", "show", "acme"),
    ("forget", "someone@acme.example"),
    ("simulate", "--month", "2026-10", "--tenants", "1", "--messages", "1"),
    ("watch", "--until-end"),
    ("ship", "postfix", os.devnull, "--domain-tenant", "{map}"),
    ("notify", "test", "desk"),
    (
        "outage",
        "declare",
        "--tenant",
        "*",
        "--reason",
        "x",
        "--from",
        "2026-10-03T02:00:00Z",
        "--duration",
        "1m",
    ),
    ("void", "--tenant", "*", "--topic", "mail.ops", "--source", "s", "--id", "1", "--reason", "x"),
]
OTHERS = {
    # They show no settings, or run for real: see test_cli_doctor, of the stack that `up` starts.
    "up", "demo", "worker", "schemas",
}  # fmt: skip


def test_every_command_is_tried():
    assert set(program.cli.list_commands(None)) == {words[0] for words in COMMANDS} | OTHERS


@pytest.fixture
def garbage():
    """Accepts every connection, says something that is neither protocol, and hangs up."""
    with socket.create_server((LOOPBACK, 0)) as server:

        def answer():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65_536)
                    connection.sendall(b"HTTP/1.1 401 Nope\r\nContent-Length: 2\r\n\r\nno")

        threading.Thread(target=answer, daemon=True).start()
        yield server.getsockname()[1]


def run(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["mailsla", *words])
    with pytest.raises(SystemExit):
        program.main()
    shown = capsys.readouterr()
    return shown.out + shown.err


@pytest.mark.parametrize("security", ["PLAINTEXT", "SASL_PLAINTEXT", "SASL_SSL"])
def test_no_command_shows_a_password_whatever_it_meets(
    garbage, monkeypatch, capsys, tmp_path, security
):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MAILSLA_KAFKA", f"{LOOPBACK}:{garbage}")
    monkeypatch.setenv("MAILSLA_CLICKHOUSE", f"http://{LOOPBACK}:{garbage}")
    monkeypatch.setenv("MAILSLA_KAFKA_SECURITY", security)
    tenants, routes = tmp_path / "map.yaml", tmp_path / "routes.yml"
    tenants.write_text("acme.example: acme\n")
    (tmp_path / "signing").write_text(SIGNING)
    receiver = (
        f"{{kind: webhook, url: 'http://{LOOPBACK}:{garbage}/', secret_file: {tmp_path}/signing}}"
    )
    routes.write_text(f"routes: [{{name: desk, to: {receiver}}}]")
    monkeypatch.setenv("MAILSLA_NOTIFY_ROUTES", str(routes))
    for words in COMMANDS:
        command = [word.replace("{map}", str(tenants)) for word in words]
        text = run(monkeypatch, capsys, "--debug", *command)
        assert text, command
        assert not [canary for canary in CANARIES if canary in text], command


MISPLACED = [
    {"MAILSLA_KAFKA": f"u:{KAFKA}@h:9092"},
    {"MAILSLA_CLICKHOUSE": f"http://u:{KAFKA}@h:8123"},
    {"MAILSLA_CLICKHOUSE": f"http://u:{KAFKA}@h:99999"},
    {"MAILSLA_KAFKA_PASWORD": KAFKA},
    {"MAILSLA_KAFKA_SECURITY": KAFKA},
    {"MAILSLA_CLICKHOUSE_DATABASE": KAFKA},
    {"MAILSLA_PARTITIONS": KAFKA},
]


@pytest.mark.parametrize("environment", MISPLACED, ids=lambda e: next(iter(e)))
def test_a_password_in_the_wrong_place_is_refused_without_a_word_of_it(
    environment, monkeypatch, capsys
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    text = run(monkeypatch, capsys, "--debug", "config")
    assert next(iter(environment)) in text
    assert KAFKA not in text


@pytest.mark.parametrize("kind", ["streams", "sinks", "closer"])
def test_a_worker_at_level_debug_logs_no_password_and_has_none_in_its_arguments(kind):
    """It waits for its broker meanwhile."""
    environment = os.environ | SECRETS | {
        "MAILSLA_KAFKA": f"{LOOPBACK}:1",
        "MAILSLA_KAFKA_SECURITY": "SASL_SSL",
        "MAILSLA_LOG_LEVEL": "DEBUG",
    }  # fmt: skip
    worker = subprocess.Popen(
        [sys.executable, "-m", "mailsla.streams.cli.main", "worker", kind],
        env=environment, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        line = worker.stderr.readline()
        while "waiting" not in line:
            assert line, "the worker ended"
            assert not [canary for canary in CANARIES if canary in line]
            line = worker.stderr.readline()
        with open(f"/proc/{worker.pid}/cmdline") as source:
            assert not [canary for canary in CANARIES if canary in source.read()]
    finally:
        worker.kill()
        worker.communicate()


def test_what_a_library_logs_of_its_options_is_blotted_out():
    settings = Settings(
        kafka_user="u",
        kafka_password="p'ss\\word-canary",
        clickhouse_user="u",
        clickhouse_password=CLICKHOUSE,
    )
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        redact_logs(settings)
        root.warning("options %r", {"sasl_plain_password": "p'ss\\word-canary"})
        root.warning("Authorization: Basic %s", "dTpjYW5hcnktY2xpY2tob3VzZS05MWNj")
        try:
            raise ValueError(f"no use of {CLICKHOUSE}")
        except ValueError:
            root.exception("failed")
    finally:
        root.removeHandler(handler)
    text = written.getvalue()
    assert "canary" not in text
    assert "dTpjYW5hcnk" not in text
    assert text.count("(secret)") == 3


def test_a_state_shows_no_password():
    state = StackState(
        kafka="k", clickhouse="c", clickhouse_native="n", data="d",
        clickhouse_users={"operator": CLICKHOUSE},
    )  # fmt: skip
    assert CLICKHOUSE not in repr(state) + str(state)
    assert CLICKHOUSE in state.model_dump_json()
