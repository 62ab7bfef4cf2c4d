# ruff: noqa: E501 (log lines stand as Postfix writes them)
"""Bounds and odd circumstances of the assembler: memory, clocks, held and forwarded mail."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from postfix_corpus import SITE, brief, latency, scenario, ship

from mailsla.streams.connectors.postfix import Limits, PostfixConnector, Site, TenantMap

HEAD = """
2026-11-22T08:00:00.000000+00:00 mx postfix/submissions/smtpd[10]: 4jXSs86QcVzK5wh: client=pc[10.1.1.1], sasl_method=PLAIN, sasl_username=u1@tenant-a.test
2026-11-22T08:00:05.000000+00:00 mx postfix/cleanup[11]: 4jXSs86QcVzK5wh: message-id=<m1@tenant-a.test>
2026-11-22T08:00:06.000000+00:00 mx postfix/qmgr[12]: 4jXSs86QcVzK5wh: from=<other@foreign.test>, size=10, nrcpt=1 (queue active)
"""


FILTERED = """
2026-11-22T08:00:00.000000+00:00 mx postfix/submission/smtpd[10]: AAAAA1: client=pc[10.1.1.1], sasl_method=PLAIN, sasl_username=u1@tenant-a.test
2026-11-22T08:00:00.100000+00:00 mx postfix/cleanup[11]: AAAAA1: message-id=<m1@x>
2026-11-22T08:00:00.200000+00:00 mx postfix/qmgr[12]: AAAAA1: from=<s@unmapped.test>, size=10, nrcpt=1 (queue active)
2026-11-22T08:00:04.000000+00:00 mx postfix/smtpd[20]: AAAAA2: client=localhost[127.0.0.1]
2026-11-22T08:00:04.100000+00:00 mx postfix/cleanup[11]: AAAAA2: message-id=<m1@x>
2026-11-22T08:00:04.200000+00:00 mx postfix/qmgr[12]: AAAAA2: from=<s@unmapped.test>, size=10, nrcpt=1 (queue active)
2026-11-22T08:00:04.300000+00:00 mx postfix/smtp[13]: AAAAA1: to=<x@ext.test>, relay=127.0.0.1[127.0.0.1]:9999, delay=4.3, delays=0.2/0/0/4.1, dsn=2.0.0, status=sent (250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as AAAAA2)
2026-11-22T08:00:04.400000+00:00 mx postfix/qmgr[12]: AAAAA1: removed
2026-11-22T08:00:05.000000+00:00 mx postfix/smtp[14]: AAAAA2: to=<x@ext.test>, relay=mx[192.0.2.1]:25, delay=1, delays=0.2/0/0.5/0.3, dsn=2.0.0, status=sent (250 ok)
2026-11-22T08:00:05.100000+00:00 mx postfix/qmgr[12]: AAAAA2: removed
"""


def sent(text, site=SITE):
    events, connector = ship(scenario(text), site)
    return events, connector


def only(events, kind):
    (event,) = [event for event in events if event["type"] == f"message.{kind}"]
    return event


def test_mail_of_nobodys_domain_is_counted_not_published():
    events, connector = sent(
        HEAD.replace("u1@tenant-a.test", "u1@elsewhere.test")
        + "2026-11-22T08:00:08.5+00:00 mx postfix/smtp[13]: 4jXSs86QcVzK5wh: to=<x@ext.test>, relay=mx[192.0.2.1]:25, delay=8, delays=6/0/1/1, dsn=2.0.0, status=sent (250 ok)"
    )
    assert events == []
    assert connector.counters["unmapped"] == 1


def test_memory_is_bounded_by_number_and_by_age():
    site = Site(SITE.tenants, limits=Limits(open_messages=100, age=timedelta(days=1)))
    connector = PostfixConnector(site)
    for number in range(500):
        connector.feed(
            f"2026-11-22T08:{number // 60:02d}:{number % 60:02d}.0+00:00 mx postfix/smtpd[{number}]: AAAAA{number:04d}: client=pc[10.1.1.1]".encode()
        )
    assert connector.open_messages == 100
    assert connector.counters["evicted"] == 400
    assert len(connector.snapshot()["hosts"]["mx"]["queue"]["sessions"]) == 100
    for _ in range(3):  # one step at a time: a single wrong stamp must not age everything
        connector.advance(datetime(2026, 11, 24, 9, tzinfo=UTC))
    assert connector.open_messages == 0


def test_an_old_snapshot_is_refused_with_the_remedy():
    connector = PostfixConnector(SITE)
    ship_head = [connector.feed(line) for line in scenario(HEAD)]
    assert ship_head == [[]] * 3
    state = json.loads(json.dumps(connector.snapshot()))
    state["hosts"]["mx"]["version"] = 0
    with pytest.raises(ValueError, match="remove the state file"):
        connector.restore(state)


def test_unicode_addresses_and_tenants():
    site = Site(TenantMap({"例子.公司": "cn"}))
    events, _ = sent(
        HEAD
        + "2026-11-22T08:00:08.5+00:00 mx postfix/lmtp[13]: 4jXSs86QcVzK5wh: to=<用户@例子.公司>, relay=mx[/run/lmtp], delay=8, delays=6/0/1/1, dsn=2.0.0, status=sent (250 ok)",
        site,
    )
    assert brief(events)[-1] == ("delivered", "inbound", "用户@例子.公司")


def test_hosts_are_read_each_by_its_own_time():
    lines = scenario(FILTERED)
    other = [
        line.replace(b"2026-11-22", b"2026-11-01").replace(b" mx ", b" mx2 ") for line in lines
    ]
    mixed = [line for pair in zip(lines, other, strict=True) for line in pair]
    events, _ = ship(mixed)
    assert sorted(brief(events)) == sorted(brief(ship(lines)[0]) * 2)
    assert {event["source"] for event in events} == {"mx/postfix", "mx2/postfix"}
    assert {latency(event) for event in events} == {0.0, latency(ship(lines)[0][1])}


def test_one_wrong_stamp_does_not_spoil_the_time_after_it():
    wrong = b"2099-01-01T00:00:00.000000+00:00 mx postfix/qmgr[12]: AAAAA9: removed"
    lines = scenario(FILTERED)
    for place in range(len(lines)):
        assert ship([*lines[:place], wrong, *lines[place:]])[0] == ship(lines)[0]


def test_a_transaction_given_up_before_its_data_is_forgotten():
    site = Site(SITE.tenants)
    connector = PostfixConnector(site)
    for line in scenario("""
        2026-11-22T08:00:00.0+00:00 mx postfix/smtpd[10]: AAAAA1: client=far[192.0.2.9]
        2026-11-22T08:00:01.0+00:00 mx postfix/smtpd[10]: AAAAA2: client=far[192.0.2.9]
        2026-11-22T08:00:01.5+00:00 mx postfix/cleanup[11]: AAAAA2: message-id=<m1@x>
        2026-11-22T08:00:02.0+00:00 mx postfix/smtpd[10]: lost connection after DATA (1440 bytes) from far[192.0.2.9]
        2026-11-22T08:00:02.0+00:00 mx postfix/smtpd[10]: disconnect from far[192.0.2.9] ehlo=1
    """):
        assert connector.feed(line) == []
    assert connector.open_messages == 1
    connector.advance(datetime(2026, 11, 22, 8, 5, tzinfo=UTC))
    assert connector.open_messages == 0


def test_mail_that_local_forwards_is_the_same_message():
    events, _ = sent("""
        2026-11-22T08:00:00.0+00:00 mx postfix/submission/smtpd[10]: AAAAA1: client=pc[10.1.1.1], sasl_method=PLAIN, sasl_username=u1@tenant-a.test
        2026-11-22T08:00:00.1+00:00 mx postfix/cleanup[11]: AAAAA1: message-id=<m1@x>
        2026-11-22T08:00:00.2+00:00 mx postfix/qmgr[12]: AAAAA1: from=<u1@tenant-a.test>, size=10, nrcpt=1 (queue active)
        2026-11-22T08:00:00.3+00:00 mx postfix/cleanup[11]: AAAAA2: message-id=<m1@x>
        2026-11-22T08:00:00.4+00:00 mx postfix/local[13]: AAAAA1: to=<u2@tenant-b.test>, relay=local, delay=0.4, delays=0.2/0/0/0.2, dsn=2.0.0, status=sent (forwarded as AAAAA2)
        2026-11-22T08:00:00.4+00:00 mx postfix/qmgr[12]: AAAAA2: from=<u1@tenant-a.test>, size=20, nrcpt=1 (queue active)
        2026-11-22T08:00:00.5+00:00 mx postfix/qmgr[12]: AAAAA1: removed
        2026-11-22T08:00:02.0+00:00 mx postfix/smtp[14]: AAAAA2: to=<x@ext.test>, orig_to=<u2@tenant-b.test>, relay=mx[192.0.2.1]:25, delay=2, delays=0.2/0/0.5/0.5, dsn=2.0.0, status=sent (250 ok)
    """)
    assert brief(events) == [
        ("accepted", "outbound", "x@ext.test"),
        ("dispatched", "outbound", "x@ext.test"),
    ]
    assert only(events, "dispatched")["message_id"].startswith("AAAAA1-")
    assert latency(only(events, "dispatched")) == pytest.approx(0.8)


def test_held_mail_counts_from_its_reception_and_keeps_its_first_start():
    events, _ = sent("""
        2026-11-22T08:00:00.0+00:00 mx postfix/submission/smtpd[10]: AAAAA1: client=pc[10.1.1.1], sasl_method=PLAIN, sasl_username=u1@tenant-a.test
        2026-11-22T08:00:00.1+00:00 mx postfix/cleanup[11]: AAAAA1: message-id=<m1@x>
        2026-11-22T08:00:00.2+00:00 mx postfix/cleanup[11]: AAAAA1: milter-hold: END-OF-MESSAGE from pc[10.1.1.1]: milter triggers HOLD action; from=<u1@tenant-a.test> to=<x@ext.test> proto=ESMTP helo=<pc>
        2026-11-22T08:00:00.3+00:00 mx postfix/smtpd[10]: disconnect from pc[10.1.1.1] ehlo=1
        2026-11-22T09:00:00.0+00:00 mx postfix/postsuper[20]: AAAAA1: released from hold
        2026-11-22T09:00:10.0+00:00 mx postfix/qmgr[12]: AAAAA1: from=<u1@tenant-a.test>, size=10, nrcpt=1 (queue active)
        2026-11-22T09:00:11.3+00:00 mx postfix/smtp[14]: AAAAA1: to=<x@ext.test>, relay=mx[192.0.2.1]:25, delay=3611, delays=3610/0/0.5/0.5, dsn=2.0.0, status=sent (250 ok)
    """)
    held = only(events, "dispatched")
    assert held["accepted_at"] == "2026-11-22T08:00:00.300000+00:00"
    assert latency(held) == pytest.approx(3610)


def test_a_requeued_message_without_orig_id_is_known_by_its_message_id():
    text = """
        2026-11-22T09:00:00.0+00:00 mx postfix/postsuper[20]: 4jXSs86QcVzK5wh: requeued
        2026-11-22T09:01:00.0+00:00 mx postfix/pickup[21]: AAAAA2: uid=102 from=<other@foreign.test>
        2026-11-22T09:01:00.1+00:00 mx postfix/cleanup[11]: AAAAA2: message-id=<m1@tenant-a.test>
        2026-11-22T09:01:00.2+00:00 mx postfix/qmgr[12]: AAAAA2: from=<other@foreign.test>, size=10, nrcpt=1 (queue active)
        2026-11-22T09:01:00.3+00:00 mx postfix/smtp[14]: AAAAA2: to=<x@ext.test>, relay=mx[192.0.2.1]:25, delay=3660, delays=3660/0/0/0.1, dsn=2.0.0, status=sent (250 ok)
    """
    start = only(sent(HEAD + text)[0], "dispatched")
    assert start["message_id"].startswith("4jXSs86QcVzK5wh-")
    assert start["accepted_at"] == "2026-11-22T08:00:06.000000+00:00"
    assert start["attempt"] == 1
