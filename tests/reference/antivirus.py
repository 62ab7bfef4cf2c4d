"""Section 5: anti-virus."""

from collections.abc import Sequence
from datetime import date, timedelta

from tests.reference.instants import Interval, days_between, from_millis, midnight
from tests.reference.log import Event, between, of_type, own, seen_by
from tests.reference.period import Period
from tests.reference.values import NOTHING, Value, mean_seconds, plain

SUNDAY = 7


def antivirus(events: Sequence[Event], period: Period) -> dict[str, Value]:
    """The indicators of the section."""
    mine = seen_by(events, period.tenant_id)
    updates = of_type(mine, "definitions.updated")
    outbreaks = _outbreaks(mine)
    without = short = 0
    for start, end in _weeks(period):
        count = len(between(updates, start, end))
        without += count == 0
        touched = any(_touches(outbreak, start, end) for outbreak in outbreaks)
        short += touched and count < period.contract.profile.outbreak_updates
    scans = between(
        of_type(own(events, period.tenant_id), "message.scanned"), period.start, period.end
    )
    unscanned = [e for e in scans if e["verdict"] in ("skipped", "error") and e["policy"] != "off"]
    mismatched = {(e["source"], e["message_id"], e["mailbox"]) for e in scans if _mismatch(e)}
    delay = mean_seconds([from_millis(e["scan_ms"]) for e in scans if "scan_ms" in e])
    return {
        "antivirus.definition_updates": plain(without),
        "antivirus.outbreak_updates": plain(short),
        "antivirus.unscanned": plain(len(unscanned)),
        "antivirus.policy_mismatch": plain(len(mismatched)),
        "antivirus.scan_delay": NOTHING if delay is None else plain(delay),
    }


def _weeks(period: Period) -> list[Interval]:
    """The weeks whose Sunday is in the month and all of whose days are active."""
    weeks = []
    for sunday in period.days():
        monday, after = sunday - timedelta(days=6), sunday + timedelta(days=1)
        if sunday.isoweekday() == SUNDAY and all(
            period.active(day) for day in days_between(monday, after)
        ):
            weeks.append((_midnight(monday, period), _midnight(after, period)))
    return weeks


def _midnight(day: date, period: Period) -> int:
    return midnight(day, period.zone)


def _outbreaks(mine: Sequence[Event]) -> list[tuple[int, int | None]]:
    """Each outbreak: when it was declared, and when it ended if it has."""
    declared = of_type(mine, "outbreak.declared")
    outbreaks = []
    for identity in {(event["tenant_id"], event["outbreak_id"]) for event in declared}:
        begun = min(e["time"] for e in declared if (e["tenant_id"], e["outbreak_id"]) == identity)
        ends = [
            event["time"]
            for event in of_type(mine, "outbreak.ended")
            if (event["tenant_id"], event["outbreak_id"]) == identity and event["time"] >= begun
        ]
        outbreaks.append((begun, min(ends, default=None)))
    return outbreaks


def _touches(outbreak: tuple[int, int | None], week_start: int, week_end: int) -> bool:
    begun, ended = outbreak
    return begun < week_end and (ended is None or ended > week_start or begun >= week_start)


def _mismatch(scan: Event) -> bool:
    """Whether what was done differs from what the mailbox's policy asks."""
    harmless = scan["action"] in ("none", "tagged")
    infected = scan["verdict"] == "infected"
    if scan["policy"] == "detect" and not harmless:
        return True
    if scan["policy"] == "clean" and infected and harmless:
        return True
    kept, wanted = scan.get("kept_original"), scan.get("keep_original_policy")
    return infected and kept is not None and wanted is not None and kept != wanted
