"""`contracts`: the same month of mail under contracts that make more of it be judged."""

from datetime import timedelta

from mailsla.streams.simulate.record import DAY, HOUR, Draft, SimulatedRecord, Timed
from tests.bench.live import Measure, measured, show_measures
from tests.bench.material import START, START_US, Material, contracts
from tests.bench.options import Options
from tests.bench.report import note, whole
from tests.bench.stage import new_stage

_EVENTS = 300_000
_TENANTS = 500
_DAYS = 10
_LEAST = 0.8
_OWN = {"connectivity.ratio": {"target": 0.9995}}
_STRICTER = {"connectivity.ratio": {"target": 0.9999}, "latency.send.mean": {"target": 30}}
_MAXIMUM = {"latency.send.max": {"target": 1800, "judged": True}}


def run(options: Options) -> None:
    """Feed the same events under each kind of contract, and print rates over that of none."""
    tenants = options.tenants_or(_TENANTS)
    timed = Material(options.events_or(_EVENTS), tenants, 24.0 * _DAYS).timed()
    events = [record for _, record in timed]
    first = "2025-01-01"
    later = f"{START + timedelta(days=_DAYS / 2):%Y-%m-%d}"
    own = [(first, _OWN)]
    runs: dict[str, tuple[list[SimulatedRecord], list[SimulatedRecord]]] = {
        "no contracts": ([], events),
        "each its own": (contracts(tenants, own), events),
        "changed in the month": (contracts(tenants, [*own, (later, _STRICTER)]), events),
        "a judged maximum": (contracts(tenants, [(first, _MAXIMUM)]), events),
        "exclusions declared late": ([], _with_exclusions(timed)),
    }
    measures: list[Measure] = []
    for name, (before, published) in runs.items():
        with new_stage(options.broker) as stage:
            measures.append(measured(stage, name, [published], before=before))
        note(f"contracts: {name}: {whole(measures[-1].per_s)} events/s")
    title = f"contracts: {len(events):,} events of {tenants:,} tenants over {_DAYS} days"
    show_measures(title, measures, _LEAST)


def _with_exclusions(timed: list[Timed]) -> list[SimulatedRecord]:
    """The events, and every day an exclusion for the whole platform of an hour a day ago."""
    declared = []
    for day in range(1, _DAYS):
        at_us = START_US + day * DAY
        about = {
            "exclusion_id": f"late-{day}",
            "code": "agreed_maintenance",
            "starts_at": at_us - DAY,
            "ends_at": at_us - DAY + HOUR,
        }
        draft = Draft("exclusion.declared", "*", at_us, about)
        declared.append(Timed(at_us, draft.written(f"late-{day}")))
    together = sorted([*timed, *declared], key=lambda each: each.arrival_us)
    return [record for _, record in together]
