"""The fact tables: one row per event ever accepted, derived from the event models.

Identity. An event is (``source``, ``id``). The thin tables sort by it within the tenant, and are
not partitioned, so that a duplicate always meets its first landing. `mta_events` sorts by the
message first, because the closing asks for the earliest event per message (contract section 2),
and is partitioned by month. Its key holds the fields that say which message and what happened,
then ``id``, then the month itself: neither ``time`` nor ``accepted_at``, so that a duplicate that
was stamped anew still collapses; and the month, because the server prunes partitions under FINAL
only where the sorting key contains the partition's expression.
"""

from typing import Final

from mailsla.schemas import topics
from mailsla.schemas.codec.columns import clickhouse_columns
from mailsla.sinks.ddl.table import FIRST_LANDING, Table, TableColumn, landing_columns

FACT_TABLES: Final = {
    topics.MTA.name: "mta_events",
    topics.PROBE.name: "probe_events",
    topics.OPS.name: "ops_events",
    topics.ANTIVIRUS.name: "antivirus_events",
    topics.BACKUP.name: "backup_events",
    topics.BILLING.name: "billing_events",
    topics.ABUSE.name: "abuse_events",
    topics.SUPPORT.name: "support_events",
    topics.SECURITY.name: "security_events",
}
"""event topic → its fact table."""

_MTA_MONTH: Final = "toYYYYMM(coalesce(accepted_at, time))"
_MTA_KEY: Final = (
    "tenant_id", "direction", "source", "message_id", "recipient", "type", "id", _MTA_MONTH,
)  # fmt: skip
_THIN_KEY: Final = ("tenant_id", "source", "id")


def fact_table(topic: str) -> Table:
    """The table of one event topic."""
    events = tuple(TableColumn(name, type_) for name, type_ in clickhouse_columns(topic))
    mta = topic == topics.MTA.name
    return Table(
        name=FACT_TABLES[topic],
        comment=f"Every accepted event of {topic}; read with FINAL, the first landing wins",
        columns=(*events, *landing_columns(FIRST_LANDING)),
        order_by=_MTA_KEY if mta else _THIN_KEY,
        partition_by=_MTA_MONTH if mta else None,
    )
