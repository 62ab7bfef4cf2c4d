"""``mail.backup``: backups and retained accounts (contract section 7)."""

from typing import ClassVar, Literal

from schemas.codec.identifiers import Count, Instant, Name, Recipient, Text
from schemas.events.envelope import Event, PlatformEvent

Kind = Literal["full", "incremental", "differential"]


class BackupCompleted(PlatformEvent):
    """A backup finished successfully at ``time``."""

    in_order: ClassVar[tuple[tuple[str, str], ...]] = (("started_at", "time"),)

    type: Literal["backup.completed"]
    backup_id: Name
    kind: Kind
    started_at: Instant
    bytes: Count | None = None
    tool: Name | None = None


class BackupFailed(PlatformEvent):
    """A backup did not succeed."""

    type: Literal["backup.failed"]
    backup_id: Name
    kind: Kind
    reason: Text | None = None


class BackupDeleted(PlatformEvent):
    """A backup completed at ``completed_at`` was deleted at ``time``."""

    in_order: ClassVar[tuple[tuple[str, str], ...]] = (("completed_at", "time"),)

    type: Literal["backup.deleted"]
    backup_id: Name
    completed_at: Instant


class AccountLocked(Event):
    """An account was locked; its data must be kept."""

    type: Literal["account.locked"]
    account: Recipient


class AccountPurged(Event):
    """A locked account's data were destroyed at ``time``."""

    in_order: ClassVar[tuple[tuple[str, str], ...]] = (("locked_at", "time"),)

    type: Literal["account.purged"]
    account: Recipient
    locked_at: Instant
