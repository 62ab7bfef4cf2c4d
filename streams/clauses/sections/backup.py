"""Section 7: daily and full backups, and how long backups and locked accounts are kept."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import ClassVar, NamedTuple
from zoneinfo import ZoneInfo

from mailsla.schemas.facts.backup import AccountPurgedFact, BackupCompletedFact, BackupDeletedFact
from mailsla.schemas.facts.fact import Fact
from mailsla.streams.clauses.facts.base import Facts, Marks
from mailsla.streams.clauses.kinds.deadlines import Deadline, deadline_measure
from mailsla.streams.clauses.model.measure import Measure, View, count_measure
from mailsla.streams.time.calendar import DAY, Period, local_day, midnight, same_day_next_month

INDICATORS = (
    "backup.incremental",
    "backup.full",
    "backup.retention",
    "backup.account_retention",
)
_ONE_DAY = timedelta(days=1)


class Removal(NamedTuple):
    """A deleted backup or a purged account."""

    removed_us: int
    identity: str
    since_us: int
    """Since when it was kept."""
    reference: str


class BackupFacts(Facts):
    """Completed and deleted backups and purged accounts of one scope."""

    topic: ClassVar[str] = "mail.backup"
    reach_us: ClassVar[int] = 368 * DAY  # a contract may ask for one full backup a year

    def __init__(self) -> None:
        super().__init__()
        self.completed = Marks()
        self.full = Marks()
        self.deleted: list[Removal] = []
        self.purged: list[Removal] = []

    def _take(self, fact: Fact) -> None:
        time_us = fact.time
        match fact:
            case BackupCompletedFact():
                self.completed.add(time_us, fact.reference)
                if fact.kind == "full":
                    self.full.add(time_us, fact.reference)
            case BackupDeletedFact():
                removal = Removal(time_us, fact.backup_id, fact.completed_at, fact.reference)
                self.deleted.append(removal)
            case AccountPurgedFact():
                removal = Removal(time_us, fact.account, fact.locked_at, fact.reference)
                self.purged.append(removal)

    def _drop(self, horizon_us: int) -> None:
        self.completed.forget(horizon_us)
        self.full.forget(horizon_us)
        self.deleted = [each for each in self.deleted if each.removed_us >= horizon_us]
        self.purged = [each for each in self.purged if each.removed_us >= horizon_us]


def kept_until(completed_us: int, zone: ZoneInfo) -> int:
    """Until when a backup must be kept: the end of the same local day of the next month."""
    return midnight(same_day_next_month(local_day(completed_us, zone)) + _ONE_DAY, zone)


def purged_from(locked_us: int, days: int, zone: ZoneInfo) -> int:
    """From when a locked account may be purged: the local day after ``days`` whole ones."""
    return midnight(local_day(locked_us, zone) + (days + 1) * _ONE_DAY, zone)


def measure(own: BackupFacts, platform: BackupFacts, view: View) -> list[Measure]:
    """The indicators of section 7 in the order of the agreement."""
    spoken = view.spoken(own, platform)
    zone, keep_days = view.period.zone, view.profile.account_retention_days
    scopes = (own, platform)
    deleted = [
        label
        for facts in scopes
        for label in _too_early(facts.deleted, lambda since: kept_until(since, zone), view)
    ]
    purged = _too_early(own.purged, lambda since: purged_from(since, keep_days, zone), view)
    daily = _days([facts.completed for facts in scopes], 1, view)
    full = _days([facts.full for facts in scopes], view.profile.full_backup_days, view)
    return [
        deadline_measure("backup.incremental", daily, view, spoken),
        deadline_measure("backup.full", full, view, spoken),
        count_measure("backup.retention", len(deleted), spoken, evidence=deleted),
        count_measure("backup.account_retention", len(purged), spoken, evidence=purged),
    ]


def _days(backups: Sequence[Marks], reach: int, view: View) -> list[Deadline]:
    """The days of the month, each to have a backup on it or one of the ``reach - 1`` before."""
    found = []
    for start_us, end_us, label in _spans(view.period, reach):
        done = any(each.count(start_us, end_us) for each in backups if len(each))
        late = not done and view.now_us >= end_us
        found.append(Deadline(start_us, end_us, late, done, label))
    return found


@lru_cache(maxsize=1024)
def _spans(period: Period, reach: int) -> list[tuple[int, int, str]]:
    """``(start, end, name)`` of the days of a period, each with the ``reach - 1`` before."""
    before, zone = (reach - 1) * _ONE_DAY, period.zone
    return [
        (midnight(day - before, zone), midnight(day + _ONE_DAY, zone), f"day-{day}")
        for day in period.days()
    ]


def _too_early(
    removals: Sequence[Removal], allowed_from: Callable[[int], int], view: View
) -> list[str]:
    """The distinct identities removed in the period before they might be, by reference."""
    found: dict[str, str] = {}
    for removed_us, identity, since_us, label in sorted(removals):
        if view.start_us <= removed_us < view.end_us and removed_us < allowed_from(since_us):
            found.setdefault(identity, label)
    return list(found.values())
