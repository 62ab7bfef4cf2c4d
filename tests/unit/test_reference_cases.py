"""The reference on sections 4 to 9: numbers worked out by hand.

October 2025: 1 to 8 are holidays, Saturday the 11th is a working day, the month ends on a
Friday. Saturday 27 September is free, Sunday the 28th is a working day.
"""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.reference.scenario import MONTH_S, at, contract, event, found

JUST = timedelta(microseconds=1)
HOUR = timedelta(hours=1)

CASES = [
    ("complaint.received", "complaint.responded", "case_id", "antispam.complaint_response"),
    ("blocklist.published", "blocklist.processed", "list_id", "antispam.blocklist_processing"),
    ("listing.detected", "listing.reported", "listing_id", "antispam.listing_report"),
]


@pytest.mark.parametrize(("opening", "answer", "name", "indicator"), CASES)
@pytest.mark.parametrize(
    ("begun", "until"),
    [
        (at(14, 0), at(16)),  # a Tuesday: until Wednesday's end
        (at(10, 23, 59), at(12)),  # a Friday before a working Saturday
        (at(17, 9), at(21)),  # a Friday: until Monday's end
        (at(30, 9, month=9), at(10)),  # before the holidays: until 9 October's end
    ],
)
def test_answered_by_the_end_of_the_next_working_day(
    opening, answer, name, indicator, begun, until
):
    def late(*answers):
        case = event(opening, begun, **{name: "c"})
        return found([case, *(event(answer, time, **{name: "c"}) for time in answers)], indicator)

    assert late(until - JUST) == (0, 0, 0, "met")
    assert late(until) == (1, 1, 0, "breached")
    assert late(until + HOUR, begun) == (0, 0, 0, "met")
    assert late() == (1, 1, 0, "breached")


@pytest.mark.parametrize(
    ("seconds", "count"), [(-0.000001, 0), (0, 1)], ids=["just inside", "just beyond"]
)
def test_result_is_notified_within_three_natural_days(seconds, count):
    events = [
        event("complaint.received", at(14, 18), case_id="c"),
        event("complaint.responded", at(14, 19), case_id="c"),
        event("complaint.result_notified", at(18) + timedelta(seconds=seconds), case_id="c"),
    ]
    assert found(events, "antispam.result_notice").observed == count


def test_a_case_belongs_to_the_month_of_its_deadline():
    friday = event("complaint.received", at(31, 9), case_id="c")
    assert found([friday], "antispam.complaint_response").observed == 0
    november = found([friday], "antispam.complaint_response", month="2025-11")
    assert november.observed == 1


def test_only_complaints_about_the_own_domain_count():
    events = [event("complaint.received", at(14), case_id="c", origin="foreign")]
    assert found(events, "antispam.complaint_response") == (0, 0, 0, "met")


def test_the_earliest_receipt_of_a_case_counts():
    events = [event("complaint.received", at(14 + n), case_id="c") for n in (1, 0)]
    events.append(event("complaint.responded", at(16, 1), case_id="c"))
    assert found(events, "antispam.complaint_response").observed == 1


def test_a_platform_list_is_answered_by_the_platform_only():
    events = [
        event("blocklist.published", at(14), list_id="l", tenant_id="*"),
        event("blocklist.processed", at(14), list_id="l"),
    ]
    assert found(events, "antispam.blocklist_processing").observed == 1
    events.append(event("blocklist.processed", at(14), list_id="l", tenant_id="*"))
    assert found(events, "antispam.blocklist_processing").observed == 0


def test_the_profile_sets_the_days():
    terms = contract(profile={"name": "p", "response_working_days": 3, "result_notice_days": 5})
    events = [
        event("complaint.received", at(16, 9), case_id="c"),  # Thursday
        event("complaint.responded", at(21, 23), case_id="c"),  # Tuesday: the third
        event("complaint.result_notified", at(21, 23), case_id="c"),
    ]
    for name in ("complaint_response", "result_notice"):
        assert found(events, f"antispam.{name}", terms).observed == 0
        assert found(events, f"antispam.{name}").observed == 1


def test_the_contract_names_the_calendar():
    holiday = event("complaint.received", at(1, 9), case_id="c")  # a Wednesday
    answer = event("complaint.responded", at(9, 9), case_id="c")
    terms = contract(calendar="MON-FRI")
    assert found([holiday, answer], "antispam.complaint_response").observed == 0
    assert found([holiday, answer], "antispam.complaint_response", terms).observed == 1


def test_a_foreign_source_is_reported_to_all_three():
    told = [
        event("source.reported", at(20), case_id="c", reported_to=name)
        for name in ("association", "provider", "nsp")
    ]
    confirmed = event("source.confirmed", at(14), case_id="c")
    name = "antispam.foreign_source_report"
    assert found([confirmed, *told], name) == (0, 0, 0, "not_judged")
    assert found([confirmed, *told[1:]], name) == (1, 1, 0, "not_judged")
    assert found([event("source.confirmed", at(14, month=9), case_id="c")], name).observed == 0


def updates(*days, month=10):
    return [event("definitions.updated", at(day, month=month)) for day in days]


def test_every_week_of_the_month_of_its_sunday_needs_an_update():
    # Sundays 5, 12, 19, 26; the week of the 5th begins on 29 September.
    weekly = updates(29, month=9) + updates(6, 13, 20)
    assert found(weekly, "antivirus.definition_updates") == (0, 0, 0, "met")
    late = updates(29, month=9) + updates(6, 13, 27)
    assert found(late, "antivirus.definition_updates") == (1, 1, 0, "breached")
    early = [*updates(6, 13, 20), event("definitions.updated", at(29, month=9) - JUST)]
    assert found(early, "antivirus.definition_updates").observed == 1


def test_only_weeks_wholly_active_count():
    terms = contract(effective_from="2025-10-07", effective_to="2025-10-26")
    events = updates(1)
    # Of the four weeks only 13-19 is whole.
    assert found(events, "antivirus.definition_updates", terms).observed == 1
    longer = contract(effective_from="2025-09-29")
    assert found(events, "antivirus.definition_updates", longer).observed == 3


@pytest.mark.parametrize(
    ("begun", "ended", "short"),
    [
        (at(15), at(16), 1),
        (at(15), None, 2),
        (at(13) - JUST, at(13), 1),
        (at(13) - JUST, at(13) + JUST, 2),
        (at(13), at(13), 1),
        (at(27), None, 0),
    ],
)
def test_an_outbreak_asks_for_two_updates_in_each_week_it_touches(begun, ended, short):
    once_a_week = updates(29, month=9) + updates(6, 13, 20)
    outbreak = [event("outbreak.declared", begun, outbreak_id="o", tenant_id="*")]
    if ended:
        outbreak.append(event("outbreak.ended", ended, outbreak_id="o", tenant_id="*"))
    assert found(once_a_week + outbreak, "antivirus.outbreak_updates").observed == short
    twice = once_a_week + updates(8, 15, 22)
    assert found(twice + outbreak, "antivirus.outbreak_updates").observed == 0


@pytest.mark.parametrize(
    ("verdict", "policy", "count"),
    [("skipped", "clean", 1), ("error", "detect", 1), ("skipped", "off", 0), ("clean", "clean", 0)],
)
def test_unscanned_messages_count_unless_the_policy_is_off(verdict, policy, count):
    scan = event("message.scanned", at(14), verdict=verdict, policy=policy)
    again = event("message.scanned", at(15), verdict=verdict, policy=policy)
    assert found([scan, scan, again], "antivirus.unscanned").observed == 2 * count


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({"policy": "detect", "action": "tagged", "verdict": "infected"}, 0),
        ({"policy": "detect", "action": "cleaned", "verdict": "infected"}, 1),
        ({"policy": "detect", "action": "deleted"}, 1),
        ({"policy": "clean", "action": "none", "verdict": "infected"}, 1),
        ({"policy": "clean", "action": "quarantined", "verdict": "infected"}, 0),
        ({"policy": "off", "action": "none", "verdict": "infected"}, 0),
        (
            {
                "policy": "off",
                "verdict": "infected",
                "kept_original": True,
                "keep_original_policy": False,
            },
            1,
        ),
        ({"kept_original": True, "keep_original_policy": False}, 0),
        ({"policy": "off", "verdict": "infected", "kept_original": True}, 0),
    ],
)
def test_an_action_against_the_mailbox_policy_is_a_mismatch_once_a_message(fields, count):
    events = [event("message.scanned", at(day), **fields) for day in (14, 15)]
    assert found(events, "antivirus.policy_mismatch").observed == count


def test_scan_delay_is_shown():
    events = [event("message.scanned", at(14), scan_ms=ms) for ms in (0.0005, 1.5)]
    events.append(event("message.scanned", at(14)))
    delay = found(events, "antivirus.scan_delay")
    assert delay == (Decimal("0.0007505"), Decimal("0.0007505"), 0, "not_judged")
    assert found(events[2:], "antivirus.scan_delay") == (None, None, None, "not_judged")


@pytest.mark.parametrize(("target", "verdict"), [(1, "breached"), (2, "met"), (3, "breached")])
def test_security_incidents_are_judged_only_with_a_target(target, verdict):
    events = [event("security.incident", at(14), incident_id=name) for name in ("a", "b", "a")]
    assert found(events, "security.incidents") == (2, 2, 0, "not_judged")
    terms = contract(overrides={"security.incidents": {"target": target}})
    assert found(events, "security.incidents", terms).verdict == verdict
    quiet = [event("ticket.opened", at(14), ticket_id="t", channel="web")]
    assert found(quiet, "security.incidents", terms).verdict == "no_data"


def backups(days, kind="full", **fields):
    return [
        event(
            "backup.completed",
            at(day, 3),
            backup_id="b",
            kind=kind,
            started_at=at(day),
            **fields,
        )
        for day in days
    ]


@pytest.mark.parametrize("kind", ["full", "incremental", "differential"])
def test_every_local_day_needs_a_backup(kind):
    assert found(backups(range(1, 32), kind), "backup.incremental") == (0, 0, 0, "met")
    missing = backups([*range(1, 20), *range(21, 32)], kind, tenant_id="*")
    assert found(missing, "backup.incremental") == (1, 1, 0, "breached")
    failed = [event("backup.failed", at(20, 3), backup_id="b", kind=kind)]
    assert found(missing + failed, "backup.incremental").observed == 1


def test_a_full_backup_is_due_every_three_days():
    made = at(30, 3, month=9)
    last = event("backup.completed", made, backup_id="b", kind="full", started_at=made)
    every_third = backups(range(3, 32, 3))
    assert found([last], "backup.full").observed == 31 - 2
    # Days 1 and 2 need one on 30 September or on the 1st.
    assert found(every_third, "backup.full").observed == 2
    assert found(backups([1, *range(3, 32, 3)]), "backup.full") == (0, 0, 0, "met")
    assert found(backups([1, *range(3, 28, 3), 31]), "backup.full").observed == 1
    partial = backups([1, *range(3, 32, 3)], "differential")
    assert found(partial, "backup.full").observed == 31


@pytest.mark.parametrize(
    ("made", "kept_until"),
    [
        (at(15, 23, month=9), at(16)),
        (at(31, 1, month=8), at(1)),  # until the end of 30 September
    ],
)
def test_a_backup_is_kept_for_a_calendar_month(made, kept_until):
    def early(time):
        gone = event("backup.deleted", time, backup_id="b", completed_at=made)
        return found([gone, gone], "backup.retention", month=f"{time:%Y-%m}").observed

    assert early(kept_until - JUST) == 1
    assert early(kept_until) == 0


def test_deletions_count_in_the_month_in_which_they_happen():
    gone = event("backup.deleted", at(30, month=9), backup_id="b", completed_at=at(29, month=9))
    assert found([gone], "backup.retention").observed == 0
    assert found([gone], "backup.retention", month="2025-09").observed == 1


@pytest.mark.parametrize(("seconds", "count"), [(-0.000001, 1), (0, 0)])
def test_locked_accounts_are_kept_for_90_days(seconds, count):
    locked = at(15, 18, month=7)  # its 91st day after is 14 October
    purged = event(
        "account.purged",
        at(14) + timedelta(seconds=seconds),
        account="a@acme.cn",
        locked_at=locked,
    )
    assert found([purged, purged], "backup.account_retention").observed == count


@pytest.mark.parametrize(("kind", "hours"), [("own", 24), ("new", 48)])
@pytest.mark.parametrize(("seconds", "count"), [(-0.000001, 0), (0, 0), (0.000001, 1)])
def test_orders_are_opened_and_notified_in_time(kind, hours, seconds, count):
    paid = event("payment.confirmed", at(14, 9), order_id="o", domain_kind=kind)
    done = at(14, 9) + timedelta(hours=hours, seconds=seconds)
    name = f"provisioning.{kind}_domain"
    for opened, notified in ((done, at(14, 9)), (at(14, 9), done)):
        service = event("service.opened", opened, order_id="o", notified_at=notified)
        assert found([paid, service], name).observed == count
    assert found([paid], name) == (1, 1, 0, "breached")
    other = "new" if kind == "own" else "own"
    assert found([paid], f"provisioning.{other}_domain") == (0, 0, 0, "met")


def test_an_order_belongs_to_the_month_of_its_deadline():
    paid = event("payment.confirmed", at(31), order_id="o", domain_kind="own")
    assert found([paid], "provisioning.own_domain").observed == 0
    sooner = event("payment.confirmed", at(31) - JUST, order_id="o", domain_kind="own")
    assert found([paid, sooner], "provisioning.own_domain").observed == 1


def test_support_is_down_while_every_known_channel_is_down():
    events = [
        event("channel.down", at(14), channel="phone"),
        event("channel.up", at(14, 2), channel="mail", tenant_id="*"),
        event("channel.down", at(14, 3), channel="mail"),
        event("channel.down", at(14, 4), channel="web"),
        event("channel.up", at(14, 4), channel="web"),
    ]
    # Down for 0-2 h and 3-4 h.
    share = (1 - Decimal(3 * 3600) / MONTH_S).quantize(Decimal("1e-9"), "ROUND_DOWN")
    assert found(events, "support.availability") == (share, share, 0, "breached")


def test_support_states_carry_over_and_unknown_is_no_data():
    before = [event("channel.up", at(1, month=3), channel="phone")]
    assert found(before, "support.availability") == (1, 1, 0, "met")
    after = [event("channel.down", at(31, 23, 59, 59.999999), channel="phone")]
    assert found(after, "support.availability").verdict == "breached"
    tickets = [event("ticket.opened", at(14), ticket_id="t", channel="web")]
    assert found(tickets, "support.availability") == (None, None, None, "no_data")


@pytest.mark.parametrize(
    ("name", "topic_event"),
    [
        ("antispam.complaint_response", ("source.blocked", {"case_id": "c"})),
        ("antispam.result_notice", ("source.blocked", {"case_id": "c"})),
        ("antispam.blocklist_processing", ("source.blocked", {"case_id": "c"})),
        ("antispam.listing_report", ("source.blocked", {"case_id": "c"})),
        ("antivirus.unscanned", ("outbreak.ended", {"outbreak_id": "o"})),
        ("antivirus.policy_mismatch", ("outbreak.ended", {"outbreak_id": "o"})),
        ("backup.retention", ("account.locked", {"account": "a"})),
        ("backup.account_retention", ("account.locked", {"account": "a"})),
        ("provisioning.own_domain", ("customer.charged", {})),
        ("provisioning.new_domain", ("customer.charged", {})),
        ("latency.exceedances", ("message.rejected", {})),
    ],
)
def test_counts_have_no_data_until_their_topic_spoke(name, topic_event):
    kind, fields = topic_event
    silent = [event("ticket.opened", at(14), ticket_id="t", channel="web")]
    assert found(silent, name) == (None, None, None, "no_data")
    later = event(kind, at(1, month=11), **fields)
    assert found([*silent, later], name).verdict == "no_data"
    earlier = event(kind, at(1, month=3), **fields)
    assert found([*silent, earlier], name) == (0, 0, 0, "met")
