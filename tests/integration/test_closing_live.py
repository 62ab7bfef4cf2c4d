"""`mailsla close` on a whole stack: two at once, told once, under live traffic."""

import asyncio
import csv
import json
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from datetime import timedelta

import pytest
from cli_stack import PROGRAM, running_stack
from kafka import KafkaConsumer
from landing_server import wait_for

from mailsla.sinks.clickhouse import connect
from mailsla.sinks.closing.run import closing_feed, landed_month
from mailsla.streams.cli.support.kafka_publish import Record, publish
from mailsla.streams.runtime.kafka.drain import Lag
from mailsla.streams.settings import load
from mailsla.streams.simulate.plan import plan
from mailsla.streams.simulate.publish import publish as publish_simulated
from tests.integration.test_closing.conftest import RESULT_TABLES

pytestmark = pytest.mark.embedded

MONTH = "2025-10"
TENANTS = 7
WIDE = 100
LONG_S = 150.0
"""A closing takes seconds; on a machine busy with other things it may take so long."""
BOOKS = [name for name in RESULT_TABLES if name.startswith(("clos", "credit"))]


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """A stack through which a month of a few tenants has gone."""
    with running_stack(tmp_path_factory.mktemp("closing-live")) as running:
        settings = load(running.state_file)
        simulated = plan(3, TENANTS, MONTH, 600)
        asyncio.run(publish_simulated(settings, simulated.records(), None, lambda count: None))
        fee = {"amount": "1200.50", "currency": "CNY"}
        contracts = [
            {"tenant_id": t, "version": 1, "effective_from": "2020-01-01", "monthly_fee": fee}
            for t in simulated.tenants
        ]
        documents = running.state_file.parent / "contracts.json"
        documents.write_text(json.dumps(contracts))
        running.out("contract", "apply", str(documents))
        publish(settings, [complaint("tenant-003")])
        running.out("drain")
        yield running


@pytest.fixture(scope="module")
def clickhouse(stack):
    client = connect(stack.clickhouse())
    yield client
    client.close()


@pytest.fixture
def blank(clickhouse):
    """Nothing is closed yet, and nobody closes."""
    for name in BOOKS:
        clickhouse.command(f"TRUNCATE TABLE {name}")
    for (name,) in ask(clickhouse, "SHOW TABLES LIKE 'closing_lock%'"):
        clickhouse.command(f"DROP TABLE {name} SYNC")


@pytest.fixture
def start_closing(stack):
    """Starts processes that close the month; those still there at the end are killed."""
    started = []

    def start():
        started.append(
            subprocess.Popen(
                [*PROGRAM, "close", MONTH, "--state-file", str(stack.state_file)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=os.environ | {"PYTHONPATH": os.getcwd()},
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def ask(clickhouse, query):
    return clickhouse.query(query).result_rows


def count(clickhouse, table):
    return ask(clickhouse, f"SELECT count() FROM {table}")[0][0]


def is_locked(clickhouse):
    return bool(ask(clickhouse, "SHOW TABLES LIKE 'closing_lock%'"))


def told(stack):
    """Every record of `sla.closings` by key and value, and how often it is there."""
    consumer = KafkaConsumer(
        bootstrap_servers=load(stack.state_file).kafka,
        auto_offset_reset="earliest",
        consumer_timeout_ms=1500,
    )
    try:
        consumer.subscribe(["sla.closings"])
        return Counter((record.key.decode(), record.value) for record in consumer)
    finally:
        consumer.close()


def test_of_two_processes_at_once_one_closes_and_the_other_says_so(
    clickhouse, blank, start_closing
):
    first = start_closing()
    wait_for(lambda: is_locked(clickhouse), LONG_S)
    first.send_signal(signal.SIGSTOP)
    second = start_closing()
    said = second.communicate(timeout=LONG_S)
    first.send_signal(signal.SIGCONT)
    first.communicate(timeout=LONG_S)
    assert (first.returncode, second.returncode) == (0, 1)
    assert said[0] == ""
    assert said[1].startswith(f"mailsla: Another closing of {MONTH} is at work; wait")
    assert len(said[1].splitlines()) == 1
    assert ask(clickhouse, "SELECT revision, count() FROM closings GROUP BY revision") == [
        (1, TENANTS)
    ]
    assert not is_locked(clickhouse)


def test_every_revision_is_told_exactly_once_and_after_a_crash_the_same(
    stack, clickhouse, blank, monkeypatch
):
    def breaks(*_):
        raise ConnectionError("cut")

    before, settings = told(stack), load(stack.state_file)
    with monkeypatch.context() as broken:
        broken.setattr(landed_month, "publish_closings", breaks)
        with pytest.raises(AssertionError, match="cut"):
            stack.run("close", MONTH)
    assert told(stack) == before
    with monkeypatch.context() as broken:
        broken.setattr(closing_feed, "mark_told", breaks)
        with pytest.raises(ConnectionError, match="cut"):
            closing_feed.publish_closings(settings, clickhouse)
    closings = stack.json("close", MONTH)
    assert [closing["revision"] for closing in closings] == [1] * TENANTS
    events = told(stack) - before
    assert list(events.values()) == [2] * TENANTS, "told again with the same bytes"
    assert closing_feed.publish_closings(settings, clickhouse) == 0
    by_tenant = {tenant: json.loads(value) for tenant, value in events}
    for closing in closings:
        event = by_tenant[closing["tenant_id"]]
        assert event["time"] == event["data"]["closed_at"]
        assert event["data"]["provisional"] is closing["provisional"] is False
        assert event["data"]["fingerprint"] == closing["fingerprint"]
        figures = [(i["indicator"], i["verdict"], i["observed"]) for i in event["data"]["items"]]
        assert figures == [
            (i["indicator"], i["verdict"], _as_text(o, i["observed"]))
            for i, (_, _, o) in zip(closing["items"], figures, strict=True)
        ]
        assert [c["remedy"] for c in event["data"]["credits"]] == closing["remedies"]


def test_a_closing_before_everything_has_landed_is_refused_or_provisional(
    stack, blank, monkeypatch
):
    late = Lag("mailsla-sinks", {"mail.mta": 7})
    monkeypatch.setattr(landed_month, "await_facts", lambda *_: late)
    refused = stack.run("close", MONTH, code=1)
    assert refused.stderr.startswith("mailsla-sinks is 7 records behind; run mailsla drain first")
    before = told(stack)
    (closing,) = stack.json("close", MONTH, "--tenant", "tenant-001", "--force")
    ((_, event),) = told(stack) - before
    assert closing["provisional"] is json.loads(event)["data"]["provisional"] is True
    table = stack.out("close", MONTH, "--tenant", "tenant-001", "--force")
    assert "1*" in table
    assert (
        "* provisional: the month was not over, records were still to land, or a later notice "
        "decides days of it" in table
    )


def _as_text(text, number):
    """The exact text of the event, if the number is the nearest double to it."""
    return text if text is None or float(text) == number else number


def complaint(tenant):
    """A complaint that nobody ever answers."""
    fields = {
        "id": "complaint-1",
        "source": "desk.example.net",
        "type": "complaint.received",
        "tenant_id": tenant,
        "time": "2025-10-14T10:00:00+08:00",
        "case_id": "complaint-1",
        "origin": "own_domain",
    }
    return Record("mail.abuse", tenant.encode(), json.dumps(fields).encode())


def late_message(tenant, number):
    """A message of the closed month that is heard of only now; slow, so that it matters."""
    fields = {
        "id": f"late-{number}",
        "source": "mx9.example.net/postfix",
        "type": "message.delivered",
        "tenant_id": tenant,
        "time": "2025-10-20T12:02:00+08:00",
        "accepted_at": "2025-10-20T10:00:00+08:00",
        "message_id": f"LATE-{number}",
        "direction": "inbound",
        "recipient": f"user@{tenant}.example.cn",
    }
    return Record("mail.mta", tenant.encode(), json.dumps(fields).encode())


class Traffic(threading.Thread):
    """Late messages of the closed month, as fast as they are taken, until it is ended."""

    def __init__(self, settings):
        super().__init__(daemon=True)
        self._settings, self._ended, self.sent = settings, threading.Event(), 0

    def run(self):
        while not self._ended.is_set():
            records = [
                late_message(f"tenant-00{1 + n % TENANTS}", n)
                for n in range(self.sent, self.sent + 50)
            ]
            publish(self._settings, records)
            self.sent += len(records)

    def end(self):
        self._ended.set()
        self.join()


def late_rows(clickhouse):
    return ask(
        clickhouse,
        "SELECT count() FROM mta_events FINAL WHERE source = 'mx9.example.net/postfix'",
    )[0][0]


def test_a_closing_under_live_traffic_waits_for_nobody_and_sees_its_cutoff_only(
    stack, clickhouse, blank
):
    stack.run("close", MONTH)
    traffic = Traffic(load(stack.state_file))
    traffic.start()
    try:
        wait_for(lambda: late_rows(clickhouse) >= 200)
        begun = time.monotonic()
        (closing, *_) = closings = stack.json("close", MONTH)
        took = timedelta(seconds=time.monotonic() - begun)
        closed = late_rows(clickhouse)
        wait_for(lambda: late_rows(clickhouse) > closed)
    finally:
        traffic.end()
    stack.out("drain")
    assert [each["revision"] for each in closings] == [2] * TENANTS
    landed = (
        "SELECT countIf(landed_at <= {cutoff:DateTime64(6, 'UTC')}), "
        "countIf(landed_at > {cutoff:DateTime64(6, 'UTC')}"
        " AND landed_at <= {closed:DateTime64(6, 'UTC')}), count() "
        "FROM mta_events FINAL WHERE source = 'mx9.example.net/postfix'"
    )
    moments = {
        "cutoff": closing["cutoff"].replace("Z", ""),
        "closed": closing["closed_at"].replace("Z", ""),
    }
    ((seen, meanwhile, every),) = clickhouse.query(landed, parameters=moments).result_rows
    assert meanwhile > 0, f"nothing landed during the closing, which took {took}"
    assert every == traffic.sent > seen > 0
    again = {
        (each["tenant_id"], each["revision"]): each["items"]
        for each in stack.json("close", MONTH, "--verify")
    }
    assert all(again[each["tenant_id"], 2] == each["items"] for each in closings)
    exceedances = {
        revision: sum(
            item["observed"]
            for (_, number), items in again.items()
            for item in items
            if number == revision and item["indicator"] == "latency.exceedances"
        )
        for revision in (1, 2)
    }
    assert exceedances[2] - exceedances[1] == seen, "what landed by the cutoff, and nothing else"


def test_the_difference_and_its_causes_are_shown(stack, clickhouse):
    """After the closing under traffic."""
    shown = stack.out("close", MONTH, "--diff", "--tenant", "tenant-002")
    assert max(map(len, shown.splitlines())) <= WIDE
    assert shown.startswith("tenant-002 2025-10: revision 1 → 2\n  landed by 20")
    assert "latency.exceedances" in shown
    assert "LATE-" in shown
    (document,) = stack.json("close", MONTH, "--diff", "--tenant", "tenant-002")
    causes = document["causes"]
    assert causes["total"] > len(causes["events"]) == 20
    assert {event["type"] for event in causes["events"]} == {"message.delivered"}
    assert f"because of {causes['total']} events that landed in between, the first 20" in shown
    refused = stack.run("close", MONTH, "--diff", "--from", "8", "--to", "9", code=1)
    assert refused.stderr.startswith("No tenant has the revisions 8 and 9")


def test_a_figure_is_explained_in_words_and_numbers(stack):
    """After two revisions."""
    asked = ("explain", "tenant-002", "latency.receive.mean", MONTH)
    shown = stack.out(*asked)
    lines = shown.splitlines()
    assert max(map(len, lines)) <= WIDE
    assert lines[0] == "tenant-002  latency.receive.mean  2025-10  revision 2"
    steps = [line.split()[:2] for line in lines[1:] if line[:1].isdigit()]
    assert [name for _, name in steps] == [
        "facts", "contract", "promise", "period", "reading", "rows", "exclusions", "arithmetic",
        "verdict",
    ]  # fmt: skip
    assert "2025-10-01 00:00 to 2025-11-01 00:00 Asia/Shanghai" in shown
    documents = [stack.json(*asked, "--revision", str(number)) for number in (1, 2)]
    for document in documents:
        assert document["agrees"]
        assert document["value"] == document["item"]["observed"]
        assert len(document["rows"]) == 20 < document["rows_total"]
        assert document["period"]["length_s"] == 31 * 86_400
    assert documents[0]["value"] < 60 < documents[1]["value"]
    assert documents[1]["rows"][0]["amount"] == 7320
    days = stack.out("explain", "tenant-001", "backup.incremental", MONTH)
    assert "0 of 31 rows = 0" in days
    stack.run("explain", "tenant-001", "backup.unheard", MONTH, code=2)


def test_credits_are_exported_with_their_reversals_and_totals(stack, clickhouse, tmp_path):
    """After two revisions."""
    ledger = stack.json("credits", MONTH)
    kinds = {(row["revision"], row["kind"]) for row in ledger["ledger"]}
    assert kinds == {(1, "issue"), (2, "reversal"), (2, "issue")}
    services = [row for row in ledger["totals"] if row["remedy"] == "double_service"]
    assert {(row["times"], row["days"]) for row in services} == {(1, 31)}
    waivers = [row for row in ledger["totals"] if row["remedy"] == "fee_waiver"]
    assert {(row["amount"], row["currency"]) for row in waivers} == {("1200.50", "CNY")}
    path = tmp_path / "ledger.csv"
    assert stack.out("credits", "--all", "--csv", "-o", str(path)) == ""
    with path.open(newline="") as file:
        exported = list(csv.DictReader(file))
    assert len(exported) == len(ledger["ledger"]) == count(clickhouse, "credits")
    assert exported[0].keys() == ledger["ledger"][0].keys()
    table = stack.out("credits", MONTH, "--tenant", "tenant-002")
    assert "reversal" in table
    assert max(map(len, table.splitlines())) <= WIDE
    assert stack.json("credits", "2025-09") == {"ledger": [], "totals": []}
    stack.run("credits", code=2)
