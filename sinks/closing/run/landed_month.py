"""Closes a month once what is on its way has landed, and tells of it: the command and the worker.

Order: wait for facts → close → publish ``sla.closings``.
"""

from collections.abc import Container, Iterable
from datetime import date
from typing import Final

from mailsla.schemas.results import Closing
from mailsla.sinks.clickhouse import Client
from mailsla.sinks.closing.errors import ClosingError, Failed, log_failure
from mailsla.sinks.closing.run.close_month import close_month
from mailsla.sinks.closing.run.closing_feed import publish_closings
from mailsla.streams.runtime.kafka.drain import await_facts
from mailsla.streams.settings import Settings

LONGEST_QUERY_S: Final = 1800.0
"""The time-out of a client with which a month is closed."""
_LANDING_S: Final = 10.0
"""How long records that are on their way are waited for; a worker that runs needs a second."""


class NotLandedError(ClosingError):
    """Records of the topics have still to land."""


def close_landed_month(
    settings: Settings,
    client: Client,
    month: date,
    *,
    tenants: Iterable[str] | None = None,
    leave: Container[str] = (),
    force: bool = False,
    failed: Failed = log_failure,
) -> list[Closing]:
    """Close a month as `close_month` does, and publish every revision not yet published.

    Args:
        settings: where Kafka is.
        client: as for `close_month`.
        month: first day of the month.
        tenants: only these; all by default.
        leave: tenants to leave as they are.
        force: close although the month is not over or records are still to land; provisional.
        failed: is told of every tenant that cannot be judged.

    Raises:
        NotLandedError: records are still to land, and ``force`` is not set.
        ClosingError: as `close_month`.

    """
    behind = await_facts(settings, _LANDING_S)
    if behind and not force:
        raise NotLandedError(
            f"{behind.group} is {behind.total} records behind; "
            "run mailsla drain first, or close with --force (marked provisional)"
        )
    closings = close_month(
        client,
        month,
        tenants=tenants,
        leave=leave,
        force=force,
        undrained=behind is not None,
        failed=failed,
    )
    publish_closings(settings, client)
    return closings
