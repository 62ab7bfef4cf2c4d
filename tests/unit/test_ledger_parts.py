"""The live state of a month in which the contract changes: the worst of its parts."""

from mailsla.streams.live.evaluate.assessment import Assessment
from mailsla.streams.live.evaluate.sections import assess_sections
from mailsla.streams.live.state.platform import Platform
from mailsla.streams.live.state.tenants import Tenants
from mailsla.streams.time.calendar import DAY, HOUR, SECOND, Month
from tests.unit.clauses_scene import TENANT, at, contract, fact

OCTOBER = Month(2026, 10)
CHANGE = at("2026-10-16")
FAULT, BACKUP = "operations.fault_duration", "backup.incremental"


def ledger(overrides: dict[str, object], later: dict[str, object]) -> Tenants:
    made = Tenants(Platform(), 0, 0)
    made.agree(contract(overrides=overrides))
    made.agree(contract(version=2, effective_from="2026-10-16", overrides=later))
    return made


def finding(known: Tenants, indicator: str, now: int) -> Assessment:
    return next(
        each
        for each in assess_sections(known, TENANT, OCTOBER, now, range(1, 10))
        if each.measure.indicator == indicator
    )


def walk(known: Tenants, indicator: str, now: int) -> list[tuple[int, str]]:
    """The states from an instant on if nothing more happens: when each begins."""
    states: list[tuple[int, str]] = []
    until = at("2026-11-01")
    while True:
        found = finding(known, indicator, now)
        if not states or states[-1][1] != found.state:
            states.append((now, found.state))
        if found.measure.next_us is None or found.measure.next_us > until:
            return states
        now = found.measure.next_us


def test_an_open_fault_spends_each_budget_from_its_own_beginning() -> None:
    known = ledger({}, {FAULT: {"target": 60}})
    known.observe(
        fact("incident.opened", CHANGE - HOUR, incident_id="i", kind="fault", component="mx")
    )
    assert walk(known, FAULT, CHANGE - HOUR) == [
        (CHANGE - HOUR, "ok"),
        (CHANGE + 48 * SECOND, "at_risk"),
        (CHANGE + 60 * SECOND + 1, "breached"),
    ]


def test_a_budget_used_up_before_the_change_stays_so() -> None:
    known = ledger({FAULT: {"target": 60, "remedy": "fee_waiver"}}, {})
    began = CHANGE - HOUR
    known.observe(fact("incident.opened", began, incident_id="i", kind="fault"))
    known.observe(fact("incident.closed", began + 61 * SECOND, incident_id="i"))
    found = finding(known, FAULT, CHANGE + DAY)
    assert (found.state, found.term.remedy) == ("breached", "fee_waiver")
    assert [part.state for part in found.parts] == ["breached", "ok"]
    assert (found.term.target, found.governed.contract.version) == (6000, 2)


def test_a_missed_day_counts_against_the_part_it_lies_in() -> None:
    known = ledger({}, {BACKUP: {"target": 1, "comparator": "<="}})
    for day in range(15):
        time = at("2026-10-01") + day * DAY + HOUR
        known.observe(
            fact("backup.completed", time, backup_id=f"b{day}", kind="full", started_at=time)
        )
    states = walk(known, BACKUP, CHANGE)
    assert states[0] == (CHANGE, "ok")
    assert states[-1] == (CHANGE + 2 * DAY, "breached")


def test_a_promise_that_is_no_longer_judged_was_still_broken() -> None:
    known = ledger({}, {FAULT: {"judged": False}})
    known.observe(fact("incident.opened", CHANGE - DAY, incident_id="i", kind="fault"))
    found = finding(known, FAULT, CHANGE + DAY)
    assert (found.state, found.verdict, found.term.judged) == ("breached", "breached", True)


def test_a_change_of_something_else_leaves_one_budget() -> None:
    known = ledger({}, {BACKUP: {"target": 1, "comparator": "<="}})
    known.observe(fact("incident.opened", CHANGE - HOUR, incident_id="i", kind="fault"))
    assert walk(known, FAULT, CHANGE - HOUR)[-1] == (CHANGE - HOUR + 6000 * SECOND + 1, "breached")
    assert finding(known, FAULT, CHANGE).parts == ()
