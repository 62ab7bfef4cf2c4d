"""Section 1: what holds when, outages, exclusions and rolling windows."""

from decimal import Decimal

import pytest

from mailsla.streams.clauses.sections.connectivity import burn_rate, outages, window
from mailsla.streams.time.calendar import DAY, HOUR, SECOND
from tests.unit.clauses_scene import Scene, contract

MINUTE = 60 * SECOND
DOWN, RATIO = "connectivity.downtime", "connectivity.ratio"


def down(scene: Scene, now: int | None = None) -> Decimal | None:
    return scene.measure(DOWN, now).observed


#   good      bad                 (nothing more)
#   |--1 min--|=======2 min=======|  unknown
def test_a_result_holds_at_most_two_intervals() -> None:
    scene = Scene()
    scene.probe(scene.start, True)
    scene.probe(scene.start + MINUTE, False)
    assert down(scene) == 120
    seen = window(scene.context().reading(), scene.context().view(), scene.start, scene.end)
    assert (seen.condition, seen.down_us) == ("unknown", 2 * MINUTE)
    assert seen.unobserved_us == scene.end - scene.start - 3 * MINUTE


def test_a_contract_can_let_results_hold_longer() -> None:
    scene = Scene(versions=[contract(profile={"probe_hold_factor": 5})])
    scene.probe(scene.start, False)
    assert down(scene) == 300


def test_a_result_ends_with_the_next_of_the_same_probe_only() -> None:
    scene = Scene()
    scene.probe(scene.start, False, probe="a")
    scene.probe(scene.start + 30 * SECOND, True, probe="a")
    scene.probe(scene.start + 90 * SECOND, False, probe="a", scope="external")
    assert down(scene) == 30 + 120


def test_one_good_probe_makes_a_capability_work_whatever_the_channel() -> None:
    scene = Scene()
    scene.probe(scene.start, False, channel="smtp")
    scene.probe(scene.start + 60 * SECOND, True, channel="web")
    assert down(scene) == 60


def test_any_failing_capability_is_down_and_overlaps_count_once() -> None:
    scene = Scene()
    scene.probe(scene.start, True, capability="receive")
    scene.probe(scene.start, False)
    scene.probe(scene.start + MINUTE, False, scope="external")
    assert down(scene) == 180


def test_the_platform_speaks_where_no_own_result_holds() -> None:
    #  own  send    |good---|.......|.......|
    #  '*'  send    |bad-----------------|
    #  '*'  receive |bad----|
    scene = Scene()
    scene.probe(scene.start, True)
    scene.probe(scene.start, False, interval=2 * MINUTE, tenant="*")
    assert down(scene) == 120
    scene.probe(scene.start, False, interval=MINUTE // 2, tenant="*", capability="receive")
    assert down(scene) == 180
    scene.probe(scene.start + 2 * MINUTE, False, interval=MINUTE, tenant="acme", probe="q")
    assert down(scene) == 60 + 120


def test_of_results_with_the_same_time_the_good_one_counts_with_the_longest_interval() -> None:
    scene = Scene()
    for ok, interval in ((False, HOUR), (True, MINUTE), (True, 2 * MINUTE), (False, DAY)):
        scene.probe(scene.start, ok, interval)
    assert down(scene) == 0
    reading = scene.context().reading()
    assert reading.known.length() == 4 * MINUTE


@pytest.mark.parametrize(("month", "seconds"), [("2026-10", 600), ("2026-11", 600)])
def test_an_outage_over_the_end_of_the_month_counts_in_both(month: str, seconds: int) -> None:
    scene = Scene(month=month)
    edge = Scene(month="2026-11").start
    scene.probe(edge - 10 * MINUTE, False, 10 * MINUTE)
    assert down(scene) == seconds


def test_time_without_observation_is_neither_up_nor_down() -> None:
    scene = Scene()
    assert scene.verdict(DOWN) == scene.verdict(RATIO) == "no_data"
    scene.probe(scene.start - HOUR, True)
    scene.probe(scene.end, False)
    assert scene.verdict(DOWN) == "no_data"
    scene.probe(scene.end - 1, True)
    assert scene.verdict(DOWN) == "met"
    assert scene.measure(RATIO).observed == 1


def test_excluded_time_is_taken_from_downtime_but_not_from_the_month() -> None:
    scene = Scene()
    scene.outage(scene.start + DAY, scene.start + DAY + 2 * HOUR)
    scene.exclude(scene.start + DAY + HOUR, scene.start + DAY + 3 * HOUR)
    measure = scene.measure(DOWN)
    assert (measure.observed, measure.raw, measure.taken) == (3600, 7200, 3600)
    ratio = scene.measure(RATIO)
    month = 31 * 86_400
    assert ratio.numerator * month == (month - 3600) * ratio.denominator
    assert ratio.raw == Decimal("0.997311827")  # cut, not rounded: 0.99731182795…


def test_partial_service_cuts_outages_and_the_length() -> None:
    scene = Scene(versions=[contract(effective_from="2026-10-31")])
    scene.probe(scene.start - HOUR, False, HOUR)
    measure = scene.measure(RATIO)
    assert (measure.numerator, measure.denominator) == (23 * HOUR, DAY)


def test_outages_name_what_failed_and_end_when_known() -> None:
    scene = Scene()
    first = scene.probe(scene.start + HOUR, False)
    second = scene.probe(scene.start + HOUR + MINUTE, False, capability="receive")
    reading = scene.context().reading()
    facts = (scene.own.probes, scene.platform.probes)
    (running,) = outages(reading, facts, scene.start, scene.start + HOUR + 90 * SECOND)
    assert running.ended_us is None
    (ended,) = outages(reading, facts, scene.start, scene.end)
    assert ended.outage_id == running.outage_id == f"outage-{scene.start + HOUR}"
    assert (ended.started_us, ended.ended_us) == (
        scene.start + HOUR,
        scene.start + HOUR + 180 * SECOND,
    )
    assert ended.capabilities == ("send/internal", "receive/internal")
    assert ended.evidence == (f"test#{first.id}", f"test#{second.id}")
    assert scene.measure(DOWN).evidence == (ended.outage_id,)
    assert outages(reading, facts, scene.start, scene.start + HOUR) == []


def test_a_late_good_result_takes_an_outage_back() -> None:
    scene = Scene()
    scene.probe(scene.start + HOUR, False)
    assert down(scene) == 120
    scene.probe(scene.start + HOUR - 1, True, HOUR, probe="late")
    assert down(scene) == 0
    assert outages(scene.context().reading(), (), scene.start, scene.end) == []


def test_tenants_without_probes_of_their_own_share_the_reading_of_the_platform() -> None:
    one, other = Scene(), Scene()
    other.platform = one.platform
    one.probe(one.start, False, tenant="*")
    assert one.context().reading() is other.context().reading()
    other.probe(one.start, True)
    assert (down(one), down(other)) == (120, 0)


def test_the_burn_rate_is_one_when_the_month_is_spent_evenly() -> None:
    ratio = contract().term(RATIO)
    assert burn_rate(SECOND, 1000 * SECOND, ratio) == 1
    assert burn_rate(52 * SECOND, HOUR, ratio) > Decimal("14.4")
    strict = contract(overrides={RATIO: {"target": 1}}).term(RATIO)
    assert burn_rate(SECOND, HOUR, strict) is None


def test_hostile_intervals_stay_within_bounds() -> None:
    scene = Scene(versions=[contract(profile={"probe_hold_factor": 100})])
    scene.say(
        "probe.result", scene.start, probe="p", channel="web", capability="send",
        scope="internal", ok=False, interval_s=1e9,
    )  # fmt: skip
    assert down(scene) == 31 * 86_400


def test_a_month_of_minute_probes_is_measured_incrementally() -> None:
    scene = Scene()
    for minute in range(31 * 1440):
        scene.probe(scene.start + minute * MINUTE, minute % 1000 != 0)
    assert down(scene) == 45 * 60
    renewed: list[int] = []
    held = scene.own.probes._renewed
    scene.own.probes._renewed = (  # type: ignore[method-assign]
        lambda old, since, factor: renewed.append(since) or held(old, since, factor)
    )
    last = scene.end - 30 * SECOND
    scene.probe(last, False)
    assert down(scene) == 45 * 60 + 30
    assert renewed == [last]  # only from the new result on, not the month
