# ruff: noqa: E501 (log lines stand as Postfix writes them)
"""The mail-log task: what a crash anywhere in a checkpoint, a redelivery or silence does to it."""

import json
from base64 import b64decode
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postfix_corpus import LONG_ID_LOG, RSYSLOG_JSON, SITE, latency, raw_lines, scenario

from mailsla.schemas.topics import ASSEMBLER_STATE, DEAD_LETTERS, MTA, OPS, RAW_MAILLOG
from mailsla.streams.connectors.postfix import OwnRelays, PostfixConnector, Site
from mailsla.streams.maillog import state, task
from mailsla.streams.maillog.rekeying import HOLD_S
from mailsla.streams.maillog.task import MaillogTask
from mailsla.streams.runtime.checkpoint.state_log import StateError
from mailsla.streams.runtime.faust_app.batches import LOG_APPEND_TIME, RecordBatch

RECEIVED_US = 1_795_400_000_000_000  # the morning after the corpus
HANDED_ON = """
2026-11-22T08:00:00.0+00:00 mx postfix/submissions/smtpd[10]: 4jXSs86QcVzK5wh: client=pc[10.1.1.1], sasl_method=PLAIN, sasl_username=u1@tenant-a.test
2026-11-22T08:00:05.0+00:00 mx postfix/cleanup[11]: 4jXSs86QcVzK5wh: message-id=<m1@tenant-a.test>
2026-11-22T08:00:06.0+00:00 mx postfix/qmgr[12]: 4jXSs86QcVzK5wh: from=<u1@tenant-a.test>, size=10, nrcpt=1 (queue active)
2026-11-22T08:00:07.0+00:00 mx postfix/smtp[13]: 4jXSs86QcVzK5wh: to=<u@tenant-b.test>, relay=none, delay=1, delays=1/0/0/0, dsn=4.4.1, status=deferred (connect to store.test[10.0.0.2]:25: Connection refused)
2026-11-22T08:20:07.0+00:00 mx postfix/smtp[13]: 4jXSs86QcVzK5wh: to=<u@tenant-b.test>, relay=store.test[10.0.0.2]:25, delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (250 ok)
2026-11-22T08:20:07.0+00:00 mx postfix/qmgr[12]: 4jXSs86QcVzK5wh: removed
"""
HANDED_ON_SITE = Site(SITE.tenants, OwnRelays(["store.test"]))


class Log:
    """A partition of raw.maillog, the topics a task writes to, and what is durable of them."""

    def __init__(self, records, site=SITE):
        self.records, self.site = records, site
        self.state, self.events, self.dead = {}, [], []
        self.progress, self.rekeyed = [], []
        self.committed = 0
        self.restart()

    def restart(self, now_s=0.0):
        self.task = MaillogTask(3, self.site)
        self.task.restore(dict(self.state), now_s)

    def batch(self, start, end):
        records = self.records[start:end]
        return RecordBatch(
            RAW_MAILLOG.name,
            3,
            np.arange(start, start + len(records)),
            [key for key, _ in records],
            [value for _, value in records],
            np.full(len(records), RECEIVED_US),
            LOG_APPEND_TIME,
        )

    def apply(self, start, end, now_s=0.0):
        if start >= len(self.records):
            return 0
        return self.task.apply(self.batch(start, end), 0, now_s)

    def checkpoint(self, durable=None):
        """Make all of a checkpoint durable, or only its first records; whether it was all."""
        made = self.task.checkpoint()
        everything = [*made.records, made.head]
        for record in everything[:durable]:
            assert record.value is None or len(record.value) < 1_000_000
            if record.topic == ASSEMBLER_STATE.name:
                assert record.partition == 3
                self.state.pop(record.key, None)
                if record.value is not None:
                    self.state[record.key] = record.value
            elif record.topic == MTA.name:
                event = json.loads(record.value)
                assert record.key == event["tenant_id"].encode()
                self.events.append(event)
            elif record.topic == OPS.name:
                assert record.key == b"*"
                self.progress.append(json.loads(record.value))
            elif record.topic == RAW_MAILLOG.name:
                self.rekeyed.append((record.key, record.value))
            else:
                assert record.topic == DEAD_LETTERS.name
                self.dead.append((record.key, json.loads(record.value)))
        if durable is not None and durable < len(everything):
            return False
        self.task.settle()
        self.committed = made.offsets.get((RAW_MAILLOG.name, 3), self.committed)
        return True


def two_hosts(lines):
    """The lines of a log as two hosts wrote it, each keyed by itself."""
    records = []
    for line in lines:
        records.append((b"vm", line))
        records.append((b"mx2", line.replace(b" vm ", b" mx2 ", 1)))
    return records


RECORDS = two_hosts(raw_lines(LONG_ID_LOG)[:250])


def expected(records, site=SITE):
    connectors = {key: PostfixConnector(site) for key, _ in records}
    return [
        event for key, line in records for event in connectors[key].feed(line, host=key.decode())
    ]


EXPECTED = expected(RECORDS)


def by_identity(events):
    return {(event["source"], event["id"]): event for event in events}


def test_the_events_are_the_connector_s_whatever_the_cut():
    log = Log(RECORDS)
    for start in range(0, len(RECORDS), 37):
        assert log.apply(start, start + 37) == min(37, len(RECORDS) - start)
        log.checkpoint()
    assert log.events == EXPECTED
    assert log.committed == len(RECORDS)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 120), st.integers(0, 100)), min_size=3, max_size=8))
def test_a_crash_at_any_record_of_a_checkpoint_changes_no_event(steps):
    log = Log(RECORDS)
    at = 0
    for count, durable in [*steps, (len(RECORDS), 10**9)]:
        log.apply(at, at + count)
        at = min(at + count, len(RECORDS))
        if not log.checkpoint(durable):
            log.restart()
            at = log.committed
    # After a crash between the head and the commit, what was applied comes once more.
    log.restart()
    assert log.apply(0, len(RECORDS)) == 0
    assert log.events[-1:] == EXPECTED[-1:]
    assert by_identity(log.events) == by_identity(EXPECTED)


def test_what_was_applied_is_skipped_and_its_offset_committed_again():
    log = Log(RECORDS)
    log.apply(0, 100)
    log.checkpoint()
    made = len(log.events)
    log.restart()
    log.committed = 0
    assert log.apply(0, 60) == 0
    assert log.task.dirty
    log.checkpoint()
    assert log.committed == 100
    assert log.apply(50, 120) == 20
    log.checkpoint()
    assert by_identity(log.events) == by_identity(expected(RECORDS[:120]))
    assert len(log.events) >= made


def test_only_hosts_that_changed_are_written():
    log = Log(RECORDS)
    log.apply(0, 100)
    log.checkpoint()
    log.records = [(b"vm", line) for line in raw_lines(LONG_ID_LOG)[50:60]]
    log.records = [*RECORDS[:100], *log.records]
    log.apply(100, 110)
    made = log.task.checkpoint()
    written = [r.key for r in made.records if r.topic == ASSEMBLER_STATE.name]
    assert {key.rsplit(b"/")[-1] for key in written} == {b"vm"}
    assert made.head.key == b"head"


def test_a_large_state_is_cut_into_records_and_a_smaller_one_leaves_none_behind(monkeypatch):
    monkeypatch.setattr(state, "CHUNK_BYTES", 300)
    log = Log([(b"vm", line) for line in raw_lines(LONG_ID_LOG)])
    counts = []
    for start in range(0, len(log.records), 250):
        log.apply(start, start + 250)
        log.checkpoint()
        counts.append(len(log.state) - 1)
        log.restart()
    assert max(counts) > 10
    log.apply(0, len(log.records))
    log.checkpoint()
    head = state.MaillogState(3)
    head.read(log.state)
    (stored,) = head._hosts.values()
    assert len(log.state) == 1 + sum(stored.chunks)
    assert by_identity(log.events) == by_identity(expected(log.records))


def test_a_host_beyond_the_limit_is_forgotten_only_once_the_head_without_it_is_durable(monkeypatch):
    monkeypatch.setattr(task, "_KEY_LIMIT", 1)
    removed = b"2026-11-22T08:00:00.0+00:00 %b postfix/qmgr[1]: AAAAA1: removed"
    log = Log([(host, removed % host) for host in (b"a", b"b", b"b")])
    log.apply(0, 2)
    log.checkpoint()
    assert {key for key in log.state if key.endswith(b"/a")}
    log.apply(2, 3)
    assert not log.checkpoint(durable=1)
    log.restart()
    assert log.task.open_messages == 0
    log.apply(2, 3)
    log.checkpoint()
    assert {key for key in log.state if key.endswith(b"/a")}, "its records counted until just now"
    log.restart()
    log.apply(0, 3)
    log.checkpoint()
    assert {key for key in log.state if key.endswith(b"/a")} == set()


def test_a_missing_record_of_the_state_is_an_error_with_the_remedy():
    log = Log(RECORDS)
    log.apply(0, 100)
    log.checkpoint()
    del log.state[b"0/0/vm"]
    with pytest.raises(StateError, match=r"'vm' is missing .*delete the topic mailsla.assembler"):
        log.restart()


def test_what_no_line_can_be_made_of_is_a_dead_letter_and_stops_nothing():
    whole = raw_lines(RSYSLOG_JSON)
    bad = [b'{"level": "info"}', b'{"message": ']
    log = Log([(b"vm", line) for line in [*whole[:200], *bad, None, b"hello", *whole[200:]]])
    log.apply(0, len(log.records))
    log.checkpoint()
    assert by_identity(log.events) == by_identity(expected([(b"vm", line) for line in whole]))
    letters = [letter for _, letter in log.dead]
    assert [b64decode(letter["value_b64"]) for letter in letters] == bad
    assert [(one["topic"], one["partition"], one["offset"]) for one in letters] == [
        (RAW_MAILLOG.name, 3, 200),
        (RAW_MAILLOG.name, 3, 201),
    ]
    assert "has no text" in letters[0]["reason"]
    assert "not" in letters[1]["reason"]
    assert log.task.counters.tombstones == 1


@pytest.mark.parametrize("restart", [False, True])
def test_time_passes_on_a_silent_host_by_its_own_log(restart):
    #  line … line   1 min   …      59 min silent   61 min silent
    #  accepted, deferred           nothing          discarded
    log = Log([(b"mx", line) for line in scenario(HANDED_ON)], HANDED_ON_SITE)
    log.apply(0, len(log.records), now_s=1000.0)
    log.checkpoint()
    before = [event["type"] for event in log.events]
    assert before == ["message.accepted", "message.deferred"]
    if restart:
        log.restart(now_s=1000.0)
    for elapsed in range(0, 59 * 60, 30):
        log.task.advance(1000.0 + elapsed)
        if log.task.dirty:
            log.checkpoint()
    assert [event["type"] for event in log.events] == before
    log.task.advance(1000.0 + 61 * 60)
    assert log.task.dirty
    log.checkpoint()
    assert [event["type"] for event in log.events] == [*before, "message.discarded"]
    log.restart()
    log.task.advance(10_000.0)
    assert not log.task.dirty


def test_rfc_3164_years_come_from_the_time_the_broker_received_a_line():
    line = b"Nov 22 08:00:06 mx postfix/smtpd[1]: NOQUEUE: reject: RCPT from x[192.0.2.9]: 550 5.1.1 <u@tenant-b.test>: Recipient address rejected: User unknown; from=<a@ext.test> to=<u@tenant-b.test> proto=ESMTP helo=<x>"
    log = Log([(b"mx", line)])
    log.apply(0, 1)
    log.checkpoint()
    assert [event["time"][:10] for event in log.events] == ["2026-11-22"]


def forty_messages():
    """The lines of forty messages of one host, two seconds apart."""
    return [
        line.replace(b"09:00:", b"09:%02d:" % number).replace(b"EA1C0E2B0D", b"EA1C0E%04d" % number)
        for number in range(40)
        for line in FORTY
    ]


FORTY = scenario("""
    2026-11-22T09:00:00.0+08:00 mx1 postfix/submission/smtpd[4100]: EA1C0E2B0D: client=pc7[10.8.0.7], sasl_method=PLAIN, sasl_username=u1@tenant-a.test
    2026-11-22T09:00:00.1+08:00 mx1 postfix/cleanup[4101]: EA1C0E2B0D: message-id=<EA1C0E2B0D@tenant-a.test>
    2026-11-22T09:00:00.2+08:00 mx1 postfix/qmgr[900]: EA1C0E2B0D: from=<u1@tenant-a.test>, size=2100, nrcpt=1 (queue active)
    2026-11-22T09:00:00.9+08:00 mx1 postfix/smtp[4102]: EA1C0E2B0D: to=<who@far.test>, relay=mx.far.test[192.0.2.25]:25, delay=0.9, delays=0.2/0/0.2/0.2, dsn=2.0.0, status=sent (250 ok)
    2026-11-22T09:00:01.0+08:00 mx1 postfix/qmgr[900]: EA1C0E2B0D: removed
""")


@pytest.mark.parametrize("key", [None, b"filebeat"])
@pytest.mark.parametrize("shape", ["plain", "json"])
def test_records_without_their_hosts_key_are_brought_together_once_and_in_order(key, shape):
    lines = forty_messages()
    wrapped = [
        line if shape == "plain" else json.dumps({"message": line.decode()}).encode()
        for line in lines
    ]
    # Four partitions, read one after the other.
    again = []
    for partition in range(4):
        log = Log([(key, value) for value in wrapped[partition::4]])
        log.apply(0, len(lines))
        log.task.advance(100.0)
        log.checkpoint()
        assert log.events == []
        again += log.rekeyed
    assert [under for under, _ in again] == [b"mx1"] * len(lines)
    there = Log(again)
    for start in range(0, len(again), 50):
        there.apply(start, start + 50, now_s=start / 1000)
        there.checkpoint()
        assert there.committed == 0, "a drain waits for what waits for its order"
    there.restart(now_s=1.0)  # killed: what waits is in the state
    there.apply(0, len(again), now_s=1.0)
    there.task.advance(2.0)
    there.checkpoint()
    assert there.events == there.rekeyed == []
    there.task.advance(1.0 + HOLD_S)
    there.checkpoint()
    assert there.committed == len(again)
    assert there.rekeyed == [], "once"
    assert by_identity(there.events) == by_identity(expected([(b"mx1", line) for line in lines]))
    starts = [event for event in there.events if event["type"] == "message.dispatched"]
    assert {(round(latency(event), 3), event["estimate"]) for event in starts} == {(0.3, "exact")}
    assert len(starts) == 40


@pytest.mark.parametrize("key", [b"mx1", b"mx1.provider.test", b"MX1"])
def test_a_host_may_be_named_with_its_domain(key):
    log = Log([(key, line) for line in forty_messages()])
    log.apply(0, 200)
    log.checkpoint()
    assert len(log.events) == 80
    assert log.rekeyed == []


def test_a_record_that_names_no_host_and_has_no_key_is_a_dead_letter():
    text = "EA1C0E2B0D: removed"
    nowhere = json.dumps(
        {"message": text, "program": "postfix/qmgr", "time": "2026-11-22T09:00:00Z"}
    )
    unnamed = b"Nov 22 09:00:00 postfix/qmgr[900]: EA1C0E2B0D: removed"
    other = b"2026-11-22T09:00:00Z mx1 dovecot: imap-login: Login"
    log = Log([(None, nowhere.encode()), (b"", unnamed), (None, other), (b"mx1", unnamed)])
    log.apply(0, 4)
    log.checkpoint()
    assert [letter["offset"] for _, letter in log.dead] == [0, 1]
    assert all("key raw.maillog by the host" in letter["reason"] for _, letter in log.dead)
    assert log.rekeyed == log.events == []
    assert log.task.counters.unreadable == 2


def test_a_log_that_is_read_to_its_end_says_how_far_it_is_known():
    log = Log([(b"mx1", line) for line in forty_messages()])
    log.apply(0, 100)
    for now_s in (1.0, 2.0, 32.0, 33.0):
        log.task.advance(now_s)
        log.checkpoint()
    log.apply(100, 200, now_s=40.0)
    for now_s in (41.0, 63.0):
        log.task.advance(now_s)
        log.checkpoint()
    assert [(event["of"], event["tenant_id"], event["time"]) for event in log.progress] == [
        ("mx1/postfix", "*", "2026-11-22T01:19:01.000000+00:00"),
        ("mx1/postfix", "*", "2026-11-22T01:39:01.000000+00:00"),
    ]


def test_a_batch_of_the_log_that_cannot_be_read_is_a_dead_letter_with_its_reason():
    log = Log([(None, b""), *RECORDS[:10]])
    batch = replace(log.batch(0, 11), unreadable={0: "a batch of records cannot be read: why"})
    assert log.task.apply(batch, 0, 0.0) == 11
    log.checkpoint()
    ((_, letter),) = log.dead
    assert letter["reason"] == "a batch of records cannot be read: why"
    assert (letter["topic"], letter["offset"], letter["field"]) == (RAW_MAILLOG.name, 0, None)


def test_of_a_line_beyond_the_bound_a_part_is_read_and_it_is_counted():
    (key, line), *_ = RECORDS
    log = Log([(key, line), (key, line.rstrip(b"\n") + b"x" * 900_000 + b"\n")])
    log.apply(0, 2)
    assert (log.task.cut_lines, log.task.counters.lines) == (1, 2)
    log.checkpoint()
    assert sum(len(value) for value in log.state.values()) < 100_000
    log.restart()
    assert log.task.cut_lines == 1
