"""What ``mailsla doctor`` looks at: each check gives one finding, whatever it meets."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from clickhouse_connect.driver.exceptions import ClickHouseError
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError
from pydantic import SecretStr

from mailsla.schemas.topics import ALL_TOPICS, ASSEMBLER_STATE, RAW_MAILLOG
from mailsla.sinks.clickhouse import ClickHouseSettings, Client, connect_reader
from mailsla.sinks.landing.faults import label
from mailsla.sinks.migrations import read_migrations
from mailsla.sinks.retention import contradictions, kept_days, wanted_days
from mailsla.sinks.schema import schema_trouble
from mailsla.sinks.worker import clickhouse_settings
from mailsla.streams.cli.support.doctor.finding import Finding
from mailsla.streams.cli.support.doctor.landed import LANDED
from mailsla.streams.cli.support.doctor.live_state import live_state_finding
from mailsla.streams.maillog.state import MaillogState, misunderstood_in
from mailsla.streams.runtime.checkpoint.recovery import read_records
from mailsla.streams.runtime.checkpoint.state_log import StateError
from mailsla.streams.runtime.kafka.admin import administration, config_of
from mailsla.streams.runtime.kafka.drain import Lag, lags
from mailsla.streams.runtime.kafka.identity import identities
from mailsla.streams.settings import ConfigurationError, Settings

_ANSWER_S: Final = 5.0
_PATIENCE_S: Final = 10.0
"""How long a worker may take to commit something of what it is behind."""
_SKEW_S: Final = 2.0
"""Tolerated between this host's clock and ClickHouse's: the closing's cutoff is a landing time."""
_NO_SUCH_DATABASE: Final = 81
_USUAL_USERS: Final = ("default", "analyst")
_NONE: Final = SecretStr("")


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
    yield live_state_finding(settings, found)
    if usual != settings.partitions:
        detail = f"MAILSLA_PARTITIONS is {settings.partitions}, the topics have {usual}"
        yield Finding("partitions", "note", f"{detail}; set it to {usual}")


def _differing(admin: KafkaAdminClient) -> str | None:
    """Topics configured otherwise than the interface says; None where the broker cannot tell."""
    found = {topic.name: config_of(admin, topic) for topic in ALL_TOPICS}
    if not any(found.values()):
        return None
    return ", ".join(
        f"{topic} {key}={actual}"
        for topic, settings in found.items()
        for key, (actual, wanted) in settings.items()
        if set(actual.split(",")) != set(wanted.split(","))
    )


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
        **LANDED,
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


def _schema(client: Client, _: Settings) -> Finding:
    if wrong := schema_trouble(client):
        return Finding("schema", "wrong", wrong)
    latest = max((each.version for each in read_migrations()), default=0)
    return Finding("schema", "ok", f"{client.database} at migration {latest:04d}")


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
