"""Mail-log lines on `raw.maillog`, in every shipper's shape, assembled by the live worker."""

import json
import re
from datetime import datetime

import pytest

from mailsla.streams.cli.support.doctor.checks import mail_log_finding
from mailsla.streams.runtime.kafka.drain import announce_maillog, lags
from tests.integration.shipping import broker_with_topics, by_identity, published, write_domains
from tests.stack import wait_for
from tests.unit.postfix_corpus import LONG_ID_LOG, raw_lines, ship

pytestmark = pytest.mark.embedded

RAW = "raw.maillog"
PARTS = re.compile(r"(\S+) (\S+) ([^\[: ]+)(?:\[(\d+)\])?: (.*)", re.DOTALL)


def rsyslog(line, stamp, host, program, pid, text):
    tag = f"{program}[{pid}]:" if pid else f"{program}:"
    return {"@timestamp": stamp, "host": host, "syslog-tag": tag, "message": f" {text}"}


def filebeat(line, stamp, host, program, pid, text):
    return {"@timestamp": "2026-11-22T13:00:00Z", "log": {"offset": 7}, "message": line}


def vector_syslog(line, stamp, host, program, pid, text):
    fields = {"timestamp": stamp, "hostname": host, "appname": program, "message": text}
    return fields | ({"procid": int(pid)} if pid else {})


def fluent_bit(line, stamp, host, program, pid, text):
    date = datetime.fromisoformat(stamp).timestamp()
    return {"date": date, "host": host, "ident": program, "pid": pid, "log": text}


def journald(line, stamp, host, program, pid, text):
    micros = round(datetime.fromisoformat(stamp).timestamp() * 1_000_000)
    return {
        "MESSAGE": text,
        "_HOSTNAME": host,
        "SYSLOG_IDENTIFIER": program,
        "SYSLOG_PID": pid,
        "__REALTIME_TIMESTAMP": str(micros),
    }


def plain(line, *_):
    return line


SHAPES = [plain, rsyslog, filebeat, vector_syslog, fluent_bit, journald]


def odd_lines(host):
    """A message with a result that nobody knows, at the beginning of the host's log."""
    head = lines_of(host)[0].split()[0].decode() + f" {host} postfix"
    for line in (
        f"{head}/smtpd[1]: EA1C0E2B07: client=pc[10.8.0.7], sasl_username=li@tenant-a.test",
        f"{head}/qmgr[2]: EA1C0E2B07: from=<li@tenant-a.test>, size=1, nrcpt=1 (queue active)",
        f"{head}/smtp[3]: EA1C0E2B07: to=<x@far.example>, relay=mx[192.0.2.1]:25, delay=1, "
        "delays=0/0/0/1, dsn=2.0.0, status=unheard-of (text)",
    ):
        yield RAW, host.encode(), line.encode()


def lines_of(host):
    return [line.replace(b" vm ", f" {host} ".encode(), 1) for line in raw_lines(LONG_ID_LOG)]


def shipped(shape):
    """The log of a host as one shipper puts it on Kafka."""
    host = shape.__name__.replace("_", "-")
    records = []
    for raw in lines_of(host):
        line = raw.decode().rstrip("\n")
        record = shape(line, *PARTS.match(line).groups())
        value = record if isinstance(record, str) else json.dumps(record)
        records.append((RAW, host.encode(), value.encode()))
    return records


def all_shapes():
    """The records of all hosts, taking turns."""
    return [record for turn in zip(*map(shipped, SHAPES), strict=True) for record in turn]


def direct():
    """What the connector makes of the same lines when it reads them as files."""
    hosts = [shape.__name__.replace("_", "-") for shape in SHAPES]
    return by_identity(event for host in hosts for event in ship(lines_of(host))[0])


@pytest.mark.parametrize("broker", ["tansu", pytest.param("kafka", marks=pytest.mark.kafka)])
def test_every_shape_gives_the_direct_path_s_events_also_through_a_kill(tmp_path, broker):
    expected = direct()
    assert len(expected) == 401 * len(SHAPES)
    records = all_shapes()
    settings = {
        "maillog_tenants": str(write_domains(tmp_path)),
        "checkpoint_s": "0.2",
        "fetch_bytes": "65536",
    }
    with broker_with_topics(tmp_path / "data", broker) as stack:
        announce_maillog(stack.settings)
        third = len(records) // 3
        stack.publish([*odd_lines("plain"), *records[:third]])
        worker = stack.worker("streams", **settings)
        wait_for(lambda: stack.applied("streams", RAW), what="a first checkpoint")
        stack.publish(records[third : 2 * third])
        worker.kill()
        stack.publish([*records[2 * third :], (RAW, b"plain", b'{"level": "info"}')])
        assert raw_lag(stack) > 0
        worker = stack.worker("streams", **settings)
        wait_for(lambda: raw_lag(stack) == 0, what="the end of raw.maillog")
        events = published(stack)
        assert all(key == event["tenant_id"] for key, event in events)
        assert by_identity(event for _, event in events) == expected
        if broker == "kafka":
            assert len(events) == len(expected), "transactions: nothing is published twice"
        (letter,) = (json.loads(record.value) for record in stack.read("sla.dead_letters"))
        assert (letter["topic"], "has no text" in letter["reason"]) == (RAW, True)
        found = mail_log_finding(stack.settings)
        assert (found.state, "lines not understood: 1 of 1 kinds" in found.detail) == ("note", True)
        assert "smtp: status=unheard-of, the first: postfix/smtp[3]: EA1C0E2B07" in found.detail
        assert worker.terminate() == 0


def raw_lag(stack):
    """Records of the topic the live group has still to commit, as a drain sees it."""
    (lag,) = (lag for lag in lags(stack.settings) if lag.group == "mailsla-streams")
    return lag.by_topic.get(RAW, 0)


def test_without_a_map_the_topic_is_left_alone_and_no_drain_waits_for_it(tmp_path):
    with broker_with_topics(tmp_path / "data") as stack:
        stack.publish(shipped(plain)[:10])
        worker = stack.worker("streams")
        stack.publish([("mail.support", b"acme", b"not json")])
        wait_for(lambda: "is not read: MAILSLA_MAILLOG_TENANTS" in worker.log, what="the notice")
        wait_for(lambda: stack.applied("streams", "mail.support"), what="the other topics")
        assert worker.log.count("is not read") == 1
        assert raw_lag(stack) == 0
        assert published(stack) == []
        configured = stack.settings.model_copy(update={"maillog_tenants": tmp_path})
        (lag,) = (lag for lag in lags(configured) if lag.group == "mailsla-streams")
        assert set(lag.by_topic) == {RAW}
