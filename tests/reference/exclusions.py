"""Exclusions in force for a tenant and a section (contract, Exclusions)."""

from collections.abc import Sequence

from tests.reference.instants import Interval
from tests.reference.log import Event, of_type, seen_by
from tests.reference.period import Period


def excluded_intervals(events: Sequence[Event], period: Period, section: int) -> list[Interval]:
    """Every ``[starts_at, ends_at)`` that excuses the tenant's provider in a section."""
    return [
        (each["starts_at"], each["ends_at"])
        for each in _standing(events, period, "exclusion")
        if _excuses(each, period, section)
    ]


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


def _excuses(declaration: Event, period: Period, section: int) -> bool:
    code = declaration["code"]
    if declaration["starts_at"] >= declaration["ends_at"]:
        return False
    if code == "agreed_maintenance" and not declaration.get("consent_ref"):
        return False
    notice = period.contract.profile.notice_days * 86_400_000_000
    if code == "agreed_maintenance" and declaration["time"] + notice > declaration["starts_at"]:
        return False
    named = declaration.get("sections")
    if section == 3:
        return code in period.contract.profile.operations_exclusions and (not named or 3 in named)
    if named:
        return section in named
    return section in ({2} if code == "foreign_system" else {1, 2})
