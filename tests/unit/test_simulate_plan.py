"""The simulated month: valid, repeatable, and its truth is what the reference finds."""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache

import orjson
import pytest

from mailsla.schemas.codec.records import Rejection, decode_event
from mailsla.schemas.indicators import INDICATORS
from mailsla.streams.simulate.bad import BAD_KINDS
from mailsla.streams.simulate.plan import SimulationPlan, plan
from mailsla.streams.simulate.record import SECOND, SimulatedRecord
from mailsla.streams.simulate.stories import STORIES
from tests.reference.instants import parse
from tests.reference.judge import Findings, judge

pytestmark = pytest.mark.slow

BROKER_TIME = datetime(2026, 1, 1, tzinfo=UTC)
NEAR_US = 1800 * SECOND


@cache
def told(month: str) -> tuple[SimulationPlan, list[SimulatedRecord]]:
    planned = plan(7, len(STORIES), month, 1200)
    return planned, list(planned.records())


def good(records: list[SimulatedRecord]) -> list[dict]:
    kinds = {"event", "duplicate", "late", "miskeyed"}
    return [orjson.loads(record.value) for record in records if record.kind in kinds]


def test_equal_arguments_give_equal_records():
    one, other = plan(3, 1, "2024-02", 50), plan(3, 1, "2024-02", 50)
    records = list(one.records())
    assert records == list(other.records()) == list(one.records())
    assert list(plan(4, 1, "2024-02", 50).records()) != records


def test_good_records_are_accepted_and_bad_ones_refused_at_the_field_that_is_bad():
    _, records = told("2025-10")
    for topic, key, value, kind in records:
        if value is None:
            assert kind == "tombstone"
            continue
        outcome = decode_event(topic, value, BROKER_TIME)
        if kind.startswith("bad:"):
            assert isinstance(outcome, Rejection), (kind, value)
            assert outcome.field == BAD_KINDS[kind.removeprefix("bad:")].field, (kind, outcome)
        else:
            assert not isinstance(outcome, Rejection), (kind, value, outcome)
            assert (outcome.tenant_id.encode() == key) == (kind != "miskeyed")


def test_the_truth_counts_what_is_published():
    planned, records = told("2025-10")
    truth = planned.truth
    kinds = Counter(record.kind for record in records)
    assert truth.records == len(records)
    assert truth.bad == {kind: kinds[f"bad:{kind}"] for kind in BAD_KINDS}
    assert min(truth.bad.values()) > 0
    assert (truth.duplicates, truth.late) == (kinds["duplicate"], kinds["late"])
    assert (truth.miskeyed, truth.tombstones) == (kinds["miskeyed"], kinds["tombstone"])
    assert min(truth.duplicates, truth.late, truth.miskeyed, truth.tombstones) > 0
    identities = {(event["source"], event["id"]) for event in good(records)}
    assert sum(truth.events.values()) == len(identities)
    assert set(truth.events) == {record.topic for record in records}
    messages = {
        (event["source"], event["message_id"])
        for event in good(records)
        if event["type"].startswith("message.") and event["type"] != "message.scanned"
    }
    assert truth.messages == len(messages)


def test_the_truth_is_the_same_before_and_after_publishing():
    before, after = plan(5, 3, "2025-03", 100), plan(5, 3, "2025-03", 100)
    for _ in after.records():
        pass
    assert before.truth == after.truth


def test_records_are_published_within_two_minutes_of_their_order():
    _, records = told("2025-10")
    newest = 0
    for record in records:
        if record.kind != "event":
            continue
        time = parse(orjson.loads(record.value)["time"])
        newest = max(newest, time)
        assert newest - time <= 120 * SECOND


def approx(mean: float):
    return pytest.approx(Decimal(mean), abs=Decimal("1e-6"))


def findings(month: str) -> Findings:
    """What the reference finds, without the probe results and heartbeats that change nothing."""
    planned, records = told(month)
    events = good(records)
    failed = {parse(e["time"]) for e in events if e["type"] == "probe.result" and not e["ok"]}
    probes = {
        e["time"]
        for e in events
        if e["type"] == "probe.result"
        and any(abs(parse(e["time"]) - time) <= NEAR_US for time in failed)
    }
    kept = [
        event
        for event in events
        if event["type"] != "monitor.heartbeat"
        and (event["type"] != "probe.result" or event["time"] in probes)
    ]
    cutoff = datetime.fromtimestamp(planned.span.end_us / SECOND, UTC)
    return judge(kept, (), month, cutoff)


@pytest.mark.parametrize("month", ["2025-10", "2024-02"])
def test_the_reference_finds_what_was_injected(month):
    planned, _ = told(month)
    found = findings(month)
    assert {tenant for tenant, _ in found} == set(planned.tenants)
    for tenant, truth in planned.truth.tenants.items():
        mine = {name: found[tenant, name] for name in INDICATORS}
        breached = {name for name, finding in mine.items() if finding.verdict == "breached"}
        assert breached == truth.breached, truth.story
        over = mine["latency.exceedances"]
        assert (over.observed, over.excluded) == (truth.exceedances, truth.exceedances_left_out)
        for name, mean in (("send", truth.send_mean_s), ("receive", truth.receive_mean_s)):
            assert mine[f"latency.{name}.mean"].observed == (mean and approx(mean))
        down = mine["connectivity.downtime"]
        assert (down.raw, down.excluded) == (truth.outage_s, truth.excused_s)
        assert mine["operations.fault_duration"].observed == truth.fault_s
        assert mine["operations.adjustment_duration"].observed == truth.adjustment_s


def test_every_section_is_told_of_and_a_wrong_bill_breaches_for_everyone():
    sections = {INDICATORS[name].section for story in STORIES for name in story.breached}
    assert sections == {1, 2, 3, 4, 5, 7, 8, 9}
    planned = plan(1, 2, "2025-10", 0, billing_error=True)
    events = [e for e in good(list(planned.records())) if e["type"].startswith(("cust", "billing"))]
    found = judge(events, (), "2025-10", BROKER_TIME)
    for tenant, truth in planned.truth.tenants.items():
        assert "operations.billing_error_rate" in truth.breached
        assert found[tenant, "operations.billing_error_rate"].verdict == "breached"


def test_a_plan_needs_a_tenant_and_a_month():
    with pytest.raises(ValueError, match="at least one tenant"):
        plan(1, 0, "2025-10", 10)
    with pytest.raises(ValueError, match="no month"):
        plan(1, 1, "2025-13", 10)
