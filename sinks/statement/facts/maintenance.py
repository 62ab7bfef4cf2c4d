"""How much agreed maintenance of a year counts where a contract limits its hours. Pure."""

from collections.abc import Iterable
from datetime import date
from typing import Final

from mailsla.sinks.closing.plan.contract_segments import SegmentPeriod, midnight_us
from mailsla.sinks.statement.facts import spans
from mailsla.sinks.statement.facts.content import Exclusion, Maintenance

_HOUR_US: Final = 3_600_000_000


def maintenance_of(exclusions: Iterable[Exclusion], period: SegmentPeriod) -> Maintenance | None:
    """The maintenance of the year, from every window of it; ``None``: the contract has no limit."""
    profile = period.contract.profile
    if profile.max_hours_per_year is None:
        return None
    new_year = midnight_us(date(period.month.year, 1, 1), period.contract.zone)
    windows = spans.union(
        (one.starts_us, one.ends_us)
        for one in exclusions
        if one.code == "agreed_maintenance" and one.state(profile) == "applied"
    )
    left = most = profile.max_hours_per_year * _HOUR_US
    used_up_us = declared_us = 0
    for start, end in spans.clip(windows, new_year, period.end_us):
        declared_us += end - start
        if not used_up_us and end - start > left:
            used_up_us = start + left
        left = max(0, left - (end - start))
    counted_us = min(declared_us, most)
    return Maintenance(profile.max_hours_per_year, counted_us, declared_us - counted_us, used_up_us)
