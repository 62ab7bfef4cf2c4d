"""What an audit takes for a difference."""

from decimal import Decimal

import orjson
import pytest

from mailsla.schemas.results import Closing, ClosingItem
from mailsla.schemas.topics import OPS, STATUS
from mailsla.sinks.closing.run.audit import Audit, AuditDifference, Value, compare, without
from tests.live_run import LiveRun


def item(observed, verdict, indicator="latency.send.mean"):
    return ClosingItem.model_construct(
        tenant_id="acme",
        indicator=indicator,
        observed=None if observed is None else Decimal(observed),
        verdict=verdict,
    )


def audit(closed, live, indicator="latency.send.mean"):
    closing = Closing.model_construct(tenant_id="acme", items=(item(*closed, indicator),))
    said = {} if live is None else {("acme", indicator): live}
    return compare([closing], said).differences


def value(observed, breached):
    return Value(None if observed is None else Decimal(observed), breached)


@pytest.mark.parametrize(
    ("closed", "live"),
    [
        (("59.5", "met"), value("59.5", False)),
        (("0.333333333", "met"), value("0.3333333334", False)),
        (("2592000.123456789", "breached"), value("2592000.124", True)),
        ((None, "no_data"), value(None, False)),
        ((None, "no_data"), None),
        (("12", "not_judged"), value("12", True)),
    ],
)
def test_the_same_said_twice_is_no_difference(closed, live):
    assert audit(closed, live) == ()


@pytest.mark.parametrize(
    ("closed", "live"),
    [
        (("59.5", "met"), value("59.5000002", False)),
        (("59.5", "met"), value("59.5", True)),
        (("61", "breached"), value("61", False)),
        (("61", "breached"), None),
        (("0", "met"), None),
        ((None, "no_data"), value("3", False)),
        (("3", "not_judged"), value(None, False)),
    ],
)
def test_another_value_or_another_verdict_is_a_difference(closed, live):
    (found,) = audit(closed, live)
    assert (found.tenant_id, found.indicator, found.live) == ("acme", "latency.send.mean", live)


def test_a_month_nobody_watched_may_go_untold():
    assert audit(("0", "breached"), None, "operations.monitoring") == ()
    assert len(audit(("0.5", "breached"), None, "operations.monitoring")) == 1


def test_a_tenant_whose_messages_never_landed_is_a_difference():
    lost = compare([], {("gone", "latency.send.mean"): value("3", False)})
    quiet = compare([], {("quiet", "backup.full"): value("0", False)})
    assert [one.tenant_id for one in lost.differences] == ["gone"]
    assert quiet.differences == ()


def test_tenants_whose_events_were_held_back_are_named_apart():
    values = {(name, "latency.send.mean"): value("3", False) for name in ("lost", "held")}
    found = without(compare([], values), {"held", "well"})
    assert [one.tenant_id for one in found.differences] == ["lost"]
    assert found.held_back == ("held",)


def test_of_a_month_that_is_no_longer_followed_live_nothing_is_a_difference():
    values = {(name, "latency.send.mean"): value("3", False) for name in ("given-up", "followed")}
    found = without(compare([], values), given_up={"given-up", "agrees"}, running={"given-up"})
    assert [one.tenant_id for one in found.differences] == ["followed"]
    assert (found.given_up, found.running) == (("given-up",), ())


def test_what_time_alone_changes_is_no_difference_while_the_month_runs_live():
    names = [("runs", "backup.full"), ("runs", "latency.send.mean"), ("over", "backup.full")]
    found = [AuditDifference(*name, value("21", True), value("30", True)) for name in names]
    told = without(Audit(2, 3, tuple(found)), running={"runs"})
    assert [(one.tenant_id, one.indicator) for one in told.differences] == names[1:]
    assert told.running == ("runs",)


def test_a_month_is_over_for_whoever_fell_silent_once_it_is_for_another():
    """So their differences are told: the states of both are as late as the month's end."""
    run = LiveRun()
    for tenant, day in (("silent", "09-10"), ("other", "09-20"), ("other", "10-02")):
        event = {"source": "watch", "type": "monitor.heartbeat", "monitor": "m", "interval_s": 60}
        event |= {"id": day, "tenant_id": tenant, "time": f"2026-{day}T00:00:00Z"}
        run.feed([(OPS.name, tenant.encode(), orjson.dumps(event))])
        run.checkpoint()
    run.checkpoint()
    told = [orjson.loads(one.value) for one in run.told if one.topic == STATUS.name]
    for tenant in ("silent", "other"):
        latest = max(one["event_time"] for one in told if one["tenant_id"] == tenant)
        assert latest >= "2026-09-30T16:00:00Z"
