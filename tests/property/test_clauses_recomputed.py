"""Connectivity and faults held against a plain look at every cell of a coarse grid of time.

Every instant of these histories lies on the grid, so a cell is wholly one thing or another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from mailsla.streams.clauses.sections.connectivity import outages, window
from mailsla.streams.time.calendar import DAY, HOUR
from tests.property.clauses_stories import END, START
from tests.unit.clauses_scene import TENANT, Scene, contract

CELL = 6 * HOUR
CELLS = (END - START) // CELL
BEFORE = 8
"""Cells before the month that a result may come from."""


@dataclass(frozen=True)
class Result:
    cell: int
    tenant: str
    probe: str
    capability: str
    scope: str
    ok: bool
    interval: int

    @property
    def identity(self) -> tuple[str, str, str, str]:
        return (self.tenant, self.probe, self.capability, self.scope)


results = st.lists(
    st.builds(
        Result,
        st.integers(-BEFORE, CELLS + 2),
        st.sampled_from([TENANT, "*"]),
        st.sampled_from(["p", "q"]),
        st.sampled_from(["send", "receive"]),
        st.sampled_from(["internal", "external"]),
        st.booleans(),
        st.integers(1, 4),
    ),
    max_size=40,
)
spans = st.lists(st.tuples(st.integers(0, CELLS), st.integers(0, 9)), max_size=4)


def holding(
    told: Sequence[Result], cell: int, factor: int
) -> Mapping[tuple[str, str], list[Result]]:
    """The results that hold in a cell, by tenant and capability."""
    chosen: dict[tuple[object, ...], Result] = {}
    for each in told:
        key = (*each.identity, each.cell)
        rank = (each.ok, each.interval)
        if key not in chosen or rank > (chosen[key].ok, chosen[key].interval):
            chosen[key] = each
    latest: dict[tuple[object, ...], Result] = {}
    for each in chosen.values():
        known = latest.get(each.identity)
        if each.cell <= cell and (known is None or each.cell > known.cell):
            latest[each.identity] = each
    found: dict[tuple[str, str], list[Result]] = {}
    for each in latest.values():
        if cell < each.cell + factor * each.interval:
            found.setdefault((each.tenant, f"{each.capability}/{each.scope}"), []).append(each)
    return found


def condition(told: Sequence[Result], cell: int, factor: int) -> tuple[str, set[str]]:
    """Whether the tenant is up, down or unknown in a cell, and which capabilities fail."""
    found = holding(told, cell, factor)
    spoken = {
        name: found.get((TENANT, name)) or found.get(("*", name))
        for name in ("send/internal", "send/external", "receive/internal", "receive/external")
    }
    failing = {name for name, each in spoken.items() if each and not any(one.ok for one in each)}
    if failing:
        return "down", failing
    return ("up" if any(spoken.values()) else "unknown"), failing


def tell(scene: Scene, told: Sequence[Result]) -> None:
    for each in told:
        scene.probe(
            START + each.cell * CELL, each.ok, each.interval * CELL, each.tenant,
            each.capability, each.scope, each.probe,
        )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(results, spans, st.sampled_from([1, 2, 5]), st.booleans(), st.integers(0, CELLS))
def test_connectivity_equals_a_look_at_every_cell(
    told: list[Result], excused: list[tuple[int, int]], factor: int, early: bool, cell: int
) -> None:
    scene = Scene(versions=[contract(profile={"probe_hold_factor": factor})])
    if early:  # a look in between must not change what comes out
        tell(scene, told[: len(told) // 2])
        scene.measures()
        told_later = told[len(told) // 2 :]
    else:
        told_later = told
    tell(scene, told_later)
    for start, length in excused:
        scene.exclude(START + start * CELL, START + (start + length) * CELL)
    seen = [condition(told, each, factor)[0] for each in range(CELLS)]
    out = {each for start, length in excused for each in range(start, start + length)}
    raw = [each for each in range(CELLS) if seen[each] == "down"]
    net = [each for each in raw if each not in out]

    measure = scene.measure("connectivity.downtime")
    if all(each == "unknown" for each in seen):
        assert measure.observed is None
    else:
        assert measure.numerator == len(net) * CELL
        assert measure.raw_numerator == len(raw) * CELL
        assert measure.taken == Decimal((len(raw) - len(net)) * CELL) / 1_000_000
        left = scene.measure("connectivity.ratio")
        assert left.numerator * CELLS == (CELLS - len(net)) * left.denominator

    reading, view = scene.context().reading(), scene.context().view()
    seen_window = window(reading, view, START, START + cell * CELL)
    assert seen_window.down_us == CELL * sum(each < cell for each in raw)
    assert seen_window.net_down_us == CELL * sum(each < cell for each in net)
    assert seen_window.unobserved_us == CELL * seen[:cell].count("unknown")
    assert seen_window.condition == condition(told, cell, factor)[0]


@settings(max_examples=60, deadline=None)
@given(results, st.integers(1, CELLS))
def test_outages_are_the_stretches_of_down_cells(told: list[Result], now: int) -> None:
    scene = Scene()
    tell(scene, told)
    cells = [condition(told, each, 2) for each in range(-BEFORE, CELLS + 20)]
    wanted: list[tuple[int, int, set[str]]] = []
    for place, (seen, failing) in enumerate(cells):
        cell = place - BEFORE
        if seen != "down":
            continue
        if wanted and wanted[-1][1] == cell:
            first, _, names = wanted.pop()
            wanted.append((first, cell + 1, names | (failing if cell < now else set())))
        else:
            wanted.append((cell, cell + 1, failing))
    found = outages(scene.context().reading(), (), START, START + now * CELL)
    assert [(each.started_us, each.ended_us, set(each.capabilities)) for each in found] == [
        (START + first * CELL, START + end * CELL if end <= now else None, names)
        for first, end, names in wanted
        if first < now and end > 0
    ]


incidents = st.lists(
    st.tuples(
        st.integers(-BEFORE, CELLS), st.integers(0, 12), st.booleans(),
        st.sampled_from([TENANT, "*"]), st.sampled_from(["fault", "adjustment"]),
    ),
    max_size=8,
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(incidents, spans, st.integers(0, CELLS))
def test_faults_equal_a_look_at_every_cell(
    told: list[tuple[int, int, bool, str, str]], excused: list[tuple[int, int]], now: int
) -> None:
    scene = Scene(versions=[contract(profile={"operations_exclusions": ["force_majeure"]})])
    scene.say("monitor.heartbeat", START, monitor="m", interval_s=1)
    for start, length, open_, tenant, kind in told:
        end = None if open_ else START + (start + length) * CELL
        scene.incident(kind, START + start * CELL, end, tenant)
    for start, length in excused:
        scene.exclude(START + start * CELL, START + (start + length) * CELL, "force_majeure")
    out = {each for start, length in excused for each in range(start, start + length)}

    def going_on(kind: str, first: int) -> set[int]:
        return {
            cell
            for start, length, open_, _, each in told
            if each == kind
            for cell in range(max(start, first), now if open_ else min(start + length, now))
        }

    faults, adjusting = going_on("fault", 0), going_on("adjustment", 0)
    seen = scene.measures(START + now * CELL)
    net = seen["operations.fault_duration"]
    assert (net.numerator, net.raw_numerator) == (len(faults - out) * CELL, len(faults) * CELL)
    assert seen["operations.adjustment_duration"].numerator == len(adjusting) * CELL
    left = seen["operations.availability"]
    assert left.full - left.numerator == len(faults - out) * CELL
    days = seen["operations.fault_free_days"]
    per_day = DAY // CELL
    spoilt = {cell // per_day for cell in going_on("fault", -BEFORE)}
    spoilt_net = {cell // per_day for cell in going_on("fault", -BEFORE) - out}
    assert (days.observed, days.raw) == (365 - len(spoilt_net), 365 - len(spoilt))
