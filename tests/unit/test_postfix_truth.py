"""The connector held against what the sending client and the destination server saw."""

import json
from collections import Counter, defaultdict
from datetime import datetime

import pytest
from postfix_corpus import (
    LONG_ID_LOG,
    REFERENCE,
    RSYSLOG_JSON,
    SHORT_ID_LOG,
    latency,
    queue_id,
    raw_lines,
    read_truth,
    seconds,
    ship,
    to_second_resolution,
)

from mailsla.schemas.codec.records import Rejection, decode_event

TENANTS = ("tenant-a.test", "tenant-b.test")
SENT = read_truth("truth_send.jsonl")
# One message may reach the sink more than once only by retries; the first is the start.
ARRIVED = {
    (seen["msgid"], recipient): seen
    for seen in reversed(read_truth("truth_sink.jsonl"))
    for recipient in seen["rcpt"]
}


def finishing_events(events):
    """(queue id, recipient) → the event that ends a latency; each must exist once."""
    found = defaultdict(list)
    for event in events:
        if event["type"] in ("message.dispatched", "message.delivered"):
            found[queue_id(event), event["recipient"]].append(event)
    assert all(len(several) == 1 for several in found.values())
    return {key: several[0] for key, several in found.items()}


@pytest.fixture(scope="module", params=["microseconds", "seconds"])
def measured(request):
    """The log's events, as stamped and as a host with second resolution would stamp it."""
    lines = raw_lines(LONG_ID_LOG)
    if request.param == "seconds":
        lines = [to_second_resolution(line) for line in lines]
    events, _ = ship(lines)
    return finishing_events(events), 0.25 if request.param == "microseconds" else 1.1


def test_every_message_of_the_truth_is_measured_once_and_nothing_else(measured):
    found, _ = measured
    expected = {(m["reply"].split()[-1], r): m["kind"] for m in SENT for r in m["rcpt"]}
    assert found.keys() == expected.keys()
    assert Counter(expected.values()) == {
        "in": 40, "in_filter": 20, "in_trickle": 8, "multi": 24, "out": 40,
        "out_deferred": 12, "out_filter": 20, "out_trickle": 8, "session3": 18,
    }  # fmt: skip


def test_direction_and_tenant_follow_the_recipient_or_the_login(measured):
    found, _ = measured
    for message in SENT:
        for recipient in message["rcpt"]:
            event = found[message["reply"].split()[-1], recipient]
            inbound = recipient.endswith(TENANTS)
            domain = (recipient if inbound else message["sender"]).partition("@")[2]
            assert event["tenant_id"] == domain.removesuffix(".test")
            assert event["direction"] == ("inbound" if inbound else "outbound")
            assert event["type"] == ("message.delivered" if inbound else "message.dispatched")
            assert event["estimate"] == "exact"


def test_full_reception_is_within_tolerance_of_the_end_of_data(measured):
    found, tolerance = measured
    for message in SENT:
        for recipient in message["rcpt"]:
            event = found[message["reply"].split()[-1], recipient]
            assert abs(seconds(event["accepted_at"]) - message["t_dot"]) < tolerance, message


def test_send_latency_is_within_tolerance_of_the_destinations_accept(measured):
    found, tolerance = measured
    compared = Counter()
    for message in SENT:
        for recipient in message["rcpt"]:
            arrived = ARRIVED.get((message["msgid"], recipient))
            if arrived is None or message["kind"] == "out_deferred":
                continue
            # On a connection used again transmission starts with MAIL.
            start = arrived["t_accept"] or arrived["t_mail"]
            event = found[message["reply"].split()[-1], recipient]
            assert abs(latency(event) - (start - message["t_dot"])) < tolerance, message
            compared[message["kind"]] += 1
    assert compared == {"out": 40, "out_trickle": 8, "out_filter": 20, "multi": 8}


def test_a_deferred_message_counts_at_its_first_attempt(measured):
    found, tolerance = measured
    for message in SENT:
        if message["kind"] == "out_deferred":
            event = found[message["reply"].split()[-1], message["rcpt"][0]]
            # The destination refused at once; it took the message only at a retry.
            assert latency(event) < tolerance
            arrived = ARRIVED.get((message["msgid"], message["rcpt"][0]))
            if arrived is not None:
                assert arrived["t_mail"] - message["t_dot"] > 10 * latency(event)


def test_receive_latency_lies_between_nothing_and_the_time_the_filter_took(measured):
    found, tolerance = measured
    for message in SENT:
        for recipient in message["rcpt"]:
            if recipient.endswith(TENANTS):
                event = found[message["reply"].split()[-1], recipient]
                assert 0 <= latency(event) < 0.2 + tolerance


def test_the_rsyslog_form_gives_the_same_events_as_the_plain_log():
    wrapped, connector = ship(raw_lines(RSYSLOG_JSON), host="vm")
    plain, _ = ship(raw_lines(LONG_ID_LOG)[: len(raw_lines(RSYSLOG_JSON))])
    assert connector.counters["unreadable"] == connector.counters["unparsed"] == 0
    assert wrapped == plain


def test_the_short_id_log_is_accounted_for_line_by_kind():
    events, connector = ship(raw_lines(SHORT_ID_LOG))
    assert connector.counters["unparsed"] == connector.counters["unreadable"] == 0
    assert len({event["id"] for event in events}) == len(events)
    kinds = Counter(
        (event["type"].removeprefix("message."), event["direction"]) for event in events
    )
    assert kinds["expired", "outbound"] == 6
    assert kinds["rejected", "outbound"] == 10
    assert kinds["discarded", "outbound"] == 6, "discard(8)"
    assert kinds["discarded", "inbound"] == 3, "the filter said INFECTED"
    for event in events:
        moment = datetime.fromisoformat(event["time"])
        assert (moment.year, moment.month, moment.day) == (2026, 11, 22)
        if "accepted_at" in event:
            assert event["accepted_at"] <= event["time"]


def test_a_requeued_message_stays_the_message_it_was():
    events, _ = ship(raw_lines(SHORT_ID_LOG))
    own = [event for event in events if event["recipient"] == "h3@expire.test"]
    assert {queue_id(event) for event in own} == {"14D6F22A52D"}
    kinds = Counter(event["type"] for event in own)
    assert kinds["message.accepted"] == kinds["message.dispatched"] == 1
    assert kinds["message.expired"] == 1
    assert {event["accepted_at"] for event in own} == {"2026-11-22T12:18:30.000000+00:00"}


def test_a_loud_bounce_of_postfix_itself_makes_no_event():
    events, connector = ship(raw_lines(SHORT_ID_LOG))
    assert connector.counters["notifications"] == 24
    assert "4E28D22A527" not in {queue_id(event) for event in events}


@pytest.mark.parametrize("log", [LONG_ID_LOG, SHORT_ID_LOG])
def test_every_event_is_accepted_by_the_topics_schema(log):
    for event in ship(raw_lines(log))[0]:
        decoded = decode_event("mail.mta", json.dumps(event).encode(), REFERENCE)
        assert not isinstance(decoded, Rejection), (decoded, event)
        assert set(event) <= set(type(decoded).model_fields), "nothing the schema does not know"
