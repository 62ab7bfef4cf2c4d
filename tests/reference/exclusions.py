"""Exclusions in force for a tenant and a section (contract, Exclusions)."""

from collections.abc import Sequence

from tests.reference.instants import Interval
from tests.reference.log import Event, of_type, seen_by
from tests.reference.period import Period


def excluded_intervals(events: Sequence[Event], period: Period, section: int) -> list[Interval]:
    """Every ``[starts_at, ends_at)`` that excuses the tenant's provider in a section."""
    mine = seen_by(events, period.tenant_id)
    declared = of_type(mine, "exclusion.declared")
    revoked = of_type(mine, "exclusion.revoked")
    intervals = []
    for identity in {_identity(event) for event in declared}:
        standing = max(
            (event for event in declared if _identity(event) == identity),
            key=lambda event: (event["time"], event["source"], event["id"]),
        )
        taken_back = any(
            _identity(event) == identity and event["time"] >= standing["time"] for event in revoked
        )
        if not taken_back and _excuses(standing, period, section):
            intervals.append((standing["starts_at"], standing["ends_at"]))
    return intervals


def _identity(event: Event) -> tuple[str, str]:
    return event["tenant_id"], event["exclusion_id"]


def _excuses(declaration: Event, period: Period, section: int) -> bool:
    code = declaration["code"]
    if declaration["starts_at"] >= declaration["ends_at"]:
        return False
    if code == "agreed_maintenance" and not declaration.get("consent_ref"):
        return False
    named = declaration.get("sections")
    if section == 3:
        return code in period.contract.profile.operations_exclusions and (not named or 3 in named)
    if named:
        return section in named
    return section in ({2} if code == "foreign_system" else {1, 2})
