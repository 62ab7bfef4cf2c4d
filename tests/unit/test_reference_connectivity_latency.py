"""The reference on sections 1 and 2: numbers worked out by hand."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.reference.scenario import (
    CUTOFF,
    MONTH_S,
    at,
    contract,
    event,
    excluded,
    found,
    probes,
    received,
    sent,
)

NOON = at(10, 12)


def down(seconds: float, **fields):
    return probes(NOON, seconds, ok=False, **fields)


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(2639.999998, "met"), (2640, "breached"), (2640.000002, "breached")]
)
def test_downtime_must_stay_under_44_minutes(seconds, verdict):
    downtime = found(down(seconds), "connectivity.downtime")
    assert downtime == (Decimal(str(seconds)), Decimal(str(seconds)), 0, verdict)


@pytest.mark.parametrize(
    ("seconds", "observed", "verdict"),
    # 0.1 % of 31 days is 2678.4 s.
    [
        (2678.399998, "0.999000000", "met"),
        (2678.4, "0.999", "met"),
        (2678.400002, "0.998999999", "breached"),
    ],
)
def test_ratio_is_compared_exactly_and_shown_truncated(seconds, observed, verdict):
    ratio = found(down(seconds), "connectivity.ratio")
    assert (ratio.observed, ratio.verdict) == (Decimal(observed), verdict)


def test_connectivity_without_observation_has_no_data():
    events = [event("security.incident", NOON, incident_id="x")]
    assert found(events, "connectivity.downtime") == (None, None, None, "no_data")
    assert found(events, "connectivity.ratio") == (None, None, None, "no_data")


def test_one_good_result_of_any_channel_makes_a_capability_work():
    events = down(1000) + probes(at(10, 12, 5), 100, channel="web", probe="w")
    assert found(events, "connectivity.downtime").observed == 900


def test_two_capabilities_down_together_count_once():
    events = down(1000) + probes(at(10, 12, 10), 1000, ok=False, capability="receive")
    assert found(events, "connectivity.downtime").observed == 1600


def test_own_results_speak_before_the_platform_s_while_they_hold():
    platform = down(1000, tenant_id="*")
    own = probes(at(10, 12, 5), 100)
    assert found(platform + own, "connectivity.downtime").observed == 900


def test_a_result_holds_until_the_next_of_its_probe():
    events = [*down(1000), event("probe.result", at(10, 12, 1), interval_s=1)]
    assert found(events, "connectivity.downtime").observed == 60


def test_at_the_same_time_the_good_result_counts_for_its_interval():
    events = [*probes(NOON, 100), *down(1000)]
    assert found(events, "connectivity.downtime").observed == 0


def test_downtime_is_cut_at_the_edges_of_the_month():
    before = probes(at(30, 23, 50, month=9), 1200, ok=False)
    after = probes(at(31, 23, 50), 1200, ok=False)
    assert found(before + after, "connectivity.downtime").observed == 1200


def test_excluded_time_is_taken_out_of_downtime():
    events = [*down(3000), excluded(NOON, 600), excluded(at(10, 12, 5), 600, exclusion_id="y")]
    assert found(events, "connectivity.downtime") == (2100, 3000, 900, "met")
    ratio = found(events, "connectivity.ratio")
    assert ratio.observed == (Decimal(MONTH_S - 2100) / MONTH_S).quantize(
        Decimal("1e-9"), "ROUND_DOWN"
    )
    assert ratio.excluded == 900


@pytest.mark.parametrize(
    ("fields", "net"),
    [
        ({"code": "agreed_maintenance"}, 3000),
        ({"code": "agreed_maintenance", "consent_ref": "letter 7"}, 2400),
        ({"code": "foreign_system"}, 3000),
        ({"sections": [2]}, 3000),
        ({"sections": [1]}, 2400),
        ({"tenant_id": "*"}, 2400),
        ({"tenant_id": "other"}, 3000),
        ({"ends_at": NOON}, 3000),
    ],
)
def test_which_exclusions_excuse_downtime(fields, net):
    events = [*down(3000), excluded(NOON, 600, **fields)]
    assert found(events, "connectivity.downtime").observed == net


@pytest.mark.parametrize(("seconds", "net"), [(-1, 2400), (0, 3000), (1, 3000)])
def test_an_exclusion_revoked_not_before_its_declaration_is_gone(seconds, net):
    revoked = event("exclusion.revoked", NOON + timedelta(seconds=seconds))
    events = [*down(3000), excluded(NOON, 600), revoked]
    assert found(events, "connectivity.downtime").observed == net


def test_the_latest_declaration_counts():
    second = excluded(NOON, 100, time=at(11))
    events = [*down(3000), second, excluded(NOON, 600)]
    assert found(events, "connectivity.downtime").observed == 2900


@pytest.mark.parametrize("make", [sent, received])
@pytest.mark.parametrize(
    ("latency", "verdict"), [(59.999999, "met"), (60, "met"), (60.000002, "breached")]
)
def test_mean_latency_is_at_most_a_minute(make, latency, verdict):
    name = "latency.send.mean" if make is sent else "latency.receive.mean"
    events = [make(NOON, 60), make(at(11), latency, "n")]
    mean = found(events, name)
    # Half a microsecond is shown, not rounded.
    assert mean.observed == (60 + Decimal(str(latency))) / 2
    assert mean.verdict == verdict


def test_mean_without_a_message_has_no_data():
    events = [event("message.rejected", NOON)]
    assert found(events, "latency.send.mean") == (None, None, None, "no_data")
    assert found(events, "latency.send.max") == (None, None, None, "not_judged")
    assert found(events, "latency.exceedances") == (0, 0, 0, "met")


@pytest.mark.parametrize(
    ("latencies", "count", "verdict"),
    [
        ([3600, 3600], 0, "met"),
        ([3600.000001, 3600], 1, "met"),
        ([3600.000001, 3601], 2, "breached"),
    ],
)
def test_two_messages_over_an_hour_breach(latencies, count, verdict):
    events = [sent(NOON, latencies[0]), received(NOON, latencies[1], "n")]
    assert found(events, "latency.exceedances") == (count, count, 0, verdict)


def test_the_largest_latency_is_shown_and_not_judged():
    events = [sent(NOON, 4000.5), sent(NOON, 1, "n"), received(NOON, 7, "o")]
    assert found(events, "latency.send.max") == (
        Decimal("4000.5"),
        Decimal("4000.5"),
        0,
        "not_judged",
    )
    assert found(events, "latency.receive.max").observed == 7


def test_the_earliest_dispatch_of_a_message_counts_once_per_recipient():
    events = [sent(NOON, 90), sent(NOON, 30), sent(NOON, 10, attempt=2)]
    events.append(sent(NOON, 60, recipient="q@example.org"))
    assert found(events, "latency.send.mean").observed == 45


def test_a_duplicate_event_counts_once():
    first, other = sent(NOON, 30), sent(NOON, 60, "n")
    assert found([first, other, first], "latency.send.mean").observed == 45


def test_a_message_belongs_to_the_month_in_which_it_was_accepted():
    events = [sent(at(31, 23, 59, 59), 3, "a"), sent(at(30, 23, 59, 59, month=9), 9, "b")]
    assert found(events, "latency.send.mean").observed == 3


def test_messages_left_out_by_liability_or_exclusion():
    events = [
        sent(NOON, 10, "a"),
        sent(NOON, 4000, "b", liability="foreign_system"),
        sent(at(11), 5000, "c"),
        # [accepted, finished] touches the exclusion's start, not the other's end.
        excluded(at(11) + timedelta(seconds=5000), 60, code="foreign_system"),
        excluded(at(10, 11), 3600, exclusion_id="y"),
    ]
    assert found(events, "latency.send.mean") == (10, Decimal("3003.333333333"), 2, "met")
    assert found(events, "latency.send.max") == (10, 5000, 2, "not_judged")
    assert found(events, "latency.exceedances") == (0, 2, 2, "met")


@pytest.mark.parametrize(("age_us", "count"), [(-1, 0), (0, 0), (1, 1)])
def test_an_unfinished_message_older_than_an_hour_at_the_cutoff_is_an_exceedance(age_us, count):
    accepted = at(31, 23, 30)
    cutoff = accepted + timedelta(hours=1, microseconds=age_us)
    events = [event("message.accepted", accepted), event("message.deferred", at(31, 23, 31))]
    assert found(events, "latency.exceedances", cutoff=cutoff).observed == count
    assert found(events, "latency.receive.mean", cutoff=cutoff).observed is None


@pytest.mark.parametrize(
    ("fields", "over"),
    [
        ({"type": "message.bounced"}, 0),
        ({"type": "message.expired"}, 0),
        ({"type": "message.discarded"}, 0),
        ({"type": "message.rejected"}, 1),
        ({"type": "message.bounced", "recipient": "q@example.org"}, 1),
        ({"type": "message.dispatched", "direction": "outbound", "attempt": 2}, 0),
    ],
)
def test_what_finishes_a_message(fields, over):
    ending = event("message.bounced", at(12), accepted_at=NOON, **fields)
    events = [event("message.accepted", NOON), ending]
    assert found(events, "latency.exceedances", cutoff=CUTOFF).observed == over


def test_an_unfinished_message_is_left_out_by_liability_or_an_open_exclusion():
    events = [
        event("message.accepted", NOON, message_id="a", liability="carrier"),
        event("message.accepted", NOON, message_id="b"),
        event("message.accepted", at(20), message_id="c"),
        excluded(at(12), 60),
    ]
    assert found(events, "latency.exceedances") == (1, 3, 2, "met")


def test_the_contract_sets_the_limit_and_the_target():
    terms = contract(
        profile={"name": "strict", "max_latency_s": 10},
        overrides={"latency.exceedances": {"target": 1}, "latency.send.max": {"judged": True}},
    )
    events = [sent(NOON, 10.000001)]
    assert found(events, "latency.exceedances", terms) == (1, 1, 0, "breached")
    assert found(events, "latency.send.max", terms).verdict == "met"
