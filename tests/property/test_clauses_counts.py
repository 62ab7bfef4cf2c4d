"""Days, weeks, cases and service held against a plain recount of the history."""

from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from mailsla.streams.time.calendar import DAY, HOUR
from tests.property.clauses_stories import END, START
from tests.unit.clauses_scene import TENANT, Scene, at, contract

DAYS = (END - START) // DAY
hours = st.integers(-8 * 24, DAYS * 24 + 24)
tenants = st.sampled_from([TENANT, "*"])
events = st.lists(st.tuples(hours, tenants, st.booleans()), max_size=40)


@settings(max_examples=60, deadline=None)
@given(events, st.integers(1, 5), st.integers(0, DAYS * 24))
def test_backup_days_equal_a_recount(
    told: list[tuple[int, str, bool]], reach: int, now: int
) -> None:
    scene = Scene(versions=[contract(profile={"full_backup_days": reach})])
    scene.say("backup.failed", START - DAY, backup_id="x", kind="full")
    for number, (hour, tenant, full) in enumerate(told):
        time = START + hour * HOUR
        kind = "full" if full else "incremental"
        scene.say("backup.completed", time, tenant, backup_id=f"b{number}", kind=kind, started_at=0)
    any_days = {hour // 24 for hour, _, _ in told}
    full_days = {hour // 24 for hour, _, full in told if full}
    over = range(now // 24)
    seen = scene.measures(START + now * HOUR)
    assert seen["backup.incremental"].numerator == sum(day not in any_days for day in over)
    assert seen["backup.full"].numerator == sum(
        not full_days & set(range(day - reach + 1, day + 1)) for day in over
    )


@settings(max_examples=60, deadline=None)
@given(events, st.lists(st.tuples(hours, st.integers(0, 400)), max_size=3), st.integers(1, 3))
def test_update_weeks_equal_a_recount(
    told: list[tuple[int, str, bool]], outbreaks: list[tuple[int, int]], due: int
) -> None:
    scene = Scene(versions=[contract(profile={"outbreak_updates": due})])
    scene.say("outbreak.ended", START - DAY, outbreak_id="never declared")
    for hour, tenant, _ in told:
        scene.say("definitions.updated", START + hour * HOUR, tenant, engine="e", version="1")
    for number, (hour, length) in enumerate(outbreaks):
        scene.say("outbreak.declared", START + hour * HOUR, "*", outbreak_id=f"{number}")
        end = START + (hour + length) * HOUR
        scene.say("outbreak.ended", end, "*", outbreak_id=f"{number}")
    # The Mondays of October 2026, as hours of the month: 28 September to 19 October.
    weeks = [range(start, start + 168) for start in range(-72, -72 + 4 * 168, 168)]
    updates = [sum(hour in week for hour, _, _ in told) for week in weeks]
    touched = [
        any(
            hour in week or (hour < week.start and hour + length > week.start)
            for hour, length in outbreaks
        )
        for week in weeks
    ]
    seen = scene.measures()
    assert seen["antivirus.definition_updates"].numerator == updates.count(0)
    assert seen["antivirus.outbreak_updates"].numerator == sum(
        hit and number < due for hit, number in zip(touched, updates, strict=True)
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(hours, tenants, st.sampled_from(["phone", "web"]), st.booleans()), max_size=20
    )
)
def test_service_equals_a_look_at_every_hour(told: list[tuple[int, str, str, bool]]) -> None:
    scene = Scene()
    for hour, tenant, channel, up in told:
        type_ = "channel.up" if up else "channel.down"
        scene.say(type_, START + hour * HOUR, tenant, channel=channel)
    unreachable = known = 0
    for hour in range(DAYS * 24):
        states: dict[str, tuple[int, bool]] = {}
        for time, _, channel, up in told:
            if time <= hour:
                states[channel] = max(states.get(channel, (time, up)), (time, up))
        known += bool(states)
        unreachable += bool(states) and not any(up for _, up in states.values())
    measure = scene.measure("support.availability")
    if known:
        assert measure.full - measure.numerator == unreachable * HOUR
    else:
        assert measure.observed is None


@settings(max_examples=60, deadline=None)
@given(
    st.dates(date(2026, 1, 5), date(2026, 11, 20)),
    st.integers(0, 23),
    st.none() | st.integers(0, 30 * 24),
    st.sampled_from(["2026-02", "2026-05", "2026-09", "2026-10", "2026-11"]),
)
def test_late_answers_equal_a_recount(
    day: date, hour: int, answered: int | None, month: str
) -> None:
    scene = Scene(month=month, versions=[contract(calendar="MON-FRI")])
    received = at(str(day)) + hour * HOUR
    scene.say("complaint.received", received, case_id="c", origin="own_domain")
    if answered is not None:
        scene.say("complaint.responded", received + answered * HOUR, case_id="c")
        scene.say("complaint.result_notified", received + answered * HOUR, case_id="c")
    due = day + timedelta(days=1)
    while due.weekday() > 4:
        due += timedelta(days=1)
    for indicator, last in (
        ("antispam.complaint_response", due),
        ("antispam.result_notice", day + timedelta(days=3)),
    ):
        ends = at(str(last + timedelta(days=1)))
        late = answered is None or received + answered * HOUR >= ends
        wanted = int(late and str(last)[:7] == month)
        assert scene.measure(indicator).numerator == wanted, indicator
