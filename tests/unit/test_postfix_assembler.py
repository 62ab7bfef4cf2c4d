# ruff: noqa: E501 (log lines stand as Postfix writes them)
"""Situations of real Postfix set-ups, one scenario each: what the log says, what it means."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from postfix_corpus import SITE, brief, latency, scenario, ship

from mailsla.streams.connectors.postfix import OwnRelays, Site

HEAD = """
2026-11-22T08:00:00.000000+00:00 mx postfix/submissions/smtpd[10]: 4jXSs86QcVzK5wh: client=pc[10.1.1.1], sasl_method=PLAIN, sasl_username=u1@tenant-a.test
2026-11-22T08:00:05.000000+00:00 mx postfix/cleanup[11]: 4jXSs86QcVzK5wh: message-id=<m1@tenant-a.test>
2026-11-22T08:00:06.000000+00:00 mx postfix/qmgr[12]: 4jXSs86QcVzK5wh: from=<other@foreign.test>, size=10, nrcpt=1 (queue active)
"""


def sent(text, site=SITE):
    events, connector = ship(scenario(text), site)
    return events, connector


def only(events, kind):
    (event,) = [event for event in events if event["type"] == f"message.{kind}"]
    return event


@pytest.mark.parametrize(
    "attempt",
    [
        "smtp[13]: 4jXSs86QcVzK5wh: to=<x@ext.test>, relay=mx.ext.test[192.0.2.1]:25, delay=8, delays=6/0/1/1, dsn=2.0.0, status=sent (250 ok)",
        "smtp[13]: 4jXSs86QcVzK5wh: to=<x@ext.test>, relay=mx.ext.test[192.0.2.1]:25, conn_use=3, delay=8, delays=6/0/1/1, tls=dane/requiretls?, dsn=4.2.0, status=deferred (host mx.ext.test[192.0.2.1] said: 450 4.2.0 greylisted (in reply to RCPT TO command))",
        "relay/smtp[13]: 4jXSs86QcVzK5wh: to=<x@ext.test>, orig_to=<y@tenant-a.test>, relay=none, delay=8, delays=6/0/2/0, dsn=4.4.1, status=deferred (connect to mx.ext.test[192.0.2.1]:25: Connection timed out)",
        "smtp[13]: 4jXSs86QcVzK5wh: to=<x@ext.test>, relay=none, delay=8, delays=6/0/2/0, dsn=4.4.2, status=deferred (lost connection with mx.ext.test[192.0.2.1] while receiving the initial server greeting)",
        "error[13]: 4jXSs86QcVzK5wh: to=<x@ext.test>, relay=none, delay=8, delays=6/2/0/0, dsn=4.4.1, status=deferred (delivery temporarily suspended: connect to mx.ext.test[192.0.2.1]:25: Connection timed out)",
        "smtp[13]: 4jXSs86QcVzK5wh: to=<x@ext.test>, relay=none, delay=8, delays=6/0/2/0, dsn=4.4.3, status=deferred (Host or domain name not found. Name service error for name=ext.test type=MX: Host not found, try again)",
        "smtp[13]: 4jXSs86QcVzK5wh: to=<x@ext.test>, relay=mx.ext.test[192.0.2.1]:25, delay=8, delays=6/0/1/1, dsn=5.1.1, status=bounced (host mx.ext.test[192.0.2.1] said: 550 5.1.1 no)",
    ],
)
def test_an_attempt_that_faces_a_foreign_system_is_the_start(attempt):
    events, _ = sent(HEAD + f"2026-11-22T08:00:08.500000+00:00 mx postfix-10.1.2.3/{attempt}")
    start = only(events, "dispatched")
    assert start["accepted_at"] == "2026-11-22T08:00:06.000000+00:00"
    assert (
        start["time"]
        == "2026-11-22T08:00:0" + ("8.5" if "/error[" in f"/{attempt}" else "6.5") + "00000+00:00"
    )
    assert (start["tenant_id"], start["attempt"], start["source"]) == ("tenant-a", 1, "mx/postfix")


@pytest.mark.parametrize(
    "attempt",
    [
        "error[13]: 4jXSs86QcVzK5wh: to=<x@ext.test>, relay=none, delay=8, delays=6/2/0/0, dsn=4.3.0, status=deferred (mail transport unavailable)",
        "retry[13]: 4jXSs86QcVzK5wh: to=<x@ext.test>, relay=none, delay=8, delays=6/2/0/0, dsn=4.3.2, status=deferred (provider maintenance)",
        "error[13]: 4jXSs86QcVzK5wh: to=<x@ext.test>, relay=none, delay=8, delays=6/2/0/0, dsn=4.3.0, status=deferred (delivery temporarily suspended: unknown mail transport error)",
        "smtp[13]: 4jXSs86QcVzK5wh: to=<x@ext.test>, relay=none, delay=8, delays=6/2/0/0, dsn=4.4.3, status=deferred (Host or domain name not found. Name service error for name=smarthost.test type=MX: Host not found, try again)",
        "smtp[13]: 4jXSs86QcVzK5wh: to=<x@ext.test>, relay=none, delay=8, delays=6/2/0/0, dsn=4.4.1, status=deferred (connect to 127.0.0.1[127.0.0.1]:10024: Connection refused)",
        "smtp[13]: 4jXSs86QcVzK5wh: to=<x@ext.test>, relay=127.0.0.1[127.0.0.1]:10024, delay=8, delays=6/2/0/0, dsn=4.5.0, status=deferred (host 127.0.0.1[127.0.0.1] said: 451 4.5.0 Error in processing)",
    ],
)
def test_an_attempt_that_stays_inside_is_no_start_but_makes_the_message_visible(attempt):
    events, _ = sent(HEAD + f"2026-11-22T08:00:08.500000+00:00 mx postfix/{attempt}")
    assert brief(events) == [
        ("accepted", "outbound", "x@ext.test"),
        ("deferred", "outbound", "x@ext.test"),
    ]


def test_only_the_first_foreign_attempt_starts_a_lookup_that_fails_included():
    attempt = "mx postfix/smtp[13]: 4jXSs86QcVzK5wh: to=<x@ext.test>, relay=none, delay=8, delays=6/2/0/0, dsn={}, status={}"
    events, _ = sent(
        HEAD
        + "2026-11-22T08:00:08.5+00:00 "
        + attempt.format("4.4.3", "deferred (Host not found, try again)")
        + "\n2026-11-22T08:10:08.5+00:00 "
        + attempt.format(
            "5.4.4", "bounced (unable to look up host ext.test: Name or service not known)"
        )
    )
    assert [kind for kind, *_ in brief(events)] == [
        "accepted",
        "dispatched",
        "deferred",
        "bounced",
    ]
    assert latency(only(events, "dispatched")) == pytest.approx(2.5)


# The disconnect shows full reception when the queue manager is late.
#
#   client ── data ── disconnect ···· queue active ── attempt
#                     ▲ fully received
def test_the_queue_managers_own_queueing_is_part_of_the_latency():
    events, _ = sent("""
        2026-11-22T08:00:00.000000+00:00 mx postfix/smtpd[10]: 4jXSs86QcVzK5wh: client=pc[10.1.1.1]
        2026-11-22T08:00:00.100000+00:00 mx postfix/cleanup[11]: 4jXSs86QcVzK5wh: message-id=<m1@x>
        2026-11-22T08:00:01.000000+00:00 mx postfix/smtpd[10]: disconnect from pc[10.1.1.1] ehlo=1
        2026-11-22T08:00:16.000000+00:00 mx postfix/qmgr[12]: 4jXSs86QcVzK5wh: from=<u1@tenant-a.test>, size=10, nrcpt=1 (queue active)
        2026-11-22T08:00:16.100000+00:00 mx postfix/smtp[13]: 4jXSs86QcVzK5wh: to=<x@ext.test>, relay=mx[192.0.2.1]:25, delay=16, delays=16/0/0/0.1, dsn=2.0.0, status=sent (250 ok)
    """)
    assert latency(only(events, "dispatched")) == pytest.approx(15)
    assert only(events, "accepted")["time"] == only(events, "dispatched")["accepted_at"]


@pytest.mark.parametrize(
    "proof",
    [
        "lost connection after END-OF-MESSAGE from pc[10.1.1.1]",
        "timeout after END-OF-MESSAGE from pc[10.1.1.1]",
        "4jXSs90KCQzK5wk: client=pc[10.1.1.1]",
        "NOQUEUE: reject: RCPT from pc[10.1.1.1]: 550 5.1.1 <q@r>: no; from=<a@b> to=<q@r> proto=ESMTP helo=<pc>",
    ],
)
def test_what_the_session_does_next_proves_full_reception(proof):
    events, _ = sent(f"""
        2026-11-22T08:00:00.000000+00:00 mx postfix/smtpd[10]: 4jXSs86QcVzK5wh: client=pc[10.1.1.1]
        2026-11-22T08:00:00.100000+00:00 mx postfix/cleanup[11]: 4jXSs86QcVzK5wh: message-id=<m1@x>
        2026-11-22T08:00:01.000000+00:00 mx postfix/smtpd[10]: {proof}
        2026-11-22T08:00:16.000000+00:00 mx postfix/qmgr[12]: 4jXSs86QcVzK5wh: from=<>, size=10, nrcpt=1 (queue active)
        2026-11-22T08:00:16.000000+00:00 mx postfix/virtual[13]: 4jXSs86QcVzK5wh: to=<u@tenant-a.test>, relay=virtual, delay=16, delays=16/0/0/0, dsn=2.0.0, status=sent (delivered to maildir)
    """)
    assert latency(only(events, "delivered")) == pytest.approx(15)


def test_rounded_delays_never_place_the_start_before_acceptance():
    events, _ = sent(
        HEAD
        + "2026-11-22T08:00:06.100000+00:00 mx postfix/smtp[13]: 4jXSs86QcVzK5wh: to=<x@ext.test>, relay=mx[192.0.2.1]:25, delay=6.2, delays=6/0/0/0.15, dsn=2.0.0, status=sent (250 ok)"
    )
    assert latency(only(events, "dispatched")) == 0


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


def test_a_filter_that_was_not_configured_is_known_by_what_came_back():
    events, connector = sent(FILTERED)
    start = only(events, "dispatched")
    assert len(events) == 2
    assert start["tenant_id"] == "tenant-a", "the login is on the first queue id only"
    assert start["message_id"].startswith("AAAAA1-")
    assert latency(start) == pytest.approx(4.0)
    assert connector.counters["internal_hops"] == 1


def test_the_filters_copy_may_be_done_before_the_hop_is_logged():
    lines = scenario(FILTERED)
    late = lines[:6] + lines[8:] + lines[6:8]
    assert ship(late)[0] == ship(lines)[0]


def test_a_redirected_copy_with_another_sender_is_a_message_of_its_own():
    events, _ = sent("""
        2026-11-22T08:00:00.000000+00:00 mx postfix/smtpd[10]: AAAAA1: client=far[192.0.2.9]
        2026-11-22T08:00:00.100000+00:00 mx postfix/cleanup[11]: AAAAA1: message-id=<m1@x>
        2026-11-22T08:00:00.200000+00:00 mx postfix/qmgr[12]: AAAAA1: from=<s@foreign.test>, size=10, nrcpt=1 (queue active)
        2026-11-22T08:00:00.300000+00:00 mx postfix/smtpd[20]: AAAAA2: client=localhost[127.0.0.1]
        2026-11-22T08:00:00.400000+00:00 mx postfix/cleanup[11]: AAAAA2: message-id=<m1@x>
        2026-11-22T08:00:00.500000+00:00 mx postfix/lmtp[13]: AAAAA1: to=<u@tenant-a.test>, relay=mx[private/dovecot-lmtp], delay=1, delays=0.2/0/0/0.3, dsn=2.0.0, status=sent (250 2.0.0 Saved)
        2026-11-22T08:00:00.600000+00:00 mx postfix/qmgr[12]: AAAAA2: from=<u@tenant-a.test>, size=10, nrcpt=1 (queue active)
        2026-11-22T08:00:00.700000+00:00 mx postfix/smtp[14]: AAAAA2: to=<x@ext.test>, relay=mx[192.0.2.1]:25, delay=1, delays=0.3/0/0/0.1, dsn=2.0.0, status=sent (250 ok)
    """)
    assert only(events, "delivered")["message_id"].startswith("AAAAA1-")
    assert only(events, "dispatched")["message_id"].startswith("AAAAA2-")


def test_an_alias_stuck_before_the_filter_and_expanded_behind_it_finishes():
    events, _ = sent("""
        2026-11-22T08:00:00.0+00:00 mx postfix/smtpd[10]: AAAAA1: client=far[192.0.2.9]
        2026-11-22T08:00:00.1+00:00 mx postfix/cleanup[11]: AAAAA1: message-id=<m1@x>
        2026-11-22T08:00:00.2+00:00 mx postfix/qmgr[12]: AAAAA1: from=<s@foreign.test>, size=10, nrcpt=1 (queue active)
        2026-11-22T08:00:00.3+00:00 mx postfix/smtp[13]: AAAAA1: to=<all@tenant-a.test>, relay=none, delay=0.3, delays=0.2/0/0/0, dsn=4.4.1, status=deferred (connect to 127.0.0.1[127.0.0.1]:10024: Connection refused)
        2026-11-22T09:00:00.0+00:00 mx postfix/qmgr[12]: AAAAA1: from=<s@foreign.test>, size=10, nrcpt=1 (queue active)
        2026-11-22T09:00:00.1+00:00 mx postfix/smtpd[20]: AAAAA2: client=localhost[127.0.0.1], orig_queue_id=AAAAA1, orig_client=far[192.0.2.9]
        2026-11-22T09:00:00.2+00:00 mx postfix/cleanup[11]: AAAAA2: message-id=<m1@x>
        2026-11-22T09:00:00.3+00:00 mx postfix/smtp[13]: AAAAA1: to=<all@tenant-a.test>, relay=127.0.0.1[127.0.0.1]:10024, delay=3600, delays=3600/0/0/0.2, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as AAAAA2)
        2026-11-22T09:00:00.4+00:00 mx postfix/lmtp[15]: AAAAA2: to=<u1@tenant-a.test>, orig_to=<all@tenant-a.test>, relay=mx[/run/lmtp], delay=0.3, delays=0.2/0/0/0, dsn=2.0.0, status=sent (250 Saved)
        2026-11-22T09:00:00.4+00:00 mx postfix/lmtp[15]: AAAAA2: to=<u2@tenant-a.test>, orig_to=<all@tenant-a.test>, relay=mx[/run/lmtp], delay=0.3, delays=0.2/0/0/0, dsn=2.0.0, status=sent (250 Saved)
    """)
    assert brief(events) == [
        ("accepted", "inbound", "all@tenant-a.test"),
        ("deferred", "inbound", "all@tenant-a.test"),
        ("delivered", "inbound", "all@tenant-a.test"),
        ("accepted", "inbound", "u2@tenant-a.test"),
        ("delivered", "inbound", "u2@tenant-a.test"),
    ]
    assert latency(events[2]) == pytest.approx(3600.2)


def test_a_message_handed_to_another_own_host_is_ended_here_once_it_was_announced():
    site = Site(SITE.tenants, OwnRelays(["store.provider.test"]))
    events, _ = sent(
        HEAD
        + """2026-11-22T08:00:07.0+00:00 mx postfix/smtp[13]: 4jXSs86QcVzK5wh: to=<u@tenant-b.test>, relay=none, delay=1, delays=1/0/0/0, dsn=4.4.1, status=deferred (connect to store.provider.test[10.0.0.2]:25: Connection refused)
        2026-11-22T08:20:07.0+00:00 mx postfix/smtp[13]: 4jXSs86QcVzK5wh: to=<u@tenant-b.test>, relay=store.provider.test[10.0.0.2]:25, delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (250 queued as FFFFF9)
        2026-11-22T08:20:07.0+00:00 mx postfix/qmgr[12]: 4jXSs86QcVzK5wh: removed""",
        site,
    )
    assert [kind for kind, *_ in brief(events)] == ["accepted", "deferred", "discarded"]


def test_a_fallback_relay_of_our_own_comes_after_the_foreign_attempt():
    site = Site(SITE.tenants, OwnRelays(["fallback.provider.test"]))
    status = "2026-11-22T08:00:36.5+00:00 mx postfix/smtp[13]: 4jXSs86QcVzK5wh: to=<x@ext.test>, relay=fallback.provider.test[10.0.0.9]:25, delay=36, delays=6/0/30/0.5, dsn=2.0.0, status=sent (250 queued as FFFFF9)"
    failed = "2026-11-22T08:00:36.0+00:00 mx postfix/smtp[13]: connect to mx.ext.test[192.0.2.1]:25: Connection timed out\n"
    start = only(sent(HEAD + failed + status, site)[0], "dispatched")
    assert latency(start) == pytest.approx(0)
    events, _ = sent(HEAD + status, site)
    assert events == [], "without a foreign attempt the hop is internal"


def test_over_quota_is_the_customers_also_once_it_is_delivered_at_last():
    line = "mx postfix/lmtp[13]: 4jXSs86QcVzK5wh: to=<u@tenant-b.test>, relay=mx[/run/lmtp], delay=1, delays=1/0/0/0, dsn={}, status={}"
    events, _ = sent(
        HEAD
        + "2026-11-22T08:00:07.0+00:00 "
        + line.format("4.2.2", "deferred (host mx[/run/lmtp] said: 452 4.2.2 Quota exceeded)")
        + "\n2026-11-22T12:00:07.0+00:00 "
        + line.format("2.0.0", "sent (250 2.0.0 Saved)")
    )
    assert [(e["type"], e.get("liability")) for e in events] == [
        ("message.accepted", "customer_negligence"),
        ("message.deferred", "customer_negligence"),
        ("message.delivered", "customer_negligence"),
    ]
    assert events[-1]["tenant_id"] == "tenant-b", (
        "inside mail: the recipient's tenant, no send latency"
    )


def test_a_short_id_used_again_is_another_message():
    one = """
        {0}:00.0+00:00 mx postfix/smtpd[10]: 2B6B222A51C: client=pc[10.1.1.1]
        {0}:00.1+00:00 mx postfix/cleanup[11]: 2B6B222A51C: message-id=<{1}@x>
        {0}:00.2+00:00 mx postfix/qmgr[12]: 2B6B222A51C: from=<u1@tenant-a.test>, size=10, nrcpt=1 (queue active)
        {0}:00.3+00:00 mx postfix/smtp[13]: 2B6B222A51C: to=<x@ext.test>, relay=mx[192.0.2.1]:25, delay=1, delays=0.2/0/0/0.1, dsn=2.0.0, status=sent (250 ok)
        {2}
    """
    removed = "{0}:00.4+00:00 mx postfix/qmgr[12]: 2B6B222A51C: removed"
    for ending in (removed, ""):
        first, second = "2026-11-22T08:00", "2026-11-22T08:01"
        events, _ = sent(
            one.format(first, "m1", ending.format(first)) + one.format(second, "m2", "")
        )
        assert len({event["message_id"] for event in events}) == 2
        assert len(events) == 4


def test_delivery_to_an_operator_or_the_sender_ends_a_waiting_message():
    waiting = (
        HEAD
        + "2026-11-22T08:00:08.5+00:00 mx postfix/error[13]: 4jXSs86QcVzK5wh: to=<x@ext.test>, relay=none, delay=8, delays=6/2/0/0, dsn=4.3.0, status=deferred (mail transport unavailable)\n"
    )
    deleted, _ = sent(
        waiting + "2026-11-22T09:00:00.0+00:00 mx postfix/postsuper[9]: 4jXSs86QcVzK5wh: removed"
    )
    expired, _ = sent(
        waiting
        + "2026-11-22T09:00:00.0+00:00 mx postfix/qmgr[12]: 4jXSs86QcVzK5wh: from=<a@b>, status=force-expired, returned to sender"
    )
    assert [kind for kind, *_ in brief(deleted)][2:] == ["discarded"]
    assert [kind for kind, *_ in brief(expired)][2:] == ["expired"]


def test_a_reject_of_the_whole_message_was_no_acceptance():
    events, connector = sent("""
        2026-11-22T08:00:00.0+00:00 mx postfix/smtpd[10]: AAAAA1: client=far[192.0.2.9]
        2026-11-22T08:00:00.1+00:00 mx postfix/cleanup[11]: AAAAA1: message-id=<m1@x>
        2026-11-22T08:00:00.2+00:00 mx postfix/cleanup[11]: AAAAA1: milter-reject: END-OF-MESSAGE from far[192.0.2.9]: 5.7.1 Spam message rejected; from=<s@foreign.test> to=<u@tenant-a.test> proto=ESMTP helo=<far>
        2026-11-22T08:00:00.3+00:00 mx postfix/postscreen[8]: NOQUEUE: reject: RCPT from [192.0.2.8]:4984: 550 5.7.1 Service unavailable; client [192.0.2.8] blocked using zen.spamhaus.org; from=<s@foreign.test>, to=<u@tenant-a.test>, proto=ESMTP, helo=<x>
    """)
    assert brief(events) == [("rejected", "inbound", "u@tenant-a.test")] * 2
    assert [event["dsn"] for event in events] == ["5.7.1", "5.7.1"]
    assert connector.open_messages == 0


def test_a_message_from_before_the_log_has_an_upper_bound_and_no_false_start():
    line = "2026-11-22T08:00:08.5+00:00 mx postfix/{}[13]: AAAAA1: to=<{}>, relay={}, delay={}, delays={}/0/0/0, dsn=2.0.0, status=sent (250 ok)"
    active = "2026-11-22T08:00:08.4+00:00 mx postfix/qmgr[12]: AAAAA1: from=<u1@tenant-a.test>, size=10, nrcpt=1 (queue active)\n"
    young = sent(active + line.format("smtp", "x@ext.test", "mx[192.0.2.1]:25", 3, 3))[0][-1]
    old = sent(active + line.format("smtp", "x@ext.test", "mx[192.0.2.1]:25", 900, 900))[0][-1]
    received = sent(active + line.format("virtual", "u@tenant-b.test", "virtual", 900, 900))[0][-1]
    assert (young["attempt"], young["estimate"], latency(young)) == (1, "upper_bound", 3.0)
    assert old["attempt"] == 2, "its first attempt may lie before the log: no latency"
    assert (received["estimate"], latency(received)) == ("upper_bound", 900.0)


def test_the_turn_of_the_year_in_the_hosts_zone():
    site = Site(SITE.tenants, zone=ZoneInfo("Asia/Shanghai"))
    lines = scenario("""
        Dec 31 23:59:58 mx postfix/smtpd[10]: AAAAA1: client=far[192.0.2.9]
        Dec 31 23:59:58 mx postfix/cleanup[11]: AAAAA1: message-id=<m1@x>
        Dec 31 23:59:59 mx postfix/qmgr[12]: AAAAA1: from=<s@foreign.test>, size=10, nrcpt=1 (queue active)
        Jan  1 00:00:03 mx postfix/local[13]: AAAAA1: to=<u@tenant-a.test>, relay=local, delay=5, delays=1/4/0/0, dsn=2.0.0, status=sent (delivered to mailbox)
    """)
    events, _ = ship(lines, site, datetime(2027, 1, 1, 8, tzinfo=UTC))
    delivered = only(events, "delivered")
    assert delivered["accepted_at"] == "2026-12-31T15:59:59.000000+00:00"
    assert delivered["time"] == "2026-12-31T16:00:03.000000+00:00"
