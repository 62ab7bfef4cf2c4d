"""What changed between two revisions of a closed month, and which events changed it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from mailsla.schemas.contract import Contract
from mailsla.schemas.results import Closing, ClosingItem, Credit
from mailsla.sinks.clickhouse import Client
from mailsla.sinks.closing.errors import ClosingError
from mailsla.sinks.closing.event_dependencies import topics_of, types_of
from mailsla.sinks.closing.plan.calendars import ChangedDay, changed_days, stored_days
from mailsla.sinks.closing.plan.contract_segments import (
    SegmentPeriod,
    micros,
    midnight_us,
    period_of,
)
from mailsla.sinks.closing.revisions.reader import Revision, contracts_of, revisions_of, whole
from mailsla.sinks.closing.revisions.writer import Key, ledger_of
from mailsla.sinks.closing.views import view_query

CAUSES_SHOWN: Final = 20
_COMPARED: Final = ("observed", "raw", "excluded", "target", "comparator", "verdict", "remedy")


@dataclass(frozen=True)
class Change:
    """One indicator that the two revisions see differently; None: it is not in that revision."""

    indicator: str
    old: ClosingItem | None
    new: ClosingItem | None


@dataclass(frozen=True)
class Cause:
    """An event that landed between the cutoffs and bears on what changed."""

    type: str
    tenant_id: str
    id: str
    source: str
    event_time: datetime
    landed_at: datetime
    about: str
    """The message, incident, exclusion or case it is about."""


@dataclass(frozen=True)
class Causes:
    """The first `CAUSES_SHOWN` of ``total`` events; contract versions that are new or changed.

    ``days`` are those that the two revisions see differently: working days or not.
    """

    events: tuple[Cause, ...]
    total: int
    contract_versions: tuple[int, ...]
    days: tuple[ChangedDay, ...] = ()


@dataclass(frozen=True)
class Difference:
    """Two revisions of one tenant-month."""

    old: Closing
    new: Closing
    changes: tuple[Change, ...]
    reversed: tuple[Credit, ...]
    issued: tuple[Credit, ...]
    causes: Causes


def diff_month(
    client: Client,
    month: date,
    *,
    tenants: Iterable[str] | None = None,
    first: int | None = None,
    last: int | None = None,
) -> list[Difference]:
    """What changed from revision ``first`` to revision ``last`` of each tenant.

    By default the last two revisions of every tenant that has more than one; with only one of the
    numbers given, the revision before or the last one is the other.

    Raises:
        ClosingError: the revisions asked for are not there.

    """
    by_tenant: dict[str, dict[int, Revision]] = {}
    for each in revisions_of(client, month, tenants):
        by_tenant.setdefault(each.tenant_id, {})[each.number] = each
    pairs = [pair for revisions in by_tenant.values() if (pair := _pair(revisions, first, last))]
    if not pairs and (first, last) != (None, None):
        raise ClosingError(
            f"No tenant has the revisions {first or 'before'} and {last or 'after'} of "
            f"{month:%Y-%m}; see the table closings for those there are."
        )
    closings = iter(whole(client, [each for pair in pairs for each in pair]))
    ledger = ledger_of(client, month)
    return [_difference(client, pair, (next(closings), next(closings)), ledger) for pair in pairs]


def _pair(
    revisions: dict[int, Revision], first: int | None, last: int | None
) -> tuple[Revision, Revision] | None:
    newer = last or max(revisions)
    older = first or newer - 1
    if older >= newer or older not in revisions or newer not in revisions:
        return None
    return revisions[older], revisions[newer]


def _difference(
    client: Client,
    pair: tuple[Revision, Revision],
    closings: tuple[Closing, Closing],
    ledger: Mapping[Key, Sequence[Credit]],
) -> Difference:
    old, new = closings
    changes = _changes(old, new)
    booked = [
        credit
        for number in range(old.revision + 1, new.revision + 1)
        for credit in ledger.get((new.tenant_id, number), ())
    ]
    return Difference(
        old,
        new,
        changes,
        tuple(credit for credit in booked if credit.kind == "reversal"),
        tuple(credit for credit in booked if credit.kind == "issue"),
        _causes(client, *pair, changes),
    )


def _changes(old: Closing, new: Closing) -> tuple[Change, ...]:
    before = {item.indicator: item for item in old.items}
    after = {item.indicator: item for item in new.items}
    return tuple(
        Change(name, before.get(name), after.get(name))
        for name in {**before, **after}
        if _seen(before.get(name)) != _seen(after.get(name))
    )


def _seen(item: ClosingItem | None) -> tuple[object, ...]:
    return () if item is None else tuple(getattr(item, name) for name in _COMPARED)


def _causes(client: Client, older: Revision, newer: Revision, changes: Sequence[Change]) -> Causes:
    before, after = (
        contracts_of(client, each.run, [each.tenant_id]).get(each.tenant_id, [])
        for each in (older, newer)
    )
    period = period_of(newer.tenant_id, after, newer.month)
    silent = [
        change.indicator
        for change in changes
        if any(item is None or item.observed is None for item in (change.old, change.new))
    ]
    parameters = {
        "tenant": newer.tenant_id,
        "types": types_of((change.indicator for change in changes), silent),
        "voidable": topics_of(change.indicator for change in changes),
        "after": _cutoff_us(older),
        "until": _cutoff_us(newer),
        "start": period.start_us,
        "year": _maintenance_from_us(period, before, after),
        "end": period.end_us,
        "limit": CAUSES_SHOWN,
    }
    rows = client.query(view_query("causes"), parameters=parameters).result_rows
    events = tuple(Cause(*row[:-1]) for row in rows)
    total = rows[0][-1] if rows else 0
    names = {contract.calendar for contract in (*before, *after)}
    days = changed_days(stored_days(client, older.run), stored_days(client, newer.run), names)
    return Causes(events, total, _new_versions(before, after), tuple(days))


def _maintenance_from_us(period: SegmentPeriod, *contracts: Sequence[Contract]) -> int:
    """From when on agreed maintenance can bear on a month: a year's hours may be limited."""
    limited = any(
        each.profile.max_hours_per_year is not None for versions in contracts for each in versions
    )
    first = date(period.month.year, 1, 1) if limited else period.first
    return midnight_us(first, period.contract.zone)


def _new_versions(before: Sequence[Contract], after: Sequence[Contract]) -> tuple[int, ...]:
    known = {contract.version: contract for contract in before}
    return tuple(contract.version for contract in after if known.get(contract.version) != contract)


def _cutoff_us(revision: Revision) -> int:
    cutoff = revision.closing.cutoff
    return 0 if cutoff is None else micros(cutoff)
