"""Exclusions in force for a tenant and a section (contract, Exclusions)."""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise

from tests.reference.instants import HOUR, Interval, edges, inside, local_day, midnight
from tests.reference.log import Event, of_type, seen_by
from tests.reference.period import Period


def excluded_intervals(events: Sequence[Event], period: Period, section: int) -> list[Interval]:
    """Every ``[starts_at, ends_at)`` that excuses the tenant's provider in a section."""
    standing = _standing(events, period, "exclusion")
    found = []
    for each in standing:
        interval = each["starts_at"], each["ends_at"]
        if not _excuses(each, period, section):
            continue
        if each["code"] == "agreed_maintenance" and _most(period) is not None:
            # No edge of a window lies within a piece.
            found += [
                (start, end)
                for start, end in _allowed(standing, period)
                if interval[0] <= start < interval[1]
            ]
        else:
            found.append(interval)
    return found


def declared_outages(events: Sequence[Event], period: Period) -> list[Interval]:
    """Every ``[starts_at, ends_at)`` in which the tenant is down because somebody said so."""
    return [
        (each["starts_at"], each["ends_at"])
        for each in _standing(events, period, "outage")
        if each["starts_at"] < each["ends_at"]
    ]


def _standing(events: Sequence[Event], period: Period, kind: str) -> list[Event]:
    """The declarations that are not taken back and, where the contract asks for it, approved."""
    mine = seen_by(events, period.tenant_id)
    declared = of_type(mine, f"{kind}.declared")
    revoked = of_type(mine, f"{kind}.revoked")
    found = []

    def identity(event: Event) -> tuple[str, str]:
        return event["tenant_id"], event[f"{kind}_id"]

    for name in {identity(event) for event in declared}:
        standing = max(
            (event for event in declared if identity(event) == name),
            key=lambda event: (event["time"], event["source"], event["id"]),
        )
        taken_back = any(
            identity(event) == name and event["time"] >= standing["time"] for event in revoked
        )
        checked = kind in period.contract.profile.approval
        if not taken_back and not (checked and not _approved(mine, name, standing)):
            found.append(standing)
    return found


def _approved(mine: Sequence[Event], name: tuple[str, str], declaration: Event) -> bool:
    return any(
        (event["tenant_id"], event["approves"]) == name
        and event["actor"] != declaration["actor"]
        and event["time"] >= declaration["time"]
        for event in of_type(mine, "approval.given")
        if declaration.get("actor")
    )


def _most(period: Period) -> int | None:
    hours = period.contract.profile.max_hours_per_year
    return None if hours is None else hours * HOUR


def _allowed(standing: Sequence[Event], period: Period) -> list[Interval]:
    """The pieces of agreed maintenance that a year's hours are enough for, the earliest first."""
    windows = [
        (each["starts_at"], each["ends_at"])
        for each in standing
        if each["code"] == "agreed_maintenance" and _may_count(each, period)
    ]
    years = {local_day(edge, period.zone).year for edge in edges(windows)}
    new_years = {midnight(date(year, 1, 1), period.zone) for year in years}
    used: dict[int, int] = {}
    found = []
    for start, end in pairwise(sorted({*edges(windows), *new_years})):
        if inside(start, windows):
            year = local_day(start, period.zone).year
            left = (_most(period) or 0) - used.get(year, 0)
            found.append((start, min(end, start + left)))
            used[year] = used.get(year, 0) + found[-1][1] - start
    return [(start, end) for start, end in found if start < end]


def _may_count(declaration: Event, period: Period) -> bool:
    if declaration["starts_at"] >= declaration["ends_at"]:
        return False
    if declaration["code"] != "agreed_maintenance":
        return True
    notice = period.contract.profile.notice_days * 24 * HOUR
    in_time = not notice or declaration["time"] + notice <= declaration["starts_at"]
    return in_time and bool(declaration.get("consent_ref"))


def _excuses(declaration: Event, period: Period, section: int) -> bool:
    code = declaration["code"]
    if not _may_count(declaration, period):
        return False
    named = declaration.get("sections")
    if section == 3:
        return code in period.contract.profile.operations_exclusions and (not named or 3 in named)
    if named:
        return section in named
    return section in ({2} if code == "foreign_system" else {1, 2})
