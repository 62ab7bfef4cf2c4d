"""`disorder`: the same events in other orders of publication, beside the order they happened in."""

from mailsla.streams.simulate.record import SimulatedRecord
from tests.bench.live import Measure, measured, show_measures
from tests.bench.material import Material, delayed, is_mail, is_of_second_source
from tests.bench.options import Options
from tests.bench.report import note, whole
from tests.bench.stage import new_stage

_EVENTS = 300_000
_TENANTS = 500
_HOURS = 6.0
_LATE_HOURS = 1.0
_SOURCE_LATE_HOURS = 65 / 60
_LEAST = 0.8


def run(options: Options) -> None:
    """Feed every order to a worker of its own, and print rates over that of the first."""
    events, tenants = options.events_or(_EVENTS), options.tenants_or(_TENANTS)
    timed = Material(events, tenants, _HOURS).timed()
    in_order = [record for _, record in timed]
    thin = [record for record in in_order if not is_mail(record)]
    mail = [record for record in in_order if is_mail(record)]
    runs: list[tuple[str, list[list[SimulatedRecord]], bool]] = [
        ("in order", [in_order], False),
        ("thin topics first", [thin, mail], False),
        ("mail an hour late", [delayed(timed, _LATE_HOURS, is_mail)], False),
        (
            "one of two sources late",
            [delayed(timed, _SOURCE_LATE_HOURS, is_of_second_source)],
            False,
        ),
        ("six hours of backlog", [in_order], True),
    ]
    measures: list[Measure] = []
    for name, phases, stopped in runs:
        with new_stage(options.broker) as stage:
            measures.append(measured(stage, name, phases, stopped=stopped))
        note(f"disorder: {name}: {whole(measures[-1].per_s)} events/s")
    title = f"disorder: {len(in_order):,} events of {tenants:,} tenants over {_HOURS:.0f} hours"
    show_measures(title, measures, _LEAST)
