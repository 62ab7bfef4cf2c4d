"""The time a log has reached by its own stamps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mailsla.streams.connectors.stamps import to_datetime


def log_time(snapshot: Mapping[str, Any]) -> datetime | None:
    """The newest stamp in a `PostfixConnector.snapshot()`; None before the first line.

    A silent log's time goes on from here by what elapses, whatever the system clock says: a
    log may be old, and `PostfixConnector.advance` must not run ahead of its lines.
    """
    reached = max((host["queue"]["now"] for host in snapshot["hosts"].values()), default=0)
    return to_datetime(reached) if reached else None
