"""`mailsla ship postfix` as a process against a real broker."""

import gzip
import json
import os
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from mailsla.streams.cli.main import main
from mailsla.streams.connectors.postfix import PostfixConnector
from tests.integration.shipping import broker_with_topics, by_identity, write_domains
from tests.stack import wait_for
from tests.unit.postfix_corpus import (
    LONG_ID_LOG,
    REFERENCE,
    SHORT_ID_LOG,
    SITE,
    latency,
    raw_lines,
    seconds,
    ship,
)

pytestmark = pytest.mark.embedded

LINES = raw_lines(LONG_ID_LOG)
EXPECTED = by_identity(ship(LINES)[0])


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with broker_with_topics(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture
def domains(tmp_path):
    return write_domains(tmp_path)


class Ship:
    """Runs of the command against one broker, and the events of these runs only."""

    def __init__(self, stack, domains, tmp_path):
        self.stack, self.domains = stack, domains
        self.env = {
            **os.environ,
            "MAILSLA_KAFKA": stack.settings.kafka,
            "XDG_STATE_HOME": str(tmp_path / "state"),
        }

    def start(self, file, *options, **streams):
        argv = ["ship", "postfix", str(file), "--domain-tenant", str(self.domains), *options]
        return subprocess.Popen(
            [sys.executable, "-m", "mailsla.streams.cli.main", *argv],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **streams,
        )

    def run(self, file, *options, **streams):
        process = self.start(file, *options, **streams)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err


@pytest.fixture
def shipping(stack, domains, tmp_path):
    return Ship(stack, domains, tmp_path)


def published_so_far(stack):
    """Where the records that are already there end: by reading them, not by what Tansu says."""
    return {(record.partition, record.offset) for record in stack.read("mail.mta")}


def new_events(stack, before):
    """Events that were not there `before`, checked to stand under their tenant."""
    found = []
    for record in stack.read("mail.mta"):
        if (record.partition, record.offset) not in before:
            event = json.loads(record.value)
            assert record.key.decode() == event["tenant_id"]
            found.append(event)
    return found


def test_a_log_shipped_once_or_twice_gives_the_connector_s_events(shipping, stack):
    before = published_so_far(stack)
    for times in (1, 2):
        code, out, err = shipping.run(LONG_ID_LOG)
        assert (code, err) == (0, "")
        assert "lines       1502\nevents      401 " in out
        events = new_events(stack, before)
        assert len(events) == 401 * times
        assert by_identity(events) == EXPECTED


@pytest.mark.parametrize("form", ["gzip file", "stdin", "gzip stdin"])
def test_other_forms_of_the_same_log(shipping, stack, tmp_path, form):
    before = published_so_far(stack)
    packed = tmp_path / "mail.log.1.gz"
    packed.write_bytes(gzip.compress(LONG_ID_LOG.read_bytes().rstrip(b"\n")))
    source = packed if form == "gzip stdin" else LONG_ID_LOG
    with source.open("rb") as stdin:
        code, _, err = shipping.run(packed if form == "gzip file" else "-", stdin=stdin)
    assert (code, err) == (0, "")
    assert by_identity(new_events(stack, before)) == EXPECTED


def test_the_year_and_the_zone_complete_rfc_3164_stamps(shipping, stack):
    before = published_so_far(stack)
    code, out, err = shipping.run(SHORT_ID_LOG, "--year", "2024", "--zone", "UTC")
    assert (code, err) == (0, "")
    assert "unmapped    26 " in out
    reference = datetime(2025, 1, 1, tzinfo=UTC)
    expected = by_identity(ship(raw_lines(SHORT_ID_LOG), reference=reference)[0])
    assert by_identity(new_events(stack, before)) == expected
    assert {event["time"][:4] for event in expected.values()} == {"2024"}


SITES = LONG_ID_LOG.parent / "sites"


@pytest.fixture
def acme(tmp_path, shipping):
    """The shipping of a site whose tenant is another."""
    path = tmp_path / "acme.yaml"
    path.write_text("acme.example: acme\n")
    shipping.domains = path
    return shipping


def test_logs_of_single_days_are_one_log(acme, stack, tmp_path):
    before = published_so_far(stack)
    for day in ("day1.log", "day2.log"):
        (tmp_path / day).write_bytes((SITES / day).read_bytes())
    assert acme.run(tmp_path / "day1.log")[::2] == (0, "")
    code, out, err = acme.run(tmp_path / "day2.log")
    assert (code, "events      1 " in out) == (0, True)
    assert "going on from day1.log, read to 2026-10-10 15:59:51 UTC: 1 messages were open" in err
    events = new_events(stack, before)
    assert [event["type"].removeprefix("message.") for event in events] == [
        "accepted",
        "deferred",
        "delivered",
    ]
    assert len({event["message_id"] for event in events}) == 1
    assert latency(events[2]) == pytest.approx(29.7)
    # Read again, each begins where it began the first time.
    assert acme.run(tmp_path / "day1.log")[::2] == (0, "")
    assert "going on from day1.log" in acme.run(tmp_path / "day2.log")[2]
    assert by_identity(new_events(stack, before)) == by_identity(events)
    assert "going on" not in acme.run(tmp_path / "day2.log", "--afresh")[2]


def test_a_log_that_gives_nothing_or_is_not_understood_ends_with_1_and_says_why(
    acme, stack, tmp_path
):
    code, out, err = acme.run(SITES / "gateway-store.log")
    assert (code, "relayed_inbound 1 " in out) == (1, True)
    assert "nothing was published" in err
    assert "name the host with --mailbox-store" in err
    before = published_so_far(stack)
    code, _, err = acme.run(SITES / "gateway-store.log", "--mailbox-store", "10.0.0.7")
    assert (code, err) == (0, "")
    assert [event["type"] for event in new_events(stack, before)] == [
        "message.accepted",
        "message.delivered",
    ]
    odd = tmp_path / "odd.log"
    odd.write_bytes(
        (SITES / "softbounce.log").read_bytes()
        + b"2026-10-05T14:00:00+08:00 mx1 postfix/smtp[1]: 5A1C0E2B93: to=<a@b.c>, status=odd (x)\n"
    )
    code, out, err = acme.run(odd)
    assert code == 1
    assert "1 × smtp: status=odd, the first: postfix/smtp[1]: 5A1C0E2B93: to=<a@b.c>" in out
    assert "1 of 14 lines could not be used" in err
    (tmp_path / "empty.log").touch()
    assert "the log is empty" in acme.run(tmp_path / "empty.log")[2]


def test_a_followed_log_survives_rotations_and_kills(shipping, stack, tmp_path):
    before = published_so_far(stack)
    log = tmp_path / "mail.log"
    size = len(LINES) // 6
    parts = [LINES[at * size : (at + 1) * size if at < 5 else None] for at in range(6)]
    written, process = [], None

    def write(part, path=log):
        with path.open("ab") as file:
            file.writelines(part)
        written.extend(part)

    def start():
        return shipping.start(log, "--follow")

    def arrived(least=None):
        connector = PostfixConnector(SITE, REFERENCE)
        made = [event for line in written for event in connector.feed(line)]
        wanted = by_identity(made[:least])
        wait_for(lambda: wanted.keys() <= by_identity(new_events(stack, before)).keys())

    try:
        write(parts[0])
        process = start()
        arrived()
        process.kill()  # after the acknowledgement, perhaps before the place is saved
        process.wait()
        write(parts[1])
        log.rename(tmp_path / "mail.log.1")  # rotated while nobody reads
        write(parts[2])
        process = start()
        arrived(least=150)
        process.kill()
        process.wait()
        process = start()
        arrived()
        log.rename(tmp_path / "mail.log.2")  # rotated while it is read
        write(parts[3], tmp_path / "mail.log.2")  # the writer has not noticed yet
        write(parts[4])
        arrived()
        write(parts[5])
        arrived()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0
        assert "events      " in out
        assert "from byte " in err
    finally:
        if process is not None:
            process.kill()
            process.wait()
    assert by_identity(new_events(stack, before)) == EXPECTED
    assert_progress_of_the_log(stack)
    # A kill in the middle of a save may leave its half-written file beside it.
    kept = (tmp_path / "state" / "mailsla" / "ship").iterdir()
    (state,) = (path for path in kept if not path.name.startswith("."))
    assert state.name.startswith("mail.log-")
    code, out, err = follow_until_told(shipping, log)
    assert (code, "events      0" in out) == (0, True), "everything was saved as read"


def assert_progress_of_the_log(stack):
    """What the reader said of how far it was."""
    progress = [json.loads(record.value) for record in stack.read("mail.ops")]
    assert {(event["type"], event["tenant_id"], event["of"]) for event in progress} == {
        ("source.progress", "*", "vm/postfix")
    }
    first = min(seconds(event["time"]) for event in EXPECTED.values())
    assert all(seconds(event["time"]) >= first for event in progress)


def follow_until_told(shipping, log):
    """Follow, and end it by Ctrl-C once it says where it goes on."""
    process = shipping.start(log, "--follow")
    first = process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, rest = process.communicate(timeout=30)
    return process.returncode, out, first + rest


@pytest.mark.parametrize(
    ("file", "options", "said"),
    [
        ("nowhere.log", [], "there is no file"),
        ("nowhere.log", ["--follow"], "there is no file"),
        (".", [], "is a directory; name a log"),
        ("mail.log", ["--domain-tenant", "bad.yaml"], "is not a mapping; write"),
        ("mail.log", ["--zone", "Nowhere"], "no time zone 'Nowhere'; write"),
        ("cut.gz", [], "cannot be read to its end"),
        ("mail.log", ["--follow", "--position-file", "bad.json"], "damaged .*remove it"),
    ],
)
def test_an_error_is_one_sentence(stack, domains, monkeypatch, capsys, file, options, said):
    (domains.parent / "mail.log").write_bytes(LINES[0])
    (domains.parent / "bad.yaml").write_text("- a\n")
    (domains.parent / "bad.json").write_text("{")
    (domains.parent / "cut.gz").write_bytes(gzip.compress(b"".join(LINES))[:-2000])
    monkeypatch.chdir(domains.parent)
    monkeypatch.setenv("MAILSLA_KAFKA", stack.settings.kafka)
    assert_one_sentence(
        ["--domain-tenant", str(domains), file, *options], monkeypatch, capsys, said
    )


def test_no_broker_is_one_sentence_too(domains, monkeypatch, capsys):
    monkeypatch.setenv("MAILSLA_KAFKA", "127.0.0.1:1")
    arguments = ["--domain-tenant", str(domains), str(LONG_ID_LOG)]
    said = "no Kafka broker answers at 127.0.0.1:1; .*mailsla up"
    assert_one_sentence(arguments, monkeypatch, capsys, said)


def assert_one_sentence(arguments, monkeypatch, capsys, said):
    monkeypatch.setattr(sys, "argv", ["mailsla", "ship", "postfix", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("mailsla: ")
    assert err.count("\n") == 1
    assert re.search(said, err)
