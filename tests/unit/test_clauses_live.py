"""A running month: budgets breach at once, means recover, deadlines approach."""

from fractions import Fraction

import pytest

from mailsla.streams.clauses.model.measure import Measure, live_state
from mailsla.streams.time.calendar import DAY, HOUR, SECOND
from tests.unit.clauses_scene import Scene, at, contract

FAULT = "operations.fault_duration"


def walk(scene: Scene, indicator: str, now: int) -> list[tuple[int, str]]:
    """The states an indicator takes by time alone, each with the instant it is noticed."""
    states = [(now, scene.state(indicator, now))]
    while (turn := scene.measure(indicator, now).next_us) is not None and turn <= scene.end:
        now = turn
        if scene.state(indicator, now) != states[-1][1]:
            states.append((now, scene.state(indicator, now)))
    return states


def test_an_open_fault_is_at_risk_at_80_percent_and_breached_beyond_its_budget() -> None:
    scene = Scene()
    start = scene.start + DAY
    scene.incident("fault", start, None)
    assert walk(scene, FAULT, start) == [
        (start, "ok"),
        (start + 4800 * SECOND, "at_risk"),
        (start + 6000 * SECOND + 1, "breached"),
    ]


def test_availability_breaches_while_the_month_is_running() -> None:
    scene = Scene()
    scene.incident("fault", scene.start, None)
    allowed = 31 * DAY // 10_000
    states = walk(scene, "operations.availability", scene.start)
    assert states[-1] == (scene.start + allowed + 1, "breached")
    assert [state for _, state in states] == ["ok", "at_risk", "breached"]


def test_a_failing_probe_runs_out_and_nothing_more_happens() -> None:
    scene = Scene()
    scene.probe(scene.start, False, HOUR)
    now = scene.start + 1
    states = walk(scene, "connectivity.downtime", now)
    assert states == [
        (now, "ok"),
        (scene.start + 2112 * SECOND, "at_risk"),
        (scene.start + 2640 * SECOND, "breached"),
    ]
    beyond = scene.measure("connectivity.downtime", states[-1][0])
    assert beyond.next_us == scene.start + 2 * HOUR  # the probe expires
    assert scene.measure("connectivity.downtime", scene.start + 2 * HOUR).next_us is None


def test_a_mean_fails_and_recovers_and_is_never_breached_before_closing() -> None:
    scene = Scene()
    page = "operations.page_load.broadband"
    scene.say("page.loaded", scene.start, bandwidth="broadband", load_ms=10_001)
    assert scene.state(page, scene.start + 1) == "failing"
    scene.say("page.loaded", scene.start + 1, bandwidth="broadband", load_ms=9_999)
    assert scene.state(page, scene.start + 1) == "ok"


def test_a_complaint_is_at_risk_in_its_last_fifth_and_breached_at_its_deadline() -> None:
    scene = Scene()
    received = at("2026-10-12 00:00")
    scene.say("complaint.received", received, case_id="c", origin="own_domain")
    id_ = "antispam.complaint_response"
    assert walk(scene, id_, received) == [
        (received, "ok"),
        (received + 2 * DAY * 4 // 5, "at_risk"),
        (received + 2 * DAY, "breached"),
    ]
    scene.say("complaint.responded", received + DAY, case_id="c")
    assert walk(scene, id_, received) == [(received, "ok")]


def test_a_missing_backup_is_noticed_at_the_end_of_its_day() -> None:
    scene = Scene()
    time = scene.start + HOUR
    scene.say("backup.completed", time, backup_id="b", kind="full", started_at=time)
    states = walk(scene, "backup.incremental", scene.start + 2 * HOUR)
    assert states[1:] == [
        (scene.start + DAY + 4 * DAY // 5, "at_risk"),
        (scene.start + 2 * DAY, "breached"),
    ]
    full = walk(scene, "backup.full", scene.start + 2 * HOUR)
    assert full[-1] == (scene.start + 4 * DAY, "breached")


def test_a_week_without_an_update_is_noticed_when_it_ends() -> None:
    scene = Scene()
    scene.say("definitions.updated", scene.start, "*", engine="e", version="1")
    states = walk(scene, "antivirus.definition_updates", scene.start)
    assert states[-1] == (at("2026-10-12"), "breached")


def test_an_order_not_opened_is_late_just_after_its_deadline() -> None:
    scene = Scene()
    paid = scene.start + DAY
    scene.say("payment.confirmed", paid, order_id="o", domain_kind="own")
    assert walk(scene, "provisioning.own_domain", paid) == [
        (paid, "ok"),
        (paid + Fraction(4, 5) * DAY + 1, "at_risk"),
        (paid + DAY + 1, "breached"),
    ]


def test_service_known_to_be_down_is_breached_at_once() -> None:
    scene = Scene()
    scene.say("channel.up", scene.start, channel="mail")
    scene.say("channel.down", scene.start + HOUR, channel="mail")
    states = walk(scene, "support.availability", scene.start + HOUR)
    assert states == [(scene.start + HOUR, "ok"), (scene.start + HOUR + 1, "breached")]


def test_a_fault_over_midnight_spoils_the_next_day_with_its_first_moment() -> None:
    scene = Scene()
    for day in range(4):
        scene.incident("fault", scene.start + day * DAY, scene.start + day * DAY + 1)
    scene.incident("fault", scene.start + 5 * DAY - 1, None)
    states = walk(scene, "operations.fault_free_days", scene.start + 5 * DAY - HOUR)
    assert states == [
        (scene.start + 5 * DAY - HOUR, "at_risk"),
        (scene.start + 5 * DAY + 1, "breached"),
    ]


def test_what_nothing_is_allowed_of_is_breached_by_the_first() -> None:
    scene = Scene()
    scene.say("security.incident", scene.start, incident_id="i", kind="k", severity="low")
    assert scene.state("security.incidents", scene.start) == "ok"
    promise = {"security.incidents": {"target": 0, "comparator": "="}}
    scene.versions.append(contract(overrides=promise))
    assert scene.state("security.incidents", scene.start) == "breached"


@pytest.mark.parametrize(
    ("count", "impending", "state"),
    [(0, 0, "ok"), (3, 0, "ok"), (4, 0, "at_risk"), (5, 0, "at_risk"), (6, 0, "breached"),
     (0, 3, "ok"), (0, 4, "at_risk"), (5, 1, "at_risk")],
)  # fmt: skip
def test_a_budget_of_five(count: int, impending: int, state: str) -> None:
    term = contract(overrides={"backup.incremental": {"target": 5, "comparator": "<="}}).term(
        "backup.incremental"
    )
    measure = Measure("backup.incremental", "rises", count, 1, count, 1, impending=impending)
    assert live_state(measure, term) == state


def test_a_target_against_the_grain_can_still_be_reached() -> None:
    term = contract(overrides={"security.incidents": {"target": 3, "comparator": ">="}}).term(
        "security.incidents"
    )
    measure = Measure("security.incidents", "rises", 2, 1, 2, 1)
    assert live_state(measure, term) == "failing"


def test_before_any_event_nothing_is_wrong_yet() -> None:
    scene = Scene()
    assert {scene.state(id_, scene.start) for id_ in scene.measures()} == {"ok"}
