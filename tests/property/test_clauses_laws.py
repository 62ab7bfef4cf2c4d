"""What holds for every history: order, duplicates, forgetting, and what time alone can do."""

import random
from dataclasses import replace
from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from mailsla.schemas.contract import Contract
from mailsla.schemas.facts.fact import Fact
from mailsla.streams.clauses.model.measure import Measure, live_state
from mailsla.streams.time.calendar import DAY
from tests.property.clauses_stories import END, START, histories, moments
from tests.unit.clauses_scene import Scene, contract

PLAIN = contract(profile={"operations_exclusions": ["force_majeure"]})
PARTIAL = contract(effective_from=date(2026, 10, 13), effective_to=date(2026, 10, 29))
ABROAD = contract(timezone="Europe/Berlin", calendar="MON-FRI")  # clocks go back on 25 October
contracts = st.sampled_from([[], [PLAIN], [PARTIAL], [ABROAD]])


@settings(deadline=None)
@given(histories, contracts, moments, st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_nor_earlier_looks_change_a_measure(
    told: list[Fact], versions: list[Contract], now: int, chance: random.Random
) -> None:
    once = Scene(versions=versions).tell(*told)
    shuffled = [each for each in told for _ in range(chance.choice((1, 1, 2)))]
    chance.shuffle(shuffled)
    looked_at = Scene(versions=versions)
    for each in shuffled:
        looked_at.tell(each)
        if chance.random() < 0.4:
            looked_at.measures(chance.randrange(START, END))
    assert looked_at.measures(now) == once.measures(now)


@settings(max_examples=50, deadline=None)
@given(histories, contracts)
def test_of_events_with_one_id_only_the_first_counts(
    told: list[Fact], versions: list[Contract]
) -> None:
    scene = Scene(versions=versions).tell(*told)
    before = scene.measures()
    scene.tell(*(replace(each, time=each.time + DAY) for each in told))
    assert scene.measures() == before


@settings(max_examples=50, deadline=None)
@given(histories, contracts)
def test_once_the_month_is_over_time_changes_nothing(
    told: list[Fact], versions: list[Contract]
) -> None:
    scene = Scene(versions=versions).tell(*told)
    closed = scene.measures(scene.end)
    assert {each.next_us for each in closed.values()} == {None}
    assert scene.measures(scene.end + 400 * DAY) == closed


@settings(deadline=None)
@given(histories, contracts, moments, st.integers(1, 999))
def test_no_state_changes_before_the_announced_instant(
    told: list[Fact], versions: list[Contract], now: int, step: int
) -> None:
    scene = Scene(versions=versions).tell(*told)
    terms = scene.governed.contract

    def state(measure: Measure) -> tuple[str, int]:
        counted = measure.numerator if measure.denominator == 1 else 0
        return live_state(measure, terms.term(measure.indicator)), counted

    seen = scene.measures(now)
    assert all(each.next_us is None or each.next_us > now for each in seen.values())
    until = {id_: (each.next_us or END + DAY) - 1 for id_, each in seen.items()}
    turns = sorted(set(until.values()))
    for later in (*turns, now + (turns[-1] - now) * step // 1000):
        found = scene.measures(later)
        for indicator, measure in seen.items():
            if now <= later <= until[indicator]:
                assert state(found[indicator]) == state(measure), indicator


@settings(max_examples=50, deadline=None)
@given(histories, contracts, moments)
def test_forgetting_changes_no_later_month(
    told: list[Fact], versions: list[Contract], before: int
) -> None:
    scene = Scene(versions=versions).tell(*told)
    months = [
        Scene(month, versions, scene.own, scene.platform, scene.register)
        for month in ("2026-09", "2026-10", "2026-11", "2027-01")
    ]
    # Evidence of an outage may lie before the month, so only values are compared.
    kept = {each.month: each.measures() for each in months if each.start >= before}
    scene.own.forget(before)
    scene.platform.forget(before)
    for each in months:
        if each.start >= before:
            for indicator, measure in each.measures().items():
                assert measure.observed == kept[each.month][indicator].observed, indicator
                assert measure.raw == kept[each.month][indicator].raw, indicator
