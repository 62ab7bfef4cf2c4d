"""Section 7: backup."""

from calendar import monthrange
from collections.abc import Sequence
from datetime import date, timedelta

from tests.reference.instants import local_day, midnight, next_month
from tests.reference.log import Event, between, of_type, own, seen_by
from tests.reference.period import Period
from tests.reference.values import Value, plain


def backup(events: Sequence[Event], period: Period) -> dict[str, Value]:
    """The indicators of the section."""
    mine = seen_by(events, period.tenant_id)
    completed = of_type(mine, "backup.completed")
    any_days = {local_day(event["time"], period.zone) for event in completed}
    full_days = {
        local_day(event["time"], period.zone) for event in completed if event["kind"] == "full"
    }
    reach = period.contract.profile.full_backup_days
    without = [day for day in period.days() if day not in any_days]
    without_full = [
        day
        for day in period.days()
        if not any(day - timedelta(days=back) in full_days for back in range(reach))
    ]
    deleted = between(of_type(mine, "backup.deleted"), period.start, period.end)
    purged = between(
        of_type(own(events, period.tenant_id), "account.purged"), period.start, period.end
    )
    return {
        "backup.incremental": plain(len(without)),
        "backup.full": plain(len(without_full)),
        "backup.retention": plain(
            len({(e["tenant_id"], e["backup_id"]) for e in deleted if _deleted_early(e, period)})
        ),
        "backup.account_retention": plain(
            len({event["account"] for event in purged if _purged_early(event, period)})
        ),
    }


def _deleted_early(event: Event, period: Period) -> bool:
    """Deleted before the end of the same day of the month after its completion."""
    made = local_day(event["completed_at"], period.zone)
    following = next_month(made.replace(day=1))
    last_day = monthrange(following.year, following.month)[1]
    kept_through = date(following.year, following.month, min(made.day, last_day))
    return bool(event["time"] < midnight(kept_through + timedelta(days=1), period.zone))


def _purged_early(event: Event, period: Period) -> bool:
    """Purged before so many full days after the day of locking had passed."""
    locked = local_day(event["locked_at"], period.zone)
    kept = timedelta(days=period.contract.profile.account_retention_days + 1)
    return bool(event["time"] < midnight(locked + kept, period.zone))
