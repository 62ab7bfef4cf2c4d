"""What has landed in ClickHouse that somebody should know of."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from mailsla.schemas.calendars import CalendarError
from mailsla.schemas.codec.records import HELD_BACK, OVER_QUOTA
from mailsla.schemas.topics import MTA
from mailsla.sinks.clickhouse import Client
from mailsla.sinks.closing.plan.calendars import load_calendars
from mailsla.sinks.quotas import tenants_over_quota
from mailsla.streams.cli.support.doctor.finding import Finding
from mailsla.streams.runtime.dead_letters import FAILED
from mailsla.streams.runtime.unreadable import UNREADABLE
from mailsla.streams.settings import Settings
from mailsla.streams.web.readings.sources import EventSource, feeding

_NAMED: Final = 5
"""Sources, tenants and so on that a finding names."""
_AHEAD: Final = timedelta(days=14)
"""So long before a calendar is needed for a year it has to know it."""


def _unreadable(client: Client, _: Settings) -> Finding:
    """Batches that lie damaged in the log of a topic: the events in them count nowhere."""
    name = "unreadable batches"
    found = client.query(
        "SELECT topic, uniqExact(`partition`, `offset`) FROM dead_letters"
        " WHERE startsWith(reason, {kind:String}) AND landed_at >= now() - INTERVAL 7 DAY"
        " GROUP BY topic ORDER BY topic",
        parameters={"kind": UNREADABLE},
    ).result_rows
    if not found:
        return Finding(name, "ok", "none in the last seven days")
    topics = ", ".join(f"{topic} ({count})" for topic, count in found)
    detail = (
        f"in the last seven days: {topics}; have their events sent again, and look at the broker's "
        f"disks; see mailsla dead-letters list --reason '{UNREADABLE}'"
    )
    return Finding(name, "wrong", detail)


def _sources(client: Client, settings: Settings) -> Finding:
    return sources_finding(feeding(client).sources, settings.source_silence_s, settings.lateness_s)


def sources_finding(sources: Iterable[EventSource], silence_s: float, lateness_s: float) -> Finding:
    """Sources of mail that are silent without saying so, or whose events come too late.

    Args:
        sources: those of the last week.
        silence_s: after so long the live worker takes a source to go on.
        lateness_s: what comes later than that is counted as late.

    """
    mail = [one for one in sources if one.topic == MTA.name]
    silent = [one.source for one in mail if one.silent_for.total_seconds() > silence_s]
    late = [one.source for one in mail if one.late_s > lateness_s]
    told = [
        f"{what}: {', '.join(names[:_NAMED])}{', …' if len(names) > _NAMED else ''}"
        for what, names in (
            (f"silent for more than {silence_s:.0f} s", silent),
            (f"one in a hundred later than {lateness_s:.0f} s", late),
        )
        if names
    ]
    if told:
        detail = f"{'; '.join(told)}; look at their shippers, and at /platform/sources of the page"
        return Finding("sources", "note", detail)
    return Finding("sources", "ok", f"{len(mail)} sources of mail in the last week, none silent")


def _quarantine(client: Client, _: Settings) -> Finding:
    """Records that made the live worker fail, and were passed over for it."""
    count, tenants = client.query(
        "SELECT count(), arraySort(groupUniqArray(10)(tenant)) FROM (SELECT"
        " JSONExtractString(tryBase64Decode(value_b64), 'tenant_id') AS tenant"
        " FROM dead_letters FINAL WHERE startsWith(reason, {reason:String}))",
        parameters={"reason": FAILED},
    ).result_rows[0]
    if count:
        detail = (
            f"{count} records made the live worker fail and are passed over, of "
            f"{', '.join(tenants)}; see mailsla dead-letters list --reason {FAILED}, install a "
            "release that mends it, then replay them"
        )
        return Finding("quarantine", "note", detail)
    return Finding("quarantine", "ok", "no record had to be passed over")


def _strangers(client: Client, _: Settings) -> Finding:
    """Tenants that no contract names and for which the live worker had no room."""
    count, tenants, names = client.query(
        "SELECT count(), uniqExact(tenant), arraySort(groupUniqArray({named:UInt8})(tenant)) FROM"
        " (SELECT JSONExtractString(tryBase64Decode(value_b64), 'tenant_id') AS tenant"
        " FROM dead_letters FINAL WHERE startsWith(reason, {reason:String})"
        " AND landed_at >= now() - INTERVAL 7 DAY)",
        parameters={"reason": HELD_BACK, "named": _NAMED},
    ).result_rows[0]
    if not count:
        return Finding("tenants", "ok", "there was room for every tenant without a contract")
    detail = (
        f"in the last seven days {count} events of {tenants} tenants without a contract were held "
        f"back: {', '.join(names)}{', …' if tenants > _NAMED else ''}; publish the contracts of "
        f"those that are real, then mailsla dead-letters replay --reason {HELD_BACK}; "
        "MAILSLA_UNKNOWN_TENANTS makes room for more"
    )
    return Finding("tenants", "note", detail)


def _quotas(client: Client, settings: Settings) -> Finding:
    """Tenants that send more than `MAILSLA_TENANT_EVENTS` allows."""
    most = settings.tenant_events
    found = tenants_over_quota(client, most) if most else []
    if not found:
        return Finding(
            "quotas", "ok", "nobody sends more than MAILSLA_TENANT_EVENTS allows (0: all)"
        )
    named = ", ".join(f"{tenant} ({events} of {day})" for tenant, day, events in found[:_NAMED])
    detail = (
        f"more than {most} events of a day landed of {named}{', …' if len(found) > _NAMED else ''};"
        " ask them why; to take more live, raise MAILSLA_TENANT_EVENTS, then mailsla dead-letters "
        f"replay --reason {OVER_QUOTA}"
    )
    return Finding("quotas", "note", detail)


def _voided(client: Client, _: Settings) -> Finding:
    """Voided events of mail: live figures may lack what else had come of their messages."""
    count, tenants = client.query(
        "SELECT uniqExact(voids_source, voids_id),"
        " arraySort(groupUniqArray({named:UInt8})(toString(tenant_id))) FROM ops_events"
        " WHERE type = 'event.voided' AND voids_topic = {topic:String}"
        " AND landed_at >= now() - INTERVAL 3 MONTH",
        parameters={"topic": MTA.name, "named": _NAMED},
    ).result_rows[0]
    if not count:
        return Finding("voided mail", "ok", "no event of mail was voided")
    detail = (
        f"in the last three months {count} events of mail were voided ({', '.join(tenants)}): "
        "what else had come of their messages counts in closings; to have it live, publish it again"
    )
    return Finding("voided mail", "note", detail)


def _conflicts(client: Client, _: Settings) -> Finding:
    """Events that came again under their source and id with other content."""
    count, sources, names = client.query(
        "SELECT count(), uniqExact(source), arraySort(groupUniqArray({named:UInt8})(source))"
        " FROM conflicts WHERE landed_at >= now() - INTERVAL 7 DAY",
        parameters={"named": _NAMED},
    ).result_rows[0]
    if not count:
        return Finding("conflicts", "ok", "no event of the last week came again with other content")
    detail = (
        f"in the last seven days {count} events came again under their source and id with other "
        f"content, from {_some(names, sources)}; the first that landed counts, the view conflicts "
        "lists the others: see that these sources give each event an id of its own"
    )
    return Finding("conflicts", "note", detail)


def _calendars(client: Client, _: Settings) -> Finding:
    """Calendars that contracts name and that are not published, or do not know the days to come."""
    in_use = client.query(
        "SELECT toString(calendar) AS name, uniqExact(tenant_id),"
        " arraySort(groupUniqArray({named:UInt8})(toString(tenant_id))) FROM contracts FINAL"
        " WHERE coalesce(effective_to > today(), true) GROUP BY name ORDER BY name",
        parameters={"named": _NAMED},
    ).result_rows
    calendars, today = load_calendars(client), datetime.now(UTC).date()
    unknown = []
    for calendar, tenants, names in in_use:
        try:
            for day in (today, today + _AHEAD):
                calendars.working_day_after(day, 1, calendar)
        except CalendarError as error:
            unknown.append(f"{error} ({_some(names, tenants)})")
    if not unknown:
        return Finding("calendars", "ok", "the calendars that contracts name know the days to come")
    detail = f"{'; '.join(unknown)}: cases whose deadline is not known are left out live"
    return Finding("calendars", "wrong", detail)


def _some(names: Iterable[str], count: int) -> str:
    return f"{', '.join(names)}{', …' if count > _NAMED else ''}"


LANDED: Final[Mapping[str, Callable[[Client, Settings], Finding]]] = {
    "unreadable batches": _unreadable,
    "quarantine": _quarantine,
    "tenants": _strangers,
    "quotas": _quotas,
    "voided mail": _voided,
    "conflicts": _conflicts,
    "calendars": _calendars,
    "sources": _sources,
}
"""Check → what it finds."""
