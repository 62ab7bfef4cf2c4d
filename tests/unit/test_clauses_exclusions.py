"""Declared and revoked exclusions: which failures they excuse (contract, exclusions)."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from mailsla.schemas.contract import Profile
from mailsla.schemas.facts.fact import Fact
from mailsla.streams.clauses.facts.exclusions import Declaration
from mailsla.streams.clauses.model.exclusions import Exclusions
from mailsla.streams.time.calendar import DAY, HOUR, SECOND
from tests.unit.clauses_scene import Scene, at, contract, fact

DOWN = "connectivity.downtime"
FAULT = "operations.fault_duration"


def excused(scene: Scene, indicator: str = DOWN) -> int:
    taken = scene.measure(indicator).taken
    assert taken is not None
    return int(taken)


def failing(**profile: object) -> Scene:
    """Two hours of outage and fault from the month's start on."""
    scene = Scene(versions=[contract(profile=profile)])
    scene.probe(scene.start, False, 2 * HOUR)
    scene.probe(scene.start + 2 * HOUR, True)
    scene.incident("fault", scene.start, scene.start + 2 * HOUR)
    return scene


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        pytest.param({"code": "carrier"}, 3600, id="its code names section 1"),
        pytest.param({"code": "foreign_system"}, 0, id="foreign systems concern latency only"),
        pytest.param({"code": "foreign_system", "sections": [1]}, 3600, id="sections as declared"),
        pytest.param({"code": "carrier", "sections": [2]}, 0, id="declared for another section"),
        pytest.param({"code": "agreed_maintenance"}, 0, id="no consent recorded"),
        pytest.param({"code": "agreed_maintenance", "consent_ref": ""}, 0, id="empty consent"),
        pytest.param({"code": "agreed_maintenance", "consent_ref": "T-1"}, 3600, id="consent"),
        pytest.param({"code": "carrier", "tenant": "*"}, 3600, id="of the platform"),
    ],
)
def test_which_exclusions_excuse_an_outage(fields: dict[str, object], seconds: int) -> None:
    scene = failing()
    scene.exclude(scene.start, scene.start + HOUR, **fields)  # type: ignore[arg-type]
    assert excused(scene) == seconds
    assert excused(scene, FAULT) == 0


@pytest.mark.parametrize(
    ("profile", "fields", "seconds"),
    [
        pytest.param((), {}, 0, id="not by default"),
        pytest.param(("force_majeure",), {}, 3600, id="switched on"),
        pytest.param(("force_majeure",), {"sections": [1, 2]}, 0, id="declared without section 3"),
        pytest.param(("force_majeure",), {"sections": [3]}, 3600, id="declared for section 3"),
        pytest.param((), {"sections": [3]}, 0, id="declared but not switched on"),
    ],
)
def test_faults_are_excused_only_where_the_contract_says_so(
    profile: tuple[str, ...], fields: dict[str, object], seconds: int
) -> None:
    scene = failing(operations_exclusions=profile)
    scene.exclude(scene.start, scene.start + HOUR, "force_majeure", **fields)  # type: ignore[arg-type]
    assert excused(scene, FAULT) == seconds
    assert excused(scene, "operations.availability") == seconds
    assert excused(scene, "operations.adjustment_duration") == 0


def test_an_excused_day_is_not_faulty() -> None:
    scene = failing(operations_exclusions=("force_majeure",))
    scene.exclude(scene.start, scene.start + 2 * HOUR, "force_majeure")
    measure = scene.measure("operations.fault_free_days")
    assert (measure.observed, measure.raw, measure.taken) == (365, 364, 1)


def test_an_empty_exclusion_excuses_nothing() -> None:
    scene = failing()
    scene.exclude(scene.start, scene.start)
    assert excused(scene) == 0


DECLARED, LATER, REVOKED = (
    fact("exclusion.declared", 100, exclusion_id="x", code="carrier", starts_at=0, ends_at=1000),
    fact("exclusion.declared", 200, exclusion_id="x", code="carrier", starts_at=0, ends_at=500),
    fact("exclusion.revoked", 200, exclusion_id="x"),
)


@pytest.mark.parametrize(
    ("story", "excluded"),
    [
        pytest.param((DECLARED,), 1000, id="declared"),
        pytest.param((DECLARED, LATER), 500, id="the latest declaration counts"),
        pytest.param((DECLARED, REVOKED), 0, id="revoked"),
        pytest.param((DECLARED, LATER, REVOKED), 0, id="revoked at the same time"),
        pytest.param((DECLARED, replace(LATER, time=201), REVOKED), 500, id="declared again"),
        pytest.param((REVOKED,), 0, id="nothing declared"),
    ],
)
def test_declarations_and_revocations_count_in_any_order(
    story: tuple[Fact, ...], excluded: int
) -> None:
    for order in itertools.permutations(story):
        scene = Scene().tell(*order)
        exclusions = Exclusions.of([scene.own.ops.exclusions])
        assert exclusions.intervals(1, contract().profile).length() == excluded


def test_an_open_fault_uses_up_its_budget_only_beside_exclusions() -> None:
    scene = Scene(versions=[contract(profile={"operations_exclusions": ["force_majeure"]})])
    start = scene.start
    scene.incident("fault", start, None)
    scene.exclude(start + HOUR, start + 2 * HOUR, "force_majeure")
    measure = scene.measure(FAULT, start + HOUR + 1)
    assert (measure.observed, measure.taken * SECOND) == (3600, 1)
    # 80 % of 6000 s are 4800 s: 3600 s before the exclusion, 1200 s after it.
    assert measure.next_us == start + 2 * HOUR + 1200 * SECOND


def in_force(*told: Fact) -> list[Declaration]:
    return list(Scene().tell(*told).own.ops.exclusions.in_force())


def declared(**changes: Any) -> Fact:
    fields = {"exclusion_id": "x", "code": "carrier", "starts_at": 10 * DAY, "ends_at": 11 * DAY}
    return fact("exclusion.declared", 2 * DAY, **(fields | changes))


@pytest.mark.parametrize(
    ("actor", "approvals", "counts"),
    [
        pytest.param("li", [], False, id="by nobody"),
        pytest.param("li", [("li", 3)], False, id="by the one who declared it"),
        pytest.param("li", [("wang", 3)], True, id="by another"),
        pytest.param("li", [("wang", 1)], False, id="before it was declared"),
        pytest.param(None, [("wang", 3)], False, id="of what nobody signed"),
        pytest.param("li", [("li", 3), ("wang", 2)], True, id="by both"),
    ],
)
def test_an_exclusion_may_need_the_approval_of_another_actor(
    actor: str | None, approvals: list[tuple[str, int]], counts: bool
) -> None:
    facts = [fact("approval.given", day * DAY, approves="x", actor=by) for by, day in approvals]
    for order in ([declared(actor=actor), *facts], [*facts, declared(actor=actor)]):
        (standing,) = in_force(*order)
        assert standing.counts("exclusion", Profile(approval=("exclusion",))) == counts
        assert standing.counts("exclusion", Profile(approval=("outage",)))


@pytest.mark.parametrize(
    ("notice", "begins", "counts"),
    [(0, 10, True), (8, 10, True), (9, 10, False), (0, 1, True), (1, 1, False)],
)
def test_agreed_maintenance_counts_if_it_was_declared_in_time(
    notice: int, begins: int, counts: bool
) -> None:
    """It is declared on the second day; where no notice is asked for, afterwards will do."""
    (standing,) = in_force(
        declared(code="agreed_maintenance", consent_ref="letter", starts_at=begins * DAY)
    )
    assert standing.applies(1, Profile(notice_days=notice)) == counts


@pytest.mark.parametrize(
    ("hours", "seconds"),
    [
        pytest.param(None, 7200, id="no limit"),
        pytest.param(4, 7200, id="as many as there are, overlapping ones once"),
        pytest.param(3, 3600, id="the last hour comes too late"),
        pytest.param(2, 0, id="used up before the month"),
        pytest.param(0, 0, id="none"),
    ],
)
def test_the_earliest_hours_of_a_years_maintenance_count(hours: int | None, seconds: int) -> None:
    """Two hours of downtime, all of them in the last window of the year.

    January    |--------|             two hours
                    |---|             of which one comes again
    the month              |--------| the two hours in question
    last year  |-|                    has its own hours
    """
    scene = failing(max_hours_per_year=hours)
    january = at("2026-01-10 00:00")
    windows = [
        (at("2025-12-31 20:00"), at("2026-01-01 00:00")),
        (january, january + 2 * HOUR),
        (january + HOUR, january + 2 * HOUR),
        (scene.start, scene.start + 2 * HOUR),
    ]
    for starts_us, ends_us in windows:
        scene.exclude(
            starts_us, ends_us, code="agreed_maintenance", consent_ref="T-1", declared=starts_us
        )
    assert excused(scene) == seconds


def test_a_declared_outage_is_downtime_and_known_whatever_the_probes_say() -> None:
    scene = Scene()
    begun = at("2026-10-05 02:00")
    scene.say(
        "outage.declared", begun, outage_id="o", starts_at=begun, ends_at=begun + HOUR,
        reason="power", actor="li",
    )  # fmt: skip
    assert scene.measures()["connectivity.downtime"].observed == 3600
    scene.say("outage.revoked", begun, outage_id="o")
    assert scene.measures()["connectivity.downtime"].observed is None
