"""What stops a closing, or keeps one tenant out of it; each is one sentence with the remedy."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TenantFailure:
    """Why one tenant is left out while the others are done; ``field`` is the one to mend."""

    tenant_id: str
    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.tenant_id}, {self.field}: {self.reason}"


Failed = Callable[[TenantFailure], None]
"""What to do with the word that a tenant is left out."""


def log_failure(failure: TenantFailure) -> None:
    """Say in the log that a tenant is left out."""
    _log.warning("left out: %s", failure)


class ClosingError(Exception):
    """A month cannot be closed now."""


class MonthNotOverError(ClosingError):
    """The month still runs in some tenant's time zone."""


class ClosingInProgressError(ClosingError):
    """Another closing of the same month is at work."""
