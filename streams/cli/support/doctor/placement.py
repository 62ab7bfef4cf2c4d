"""Whose records producers put into another partition than Kafka's default partitioner would."""

from collections.abc import Iterable
from typing import Final

from aiokafka.errors import KafkaError
from clickhouse_connect.driver.exceptions import ClickHouseError

from mailsla.schemas.topics import MTA
from mailsla.sinks.clickhouse import connect_reader
from mailsla.sinks.ddl.facts import FACT_TABLES
from mailsla.sinks.worker import clickhouse_settings
from mailsla.streams.cli.support.doctor.finding import Finding
from mailsla.streams.live.decode.homes import Homes
from mailsla.streams.runtime.kafka.admin import topic_identities
from mailsla.streams.settings import Settings

_CHECK: Final = "partitioning"
_NAMED: Final = 5
_MOST: Final = 100_000
"""Places of tenants that are looked at."""
_DISTINCT: Final = (
    "SELECT DISTINCT toString(tenant_id), toString(source), partition FROM {table}"
    " WHERE landed_at >= now() - INTERVAL 1 DAY"
)


def placement_finding(settings: Settings) -> Finding:
    """Whether what landed in the last day stood in the partitions of its tenants."""
    queries = (_DISTINCT.format(table=table) for table in FACT_TABLES.values())
    try:
        partitions = topic_identities(settings, [MTA.name])[MTA.name].partitions
        client = connect_reader(clickhouse_settings(settings, timeout_s=5.0))
        found = client.query(f"{' UNION DISTINCT '.join(queries)} LIMIT {_MOST}").result_rows
        client.close()
    except (ClickHouseError, KafkaError, OSError):
        return Finding(_CHECK, "skipped", "the broker or ClickHouse does not answer")
    return misplaced_finding(found, partitions)


def misplaced_finding(places: Iterable[tuple[str, str, int]], partitions: int) -> Finding:
    """The finding about some places.

    Args:
        places: tenant, source and partition of what landed.
        partitions: how many every topic has; none where there are no topics.

    """
    home = Homes(partitions or 1).of
    away = [one for one in places if partitions and home(one[0]) != one[2]]
    if not away:
        return Finding(_CHECK, "ok", "every record stood in the partition of its tenant")
    sources = sorted({source for _, source, _ in away})
    detail = (
        f"in the last day records of {len({tenant for tenant, _, _ in away})} tenants stood in "
        f"other partitions than murmur2 of their key gives, by {', '.join(sources[:_NAMED])}"
        f"{', …' if len(sources) > _NAMED else ''}; each is published once more and counts once; "
        "set partitioner=murmur2_random in clients on librdkafka, key by tenant in all"
    )
    return Finding(_CHECK, "note", detail)
