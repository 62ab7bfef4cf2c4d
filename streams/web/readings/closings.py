"""The revisions of a tenant's month, the newest first, each with what it changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from mailsla.schemas.results import Closing
from mailsla.sinks.clickhouse import Client
from mailsla.sinks.closing.revisions.diff import Difference, diff_month
from mailsla.sinks.closing.revisions.reader import revisions_of, whole


@dataclass(frozen=True)
class History:
    """Every revision, and by its number what it changed of the one before."""

    closings: Sequence[Closing]
    changes: Mapping[int, Difference]


def closing_history(client: Client, tenant: str, month: date) -> History:
    """What was closed of a tenant's month; empty where nothing was."""
    revisions = revisions_of(client, month, [tenant])
    changes = {
        each.number: difference
        for each in revisions[1:]
        for difference in diff_month(client, month, tenants=[tenant], last=each.number)
    }
    return History(whole(client, revisions)[::-1], changes)
