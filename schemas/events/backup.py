"""``mail.backup``: backups and retained accounts (contract section 7)."""

from typing import ClassVar, Literal

from mailsla.schemas.codec.identifiers import Count, Instant, Name, Recipient, Text
from mailsla.schemas.envelope import Event, PlatformEvent

Kind = Literal["full", "incremental", "differential"]


class BackupCompleted(PlatformEvent):
    """A backup finished successfully at ``time``."""

    in_order: ClassVar[tuple[tuple[str, str], ...]] = (("started_at", "time"),)

    type: Literal["backup.completed"]
    backup_id: Name
    """Identifies the backup within the tenant."""
    kind: Kind
    """What was saved: all, or what has changed."""
    started_at: Instant
    """When the backup began."""
    bytes: Count | None = None
    """Size of the backup, bytes."""
    tool: Name | None = None
    """Program that made it."""


class BackupFailed(PlatformEvent):
    """A backup did not succeed."""

    type: Literal["backup.failed"]
    backup_id: Name
    """Identifies the backup within the tenant."""
    kind: Kind
    """What should have been saved."""
    reason: Text | None = None
    """Why it failed."""


class BackupDeleted(PlatformEvent):
    """A backup completed at ``completed_at`` was deleted at ``time``."""

    in_order: ClassVar[tuple[tuple[str, str], ...]] = (("completed_at", "time"),)

    type: Literal["backup.deleted"]
    backup_id: Name
    """The backup that was deleted."""
    completed_at: Instant
    """When that backup had finished."""


class AccountLocked(Event):
    """An account was locked; its data must be kept."""

    type: Literal["account.locked"]
    account: Recipient
    """Address of the account."""


class AccountPurged(Event):
    """A locked account's data were destroyed at ``time``."""

    in_order: ClassVar[tuple[tuple[str, str], ...]] = (("locked_at", "time"),)

    type: Literal["account.purged"]
    account: Recipient
    """Address of the account."""
    locked_at: Instant
    """When the account had been locked."""
