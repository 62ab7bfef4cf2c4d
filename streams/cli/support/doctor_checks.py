"""What ``mailsla doctor`` looks at: each check gives one finding, whatever it meets."""

import asyncio
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from clickhouse_connect.driver.exceptions import ClickHouseError
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import KafkaError
from pydantic import SecretStr

from mailsla.schemas.codec.records import HELD_BACK
from mailsla.schemas.topics import ALL_TOPICS, ASSEMBLER_STATE, MTA, RAW_MAILLOG
from mailsla.sinks.clickhouse import ClickHouseSettings, Client, connect_reader
from mailsla.sinks.closing.views import views
from mailsla.sinks.ddl import DERIVED_TABLES
from mailsla.sinks.landing.faults import label
from mailsla.sinks.migrations import read_migrations
from mailsla.sinks.retention import contradictions, kept_days, wanted_days
from mailsla.sinks.worker import clickhouse_settings
from mailsla.streams.maillog.state import MaillogState, misunderstood_in
from mailsla.streams.runtime.checkpoint.recovery import read_records
from mailsla.streams.runtime.checkpoint.state_log import StateError
from mailsla.streams.runtime.dead_letters import FAILED
from mailsla.streams.runtime.kafka.admin import administration
from mailsla.streams.runtime.kafka.drain import Lag, lags
from mailsla.streams.runtime.kafka.identity import identities
from mailsla.streams.runtime.unreadable import UNREADABLE
from mailsla.streams.settings import ConfigurationError, Settings
from mailsla.streams.web.readings.sources import EventSource, feeding

State = Literal["ok", "note", "wrong", "skipped"]
"""note: worth knowing, nothing to mend; skipped: what it needs is itself wrong."""

_ANSWER_S: Final = 5.0
_PATIENCE_S: Final = 10.0
"""How long a worker may take to commit something of what it is behind."""
_SKEW_S: Final = 2.0
"""Tolerated between this host's clock and ClickHouse's: the closing's cutoff is a landing time."""
_NO_SUCH_DATABASE: Final = 81
_USUAL_USERS: Final = ("default", "analyst")
_NONE: Final = SecretStr("")
_NAMED: Final = 5
"""Sources that a finding names."""


@dataclass(frozen=True)
class Finding:
    """One line of the report: what is so, or what is wrong and how to mend it."""

    check: str
    state: State
    detail: str


def kafka_findings(settings: Settings) -> Iterator[Finding]:
    """Broker, topics and consumer groups."""
    try:
        with administration(settings) as admin:
            brokers = len(admin.describe_cluster()["brokers"])
            yield Finding("broker", "ok", f"{settings.kafka} answers, brokers: {brokers}")
            yield from _topics(admin, settings)
        yield from _groups(settings)
        yield mail_log_finding(settings)
    except ConfigurationError as error:
        yield Finding("broker", "wrong", str(error))
        yield Finding("topics", "skipped", "the broker does not answer")
        yield Finding("consumer groups", "skipped", "the broker does not answer")
    except (KafkaError, OSError, ValueError) as error:
        detail = f"{settings.kafka}: {type(error).__name__}; look into the broker's log"
        yield Finding("broker", "wrong", detail)


def _topics(admin: KafkaAdminClient, settings: Settings) -> Iterator[Finding]:
    present = set(admin.list_topics())
    missing = [topic.name for topic in ALL_TOPICS if topic.name not in present]
    if missing:
        yield Finding("topics", "wrong", f"missing: {', '.join(missing)}; run mailsla topics")
        return
    found = identities(admin, [topic.name for topic in ALL_TOPICS])
    counts = {name: topic.partitions for name, topic in found.items()}
    usual = max(set(counts.values()), key=list(counts.values()).count)
    odd = [f"{name} has {count}" for name, count in counts.items() if count != usual]
    if odd:
        yield Finding(
            "topics",
            "wrong",
            f"{', '.join(odd)}, the others {usual} partitions; delete those topics and run "
            f"mailsla topics with MAILSLA_PARTITIONS={usual}",
        )
        return
    differing = _differing(admin)
    if differing:
        yield Finding("topics", "wrong", f"configured otherwise: {differing}; run mailsla topics")
        return
    suffix = "" if differing is not None else "; this broker does not tell their configuration"
    yield Finding("topics", "ok", f"{len(counts)} topics of {usual} partitions{suffix}")
    if usual != settings.partitions:
        detail = f"MAILSLA_PARTITIONS is {settings.partitions}, the topics have {usual}"
        yield Finding("partitions", "note", f"{detail}; set it to {usual}")


def _differing(admin: KafkaAdminClient) -> str | None:
    """Topics configured otherwise than the interface says; None where the broker cannot tell."""
    found: list[str] = []
    told = False
    for topic in ALL_TOPICS:
        try:
            answer = admin.describe_configs(
                [ConfigResource(ConfigResourceType.TOPIC, topic.name)], config_filter="all"
            )
        except (KafkaError, ValueError, AttributeError):
            return None
        values: dict[str, Any] = next(iter(next(iter(answer.values()), {}).values()), {})
        for key, wanted in topic.config().items():
            if key not in values:
                continue
            told = True
            entry = values[key]
            actual = str(entry.get("value") if isinstance(entry, dict) else entry)
            if set(actual.split(",")) != set(wanted.split(",")):
                found.append(f"{topic.name} {key}={actual}")
    return ", ".join(found) if told else None


def _groups(settings: Settings) -> Iterator[Finding]:
    """A group that is behind must come nearer within a while."""
    before = lags(settings)
    now = before
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline and any(map(_stuck, before, now)):
        time.sleep(0.25)
        now = lags(settings)
    for then, lag in zip(before, now, strict=True):
        name = f"group {lag.group}"
        if not lag.total:
            yield Finding(name, "ok", "nothing left to do")
        elif _stuck(then, lag):
            worst = max(lag.by_topic, key=lambda topic: lag.by_topic[topic])
            worker = lag.group.removeprefix("mailsla-")
            yield Finding(
                name,
                "wrong",
                f"{lag.total} records behind and not moving (most: {worst}); is a worker running? "
                f"start one with mailsla worker {worker}, or read its log",
            )
        else:
            yield Finding(name, "ok", f"{lag.total} records behind, catching up")


def _stuck(before: Lag, now: Lag) -> bool:
    """Whether nothing that was left has been done; what came in meanwhile does not count."""
    return bool(now.total) and all(
        now.by_topic.get(topic, 0) >= count for topic, count in before.by_topic.items()
    )


def mail_log_finding(settings: Settings) -> Finding:
    """Lines of mail logs that were not understood, as the raw-log tasks have counted them."""
    try:
        kinds = asyncio.run(_misunderstood(settings))
    except StateError as error:
        return Finding("mail logs", "note", f"their state is not read: {error}")
    if not kinds:
        return Finding("mail logs", "ok", f"every line of {RAW_MAILLOG.name} was understood")
    total = sum(count for count, _ in kinds.values())
    kind, (count, example) = max(kinds.items(), key=lambda item: item[1][0])
    detail = (
        f"lines not understood: {total} of {len(kinds)} kinds; most ({count}) are {kind}, the "
        f"first: {example}; report the form if it is Postfix's"
    )
    return Finding("mail logs", "note", detail)


async def _misunderstood(settings: Settings) -> dict[str, tuple[int, str]]:
    found: dict[str, tuple[int, str]] = {}
    for partition in range(settings.partitions):
        records = await read_records(settings, partition, False, ASSEMBLER_STATE.name)
        for snapshot in MaillogState(partition).read(records).values():
            for kind, (count, example) in misunderstood_in(snapshot).items():
                before, first = found.get(kind, (0, example))
                found[kind] = (before + count, first)
    return found


def clickhouse_findings(settings: Settings) -> Iterator[Finding]:
    """Server, schema, and what has landed that somebody should know of."""
    checks = {
        "schema": _schema, "retention": _retention, "clock": _clock, "logins": _logins,
        "unreadable batches": _unreadable, "quarantine": _quarantine, "tenants": _strangers,
        "voided mail": _voided, "sources": _sources,
    }  # fmt: skip
    try:
        client = connect_reader(_impatient(settings))
    except ClickHouseError as error:
        yield Finding(
            "clickhouse",
            "wrong",
            f"no use of {settings.clickhouse} ({label(error)}); start one with mailsla up, or set "
            "MAILSLA_CLICKHOUSE, MAILSLA_CLICKHOUSE_USER and MAILSLA_CLICKHOUSE_PASSWORD",
        )
        yield from (Finding(name, "skipped", "ClickHouse does not answer") for name in checks)
        return
    version = client.server_version
    yield Finding("clickhouse", "ok", f"{settings.clickhouse} answers, version {version}")
    for name, check in checks.items():
        try:
            yield check(client, settings)
        except ClickHouseError as error:
            if getattr(error, "code", None) == _NO_SUCH_DATABASE:
                detail = f"there is no database {settings.clickhouse_database}; run mailsla migrate"
                yield Finding(name, "wrong" if name == "schema" else "skipped", detail)
                continue
            yield Finding(
                name, "wrong", f"ClickHouse refused to tell ({label(error)}); check the user"
            )
    client.close()


def _impatient(settings: Settings) -> ClickHouseSettings:
    """A server that hangs is found out soon."""
    return clickhouse_settings(settings).model_copy(update={"timeout_s": _ANSWER_S})


def _schema(client: Client, settings: Settings) -> Finding:
    database = {"database": settings.clickhouse_database}
    found = client.query(
        "SELECT table, name FROM system.columns WHERE database = {database:String}"
        " UNION ALL SELECT name, '' FROM system.tables WHERE database = {database:String}",
        parameters=database,
    ).result_rows
    present = {(table, column) for table, column in found}
    wanted = {(table.name, column.name) for table in DERIVED_TABLES for column in table.columns}
    wanted |= {(view, "") for view in views()} | {("schema_migrations", "")}
    lacking = sorted({table for table, _ in wanted - present})
    if lacking:
        few = ", ".join(lacking[:3]) + (", …" if len(lacking) > 3 else "")
        return Finding("schema", "wrong", f"missing or incomplete: {few}; run mailsla migrate")
    applied = dict(
        client.query(
            "SELECT version, argMin(checksum, applied_at) FROM schema_migrations GROUP BY version"
        ).result_rows
    )
    known = {each.version: each for each in read_migrations()}
    if newer := sorted(set(applied) - set(known)):
        detail = f"the database is newer (migration {newer[-1]:04d}); install the newer release"
        return Finding("schema", "wrong", detail)
    if pending := [each.label for number, each in known.items() if number not in applied]:
        return Finding("schema", "wrong", f"not applied: {', '.join(pending)}; run mailsla migrate")
    if changed := [each.label for n, each in known.items() if applied[n] != each.checksum]:
        detail = f"changed after it was applied: {', '.join(changed)}; restore the file"
        return Finding("schema", "wrong", detail)
    latest = max(known, default=0)
    return Finding("schema", "ok", f"{settings.clickhouse_database} at migration {latest:04d}")


def _retention(client: Client, settings: Settings) -> Finding:
    """What is forgotten as it is configured, without taking from closings what they are made of."""
    try:
        wanted = wanted_days(settings)
    except ConfigurationError as error:
        return Finding("retention", "wrong", str(error))
    kept = kept_days(client)
    if differing := contradictions(wanted, kept):
        detail = f"{', '.join(differing)} as MAILSLA_KEEP_DAYS says; run mailsla migrate"
        return Finding("retention", "wrong", detail)
    told = ", ".join(f"{table} {days} days" for table, days in kept.items())
    return Finding("retention", "ok", f"kept for ever, but {told}")


def _clock(client: Client, _: Settings) -> Finding:
    before = datetime.now(UTC).timestamp()
    theirs = float(client.command("SELECT toUnixTimestamp64Micro(now64(6))")) / 1e6
    after = datetime.now(UTC).timestamp()
    skew = max(before - theirs, theirs - after, 0.0)
    if skew > _SKEW_S:
        detail = f"this host and ClickHouse differ by {skew:.1f} s; synchronise both (NTP)"
        return Finding("clock", "wrong", detail)
    return Finding("clock", "ok", f"this host and ClickHouse differ by at most {skew:.1f} s")


def _logins(_: Client, settings: Settings) -> Finding:
    """Nobody may come in without a password, above all not the administrator."""
    for user in _USUAL_USERS:
        entry = _impatient(settings).model_copy(update={"user": user, "password": _NONE})
        try:
            connect_reader(entry).close()
        except ClickHouseError:
            continue
        detail = f"user {user} logs in without a password; give it one, or remove it"
        return Finding("logins", "wrong", detail)
    return Finding("logins", "ok", "ClickHouse lets nobody in without a password")


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
