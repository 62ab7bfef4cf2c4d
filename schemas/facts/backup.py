"""Facts of ``mail.backup``, made from `mailsla.schemas.events.backup` by ``make facts``."""

from typing import ClassVar, Literal

from mailsla.schemas.facts.fact import Fact, Micros, fact_type


@fact_type
class BackupCompletedFact(Fact):
    """``backup.completed``, which `BackupCompleted` describes."""

    topic: ClassVar[str] = "mail.backup"
    type: Literal["backup.completed"]
    backup_id: str
    kind: Literal["differential", "full", "incremental"]
    started_at: Micros
    bytes: int | None
    tool: str | None


@fact_type
class BackupFailedFact(Fact):
    """``backup.failed``, which `BackupFailed` describes."""

    topic: ClassVar[str] = "mail.backup"
    type: Literal["backup.failed"]
    backup_id: str
    kind: Literal["differential", "full", "incremental"]
    reason: str | None


@fact_type
class BackupDeletedFact(Fact):
    """``backup.deleted``, which `BackupDeleted` describes."""

    topic: ClassVar[str] = "mail.backup"
    type: Literal["backup.deleted"]
    backup_id: str
    completed_at: Micros


@fact_type
class AccountLockedFact(Fact):
    """``account.locked``, which `AccountLocked` describes."""

    topic: ClassVar[str] = "mail.backup"
    type: Literal["account.locked"]
    account: str


@fact_type
class AccountPurgedFact(Fact):
    """``account.purged``, which `AccountPurged` describes."""

    topic: ClassVar[str] = "mail.backup"
    type: Literal["account.purged"]
    account: str
    locked_at: Micros
