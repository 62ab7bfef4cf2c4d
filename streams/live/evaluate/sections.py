"""The indicators of sections 1 and 3 to 9 of a tenant-month as they stand at an event time."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from mailsla.streams.clauses.facts.exclusions import LATENCY
from mailsla.streams.clauses.model.contracts import Days
from mailsla.streams.clauses.model.segments import Judged
from mailsla.streams.clauses.registry import Context
from mailsla.streams.clauses.registry import measure as measure_sections
from mailsla.streams.live.evaluate.assessment import Assessment, assess
from mailsla.streams.live.state.tenants import Tenants
from mailsla.streams.time.calendar import Month


def assess_sections(
    tenants: Tenants, tenant: str, month: Month, now_us: int, sections: Collection[int]
) -> Iterator[Assessment]:
    """The indicators of some sections of a tenant-month; section 2 is looked at elsewhere."""
    chosen = [section for section in sections if section != LATENCY]
    if not chosen:
        return
    context = tenants.context(tenant, month, now_us)
    wholes = _judged(tenants, context, chosen)
    parts = _parts(tenants, context, wholes)
    for name, whole in wholes.items():
        yield assess(tenant, month, whole, parts.get(name, ()))


def _judged(tenants: Tenants, context: Context, sections: Collection[int]) -> dict[str, Judged]:
    """The indicators of some sections of a month or a contract segment of it, in order."""
    found = {}
    for measure in measure_sections(context, sections):
        term = context.contract.term(measure.indicator)
        found[measure.indicator] = Judged.of(context.governed, measure, term)
    return found


def _parts(
    tenants: Tenants, context: Context, wholes: Mapping[str, Judged]
) -> dict[str, tuple[Judged, ...]]:
    """The contract segments of the indicators whose promise changes within the month."""
    cut = {name: parts for name in wholes if (parts := context.governed.parts(name))}
    sections: dict[Days, set[int]] = {}
    part_of = {part.days: part for parts in cut.values() for part in parts}
    for name, parts in cut.items():
        for part in parts:
            sections.setdefault(part.days, set()).add(wholes[name].term.section)
    judged = {
        days: _judged(tenants, replace(context, governed=part), sections[days])
        for days, part in part_of.items()
    }
    return {name: tuple(judged[part.days][name] for part in cut[name]) for name in cut}
