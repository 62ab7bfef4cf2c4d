# ruff: noqa: E501 (log lines stand as Postfix writes them)
"""What real sites log, from public reports: each input with the events it means."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from postfix_corpus import latency, scenario

from mailsla.streams.connectors.postfix import (
    DEFAULT_OWN_RELAYS,
    OwnRelays,
    PostfixConnector,
    Site,
    TenantMap,
)

SITES = Path(__file__).parents[1] / "corpora" / "postfix" / "sites"
SHANGHAI = ZoneInfo("Asia/Shanghai")
REFERENCE = datetime(2026, 11, 1, tzinfo=UTC)
TENANTS = TenantMap({"acme.example": "acme", "beta.example": "beta"})


def site(own=(), stores=(), tenants=TENANTS):
    return Site(tenants, OwnRelays([*DEFAULT_OWN_RELAYS, *own]), SHANGHAI, stores=OwnRelays(stores))


def lines(*names):
    return [line for name in names for line in (SITES / name).read_bytes().splitlines(True)]


def read(given, year=None, **options):
    connector = PostfixConnector(site(**options), REFERENCE, year)
    events = [event for line in given for event in connector.feed(line)]
    return [*events, *connector.flush()], connector


def told(events):
    """(type, direction, recipient, local time of day, latency in seconds) of each event."""
    return [
        (
            event["type"].removeprefix("message."),
            event["direction"],
            event["recipient"],
            datetime.fromisoformat(event["time"])
            .astimezone(SHANGHAI)
            .strftime("%d %H:%M:%S.%f")[:-5],
            round(latency(event), 3) if event["type"][8:] in ("dispatched", "delivered") else None,
        )
        for event in events
    ]


def names(events):
    return {event["message_id"].partition("-")[0] for event in events}


WHO = ("outbound", "who@far.example")
LI = ("inbound", "li@acme.example")


def test_a_soft_bounce_is_an_attempt_that_failed_for_now():
    events, connector = read(lines("softbounce.log"))
    assert told(events) == [
        ("accepted", *WHO, "05 09:00:00.2", None),
        ("dispatched", *WHO, "05 09:00:00.3", 0.1),
        ("deferred", *WHO, "05 09:00:01.2", None),
        ("accepted", *LI, "05 10:00:00.2", None),
        ("deferred", *LI, "05 10:00:00.5", None),
        ("delivered", *LI, "05 13:00:02.0", 10801.8),
    ]
    assert connector.counters["address_probes"] == 0


@pytest.mark.parametrize("year", [2025, 2026])
def test_the_year_that_is_given_is_that_of_the_first_line(year):
    events, _ = read(lines("year-option.log"), year)
    moments = [datetime.fromisoformat(event["time"]).astimezone(SHANGHAI) for event in events]
    assert [f"{moment:%Y-%m-%d}" for moment in moments] == [f"{year}-01-01"] * 2 + [
        f"{year}-01-31"
    ] * 2


@pytest.mark.parametrize("own", [(), ("spamassassin",)])
@pytest.mark.parametrize(
    ("log", "finished"),
    [
        ("pipe-filter-inbound.log", ("delivered", *LI, "06 11:00:05.0", 7204.7)),
        ("pipe-filter-outbound.log", ("dispatched", *WHO, "06 09:15:01.5", 901.2)),
    ],
)
def test_a_filter_by_pipe_is_recognised_by_what_it_hands_back(log, finished, own):
    events, _ = read(lines(log), own=own)
    assert told(events)[-1] == finished
    assert len(names(events)) == 1
    assert [event for event in events if event["type"] == "message.delivered"] == (
        events[-1:] if finished[0] == "delivered" else []
    )


def test_a_filter_by_pipe_whose_status_line_comes_before_the_pickup():
    given = lines("pipe-filter-inbound.log")
    pickup = [line for line in given if b"7A1C0E2B92" in line and b"09:00:1" in line]
    moved = [line for line in given if line not in pickup]
    place = next(at for at, line in enumerate(moved) if b": removed" in line) + 1
    events, _ = read([*moved[:place], *pickup, *moved[place:]])
    assert told(events)[-1] == ("delivered", *LI, "06 11:00:05.0", 7204.7)
    assert len(names(events)) == 1


def test_an_unknown_pipe_that_hands_nothing_back_is_a_mailbox():
    given = scenario("""
        2026-10-06T09:00:00.0+08:00 mx1 postfix/smtpd[1]: 7A1C0E2B91: client=out.far.example[192.0.2.26]
        2026-10-06T09:00:00.1+08:00 mx1 postfix/cleanup[2]: 7A1C0E2B91: message-id=<sa-1@far.example>
        2026-10-06T09:00:00.3+08:00 mx1 postfix/qmgr[3]: 7A1C0E2B91: from=<bob@far.example>, size=900, nrcpt=1 (queue active)
        2026-10-06T09:00:02.0+08:00 mx1 postfix/pipe[4]: 7A1C0E2B91: to=<li@acme.example>, relay=dovecot, delay=2, delays=0.3/0/0/1.7, dsn=2.0.0, status=sent (delivered via dovecot service)
        2026-10-06T09:00:02.1+08:00 mx1 postfix/qmgr[3]: 7A1C0E2B91: removed
    """)
    expected = [("accepted", *LI, "06 09:00:00.3", None), ("delivered", *LI, "06 09:00:02.0", 1.7)]
    assert told(read(given)[0]) == expected
    connector = PostfixConnector(site())
    assert [event for line in given for event in connector.feed(line)] == []
    now = datetime(2026, 10, 6, 1, 0, 8, tzinfo=UTC)
    assert connector.progress(now) == [
        {
            "id": "progress/2026-10-06T01:00:00.299999+00:00",
            "source": "mx1/postfix",
            "type": "source.progress",
            "tenant_id": "*",
            "time": "2026-10-06T01:00:00.299999+00:00",
            "of": "mx1/postfix",
        }
    ], "the delivery that is held back began at 0.3 s"
    later = datetime(2026, 10, 6, 1, 2, 3, tzinfo=UTC)
    assert told(connector.advance(later)) == expected
    assert connector.progress(later)[0]["time"] == later.isoformat(timespec="microseconds")


TWO_HOSTS_OUTBOUND = """
    2026-10-07T09:00:00.0+08:00 sub1 postfix/submission/smtpd[1]: 8A1C0E2C91: client=pc7[10.8.0.7], sasl_method=PLAIN, sasl_username=li@acme.example
    2026-10-07T09:00:00.1+08:00 sub1 postfix/cleanup[2]: 8A1C0E2C91: message-id=<th-2@acme.example>
    2026-10-07T09:00:00.3+08:00 sub1 postfix/qmgr[3]: 8A1C0E2C91: from=<li@acme.example>, size=900, nrcpt=1 (queue active)
    2026-10-07T09:00:00.6+08:00 sub1 postfix/smtp[4]: 8A1C0E2C91: to=<who@far.example>, relay=none, delay=0.6, delays=0.3/0/0.3/0, dsn=4.4.1, status=deferred (connect to out1[10.0.0.6]:25: Connection refused)
    2026-10-07T11:00:04.0+08:00 sub1 postfix/qmgr[3]: 8A1C0E2C91: from=<li@acme.example>, size=900, nrcpt=1 (queue active)
    2026-10-07T11:00:04.5+08:00 out1 postfix/smtpd[5]: 8B1C0E2C91: client=sub1[10.0.0.3]
    2026-10-07T11:00:04.6+08:00 out1 postfix/cleanup[6]: 8B1C0E2C91: message-id=<th-2@acme.example>
    2026-10-07T11:00:04.7+08:00 out1 postfix/qmgr[7]: 8B1C0E2C91: from=<li@acme.example>, size=1100, nrcpt=1 (queue active)
    2026-10-07T11:00:05.0+08:00 sub1 postfix/smtp[4]: 8A1C0E2C91: to=<who@far.example>, relay=out1[10.0.0.6]:25, delay=7205, delays=7204/0/0.3/0.4, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 8B1C0E2C91)
    2026-10-07T11:00:05.1+08:00 sub1 postfix/qmgr[3]: 8A1C0E2C91: removed
    2026-10-07T11:00:06.0+08:00 out1 postfix/smtp[8]: 8B1C0E2C91: to=<who@far.example>, relay=mx.far.example[192.0.2.25]:25, delay=1.5, delays=0.2/0/0.2/0.3, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 12345ABCD1)
    2026-10-07T11:00:06.1+08:00 out1 postfix/qmgr[7]: 8B1C0E2C91: removed
"""


def test_a_message_over_two_own_hosts_starts_at_the_first_and_ends_at_the_last():
    inbound, _ = read(lines("two-hosts-inbound.log"), own=("store1", "10.0.0.0/24"))
    assert told(inbound) == [
        ("accepted", *LI, "07 09:00:00.3", None),
        ("deferred", *LI, "07 09:00:00.6", None),
        ("delivered", *LI, "07 11:00:06.0", 7205.7),
    ]
    outbound, _ = read(scenario(TWO_HOSTS_OUTBOUND), own=("out1", "10.0.0.0/24"))
    assert told(outbound)[-1] == ("dispatched", *WHO, "07 11:00:05.5", 7205.2)
    for events in (inbound, outbound):
        assert len(names(events)) == 1
        assert len({event["source"] for event in events}) == 1


def test_an_own_host_is_learnt_from_a_message_that_came_through():
    """Not named, a host is foreign until a message is seen to pass it."""
    first = [
        line.replace(b"2026-10-07T11", b"2026-10-07T08")
        for line in scenario(TWO_HOSTS_OUTBOUND)[5:]
    ]
    opened = scenario(TWO_HOSTS_OUTBOUND)[:3]
    first = [line.replace(b"T09:00", b"T08:00") for line in opened] + first
    first = [line.replace(b"C91", b"A91").replace(b"th-2", b"th-1") for line in first]
    events, _ = read([*first, *scenario(TWO_HOSTS_OUTBOUND)])
    assert [row for row in told(events) if row[0] == "dispatched"] == [
        ("dispatched", *WHO, "07 08:00:05.5", 5.2),
        ("dispatched", *WHO, "07 11:00:05.5", 7205.2),
    ]


def test_an_empty_message_id_names_nothing():
    events, _ = read(lines("empty-message-id.log"), own=("10.1.0.0/16",))
    starts = [event for event in events if event["type"] == "message.dispatched"]
    assert {event["message_id"].partition("-")[0]: latency(event) for event in starts} == {
        "9A1C0E2B91": pytest.approx(30.0),
        "9A1C0E2B92": pytest.approx(0.5),
    }


def test_what_a_client_sends_twice_is_two_messages_though_the_message_id_is_one():
    given = [line.replace(b"<>", b"<same@app1>") for line in lines("empty-message-id.log")]
    events, _ = read(given, own=("10.1.0.0/16",))
    assert names(events) == {"9A1C0E2B91", "9A1C0E2B92"}


def test_names_the_destinations_servers_do_not_answer_for_are_first_attempts():
    events, _ = read(lines("foreign-dns.log"))
    assert [row[0] for row in told(events) if row[4] is not None] == ["dispatched"] * 3
    assert {row[2]: row[4] for row in told(events) if row[4] is not None} == {
        "who@tpyo.example": 0.1,
        "a@lame.example": 0.3,
        "b@dane.example": 0.4,
    }
    assert "expired" in [row[0] for row in told(events)]


def attempts_to(domains, status, start=0, every=2):
    """A message to each domain, one every so many seconds, and its status line."""
    made = []
    for number, domain in enumerate(domains):
        moment = datetime(2026, 10, 9, 1, tzinfo=UTC) + timedelta(seconds=start + number * every)
        head = f"{moment.isoformat()} mx1 postfix"
        made += [
            f"{head}/submission/smtpd[{number}]: AA1C0E{start + number:04X}: client=pc7[10.8.0.7], sasl_method=PLAIN, sasl_username=li@acme.example",
            f"{head}/cleanup[1]: AA1C0E{start + number:04X}: message-id=<{start}-{number}@acme.example>",
            f"{head}/qmgr[2]: AA1C0E{start + number:04X}: from=<li@acme.example>, size=1, nrcpt=1 (queue active)",
            f"{head}/smtp[3]: AA1C0E{start + number:04X}: to=<x@{domain}>, {status.format(domain=domain)}",
        ]
    return [line.encode() for line in made]


NOT_FOUND = "relay=none, delay=1, delays=0/0/1/0, dsn=4.4.3, status=deferred (Host or domain name not found. Name service error for name={domain} type=MX: Host not found, try again)"
REACHED = (
    "relay=mx.{domain}[192.0.2.9]:25, delay=1, delays=0/0/1/0, dsn=2.0.0, status=sent (250 ok)"
)


def test_lookups_that_fail_for_many_unrelated_domains_at_once_are_the_providers_resolver():
    many = [f"dest{number}.example{number}" for number in range(8)]
    down, _ = read(attempts_to(many, NOT_FOUND))
    assert {row[0] for row in told(down)} == {"accepted", "deferred"}
    back = attempts_to(["ok.example"], REACHED, start=100)
    after = attempts_to(["dead.example"], NOT_FOUND, start=200)
    events, _ = read([*attempts_to(many, NOT_FOUND), *back, *after])
    assert [row[2] for row in told(events) if row[0] == "dispatched"] == [
        "x@ok.example",
        "x@dead.example",
    ]
    # One domain after the other, each while others are reached: theirs, not ours.
    mixed = [
        line
        for number, domain in enumerate(many)
        for line in [
            *attempts_to([domain], NOT_FOUND, start=number * 10),
            *attempts_to([f"up{number}.example"], REACHED, start=number * 10 + 5),
        ]
    ]
    assert sum(row[0] == "dispatched" for row in told(read(mixed)[0])) == 16
    same = [f"host{number}.far.example" for number in range(8)]
    events, _ = read(attempts_to(same, NOT_FOUND))
    assert sum(row[0] == "dispatched" for row in told(events)) == 8, "related names"


def test_a_message_on_hold_is_kept_as_long_as_it_is_held():
    events, connector = read(lines("hold-a-week.log"))
    assert told(events)[-1] == ("delivered", *LI, "09 09:00:05.0", 691204.7)
    assert len(names(events)) == 1
    assert connector.counters["evicted"] == 0


def test_a_message_that_is_tried_again_and_again_is_kept_beyond_any_age():
    given = lines("day1.log")
    retry = given[-1].replace(b"2026-10-10T23:59:51", b"%s")
    for day in range(11, 30):
        given.append(retry.replace(b"%s", f"2026-10-{day}T12:00:00".encode()))
    given.append(lines("day2.log")[1].replace(b"2026-10-11T00:00:20", b"2026-10-30T00:00:20"))
    events, _ = read(given)
    assert len(names(events)) == 1
    assert told(events)[-1][0] == "delivered"


def test_a_log_cut_at_midnight_is_one_log_when_its_state_goes_along():
    whole, _ = read(lines("day1.log", "day2.log"))
    assert told(whole)[-1] == ("delivered", *LI, "11 00:00:20.0", 29.7)
    first = PostfixConnector(site(), REFERENCE)
    events = [event for line in lines("day1.log") for event in first.feed(line)]
    second = PostfixConnector(site(), REFERENCE)
    second.restore(first.snapshot())
    events += [event for line in lines("day2.log") for event in second.feed(line)]
    assert events == whole


def test_an_own_relay_named_by_its_host_name_does_not_swallow_its_mailboxes():
    events, connector = read(lines("own-relay-by-name.log"), own=("store1.prov.example",))
    assert told(events) == [
        ("accepted", *LI, "12 09:00:00.3", None),
        ("delivered", *LI, "12 09:00:03.0", 2.7),
    ]
    assert connector.counters["internal_hops"] == 1


@pytest.mark.parametrize("store", ["10.0.0.7", "exch1.prov.example", "exch1.prov.example:25"])
def test_a_relay_can_be_the_mailbox(store):
    events, _ = read(lines("gateway-store.log"), stores=(store,))
    assert told(events) == [
        ("accepted", *LI, "14 09:00:00.3", None),
        ("delivered", *LI, "14 09:00:01.0", 0.7),
    ]
    events, connector = read(lines("gateway-store.log"))
    assert events == []
    assert connector.counters["relayed_inbound"] == 1, "and is said"


def test_a_filter_that_adds_a_message_id_is_followed_by_what_it_says():
    events, _ = read(lines("filter-adds-message-id.log"))
    assert told(events)[-1] == ("delivered", *LI, "16 11:00:03.0", 7202.8)
    assert len(names(events)) == 1


def test_names_compare_as_idna_2008_has_them():
    tenants = TenantMap({"straße.example": "sz", "strasse.example": "other", "例子.example": "cn"})
    events, _ = read(lines("idn.log"), tenants=tenants)
    assert [
        (event["recipient"], event["tenant_id"])
        for event in events
        if event["type"] == "message.delivered"
    ] == [
        ("li@xn--strae-oqa.example", "sz"),
        ("li@straße.example", "sz"),
        ("li@strasse.example", "other"),
        ("李@例子.example", "cn"),
        ("li@xn--fsqu00a.example", "cn"),
    ]


FORMS = sorted(path.name for path in (SITES / "forms").iterdir())


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_line_gives_the_same_message(form):
    given = lines(f"forms/{form}")
    fine = b".200" in given[2]
    day = "03" if form == "single-space-day.log" else "13"
    events, connector = read(given)
    assert told(events) == [
        ("accepted", *WHO, f"{day} 09:00:00.{2 if fine else 0}", None),
        ("dispatched", *WHO, f"{day} 09:00:00.{4 if fine else 2}", 0.2),
    ]
    assert not connector.misunderstood


SHAPES = sorted(path.name for path in (SITES / "shapes").iterdir())


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_whose_content_suffices_is_read(shape):
    events, connector = read(lines(f"shapes/{shape}"))
    if shape == "journald-big-null.jsonl":
        assert events == []
        assert connector.last_problem is not None
        assert "no text" in connector.last_problem
        return
    (start,) = [event for event in events if event["type"] == "message.dispatched"]
    # Where the shape has whole seconds only, the start is as early as the queue manager's line.
    assert told([start])[0][3] in ("13 09:00:00.4", "13 09:00:00.2")
    assert start["estimate"] == "exact"
    assert start["source"] == "mx1/postfix"
