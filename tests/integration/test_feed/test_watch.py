"""`mailsla watch` against a real broker."""

import json
import os
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from mailsla.sinks.embedded.ports import resolve_port
from mailsla.streams.cli.main import cli
from mailsla.streams.cli.support import breach_feed_reader
from mailsla.streams.settings import ConfigurationError
from tests.integration.test_feed.conftest import command, deliver_again, variables
from tests.stack import wait_for

pytestmark = pytest.mark.kafka

PROGRAM = (sys.executable, "-m", "mailsla.streams.cli.main", "watch")
WIDE = 100
STATES = r"(at risk  |failing  |recovered|breached |withdrawn|burning  )"
LINE = re.compile(rf"\d\d:\d\d:\d\d [A-Za-z0-9._*-]+ +{STATES} .+ \d{{4}}-\d\d +\d{{1,2}}$")


DAY = re.compile(r"\d{4}-\d\d-\d\d, times in UTC")


def without_days(text):
    return [line for line in text.splitlines() if not DAY.match(line)]


def watched(stack, *options):
    """The lines of what is there, without the heading and the dates."""
    lines = command(stack, "watch", "--until-end", *options).splitlines()[1:]
    return without_days("\n".join(lines))


def causes(told):
    """What has a line of its own: of the levels of a burning budget at one instant the worst."""
    return {
        (
            (each["subject"], data["indicator"], data["event_time"], data["burn"]["active"])
            if data.get("burn")
            else each["id"]
        )
        for each, data in ((each, each["data"]) for each in told)
    }


def test_what_is_there_is_shown_once_in_lines_that_fit(stack, told):
    lines = watched(stack)
    assert len(lines) == len(causes(told.values()))
    for line in lines:
        assert LINE.match(line), line
        assert len(line) <= WIDE
    (slow,) = [line for line in lines if "acme" in line and "breached" in line]
    assert "Messages over the maximum latency" in slow
    assert "2 (< 2)" in slow
    ratio = next(line for line in lines if "Share of the month connected" in line)
    assert re.search(r"99\.\d+ % \(≥ 99\.9 %\)", ratio)


def test_json_is_the_events_as_they_are(stack, told):
    shown = command(stack, "watch", "--until-end", "--json").splitlines()
    assert {event["id"]: event for event in map(json.loads, shown)} == told
    assert len(shown) == len(told)


def test_tenant_indicator_and_time_choose(stack, told):
    mine = watched(stack, "--tenant", "acme", "--tenant", "cedar")
    theirs = [each for each in told.values() if each["subject"] in {"acme", "cedar"}]
    assert len(mine) == len(causes(theirs))
    connected = command(
        stack, "watch", "--until-end", "--json", "--indicator", "connectivity"
    ).splitlines()
    assert {json.loads(each)["data"]["indicator"] for each in connected} == {
        "connectivity.downtime",
        "connectivity.ratio",
    }
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert watched(stack, "--since", soon) == []
    assert len(watched(stack, "--since", "1h")) == len(causes(told.values()))


def test_it_follows_until_ctrl_c(stack, feed, tmp_path):
    """Nothing of the past; an event that comes twice while it looks on is one line."""
    with open(tmp_path / "out", "w") as out:
        process = subprocess.Popen(
            PROGRAM, stdout=out, stderr=out, env=os.environ | variables(stack)
        )
        try:
            wait_for(lambda: (tmp_path / "out").stat().st_size, what="the heading")
            deliver_again(stack, feed[1])
            deliver_again(stack, feed[1])
            deliver_again(stack, feed[2])
            wait_for(lambda: len(without_days((tmp_path / "out").read_text())) >= 3)
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.wait()
    _, *lines = without_days((tmp_path / "out").read_text())
    assert len(lines) == 2
    subjects = [json.loads(feed[place].value)["subject"] for place in (1, 2)]
    assert all(any(subject in line for line in lines) for subject in subjects)


def test_without_a_broker_it_says_so_in_a_sentence(monkeypatch):
    monkeypatch.setattr(breach_feed_reader, "_CONNECT_MS", 500)
    nobody = {"MAILSLA_KAFKA": f"127.0.0.1:{resolve_port(0, 'nobody')}"}
    done = CliRunner().invoke(cli, ["watch"], env=nobody)
    assert isinstance(done.exception, ConfigurationError)
    assert "no Kafka broker answers" in str(done.exception)
    assert "mailsla up" in str(done.exception)


def test_a_broker_that_goes_away_ends_it_with_a_sentence(stack, monkeypatch):
    monkeypatch.setattr(breach_feed_reader, "_QUIET_S", 0.5)
    monkeypatch.setattr(breach_feed_reader, "_ASKED_MS", 1_000)
    with breach_feed_reader.Feed(stack.settings) as reading:
        records = reading.records(datetime(2020, 1, 1, tzinfo=UTC), until_end=False)
        for _ in stack.read("sla.breaches"):
            next(records)
        with (
            stack.broker.held(),
            pytest.raises(ConfigurationError, match="no Kafka broker answers"),
        ):
            next(records)
