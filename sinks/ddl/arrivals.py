"""What has landed lately, once more: beside a fact table, and never merged.

Whatever lands under the sorting key of an earlier event becomes one row with it when the server
merges parts, so an event that differs from an earlier one in nothing of the key (of mail: in its
instants alone) could be gone before anybody has compared the two. So the server copies each
INSERT's rows, and keeps the copies for a day; conflicts are looked for every ten minutes at least.

A copy has no sorting key, no `_version` and the fast codec. Columns only grow: a table that lacks
one gets it, and the view that copies is made anew under another name.
"""

import hashlib
from typing import Final

from mailsla.schemas import topics
from mailsla.schemas.codec.columns import clickhouse_columns
from mailsla.sinks.clickhouse import Client, run_repeatable
from mailsla.sinks.ddl.facts import FACT_TABLES
from mailsla.sinks.ddl.table import INSTANT

_OF_MAIL: Final = frozenset(
    {
        "id", "source", "type", "tenant_id", "time", "message_id", "direction", "recipient",
        "accepted_at", "attempt", "liability",
    }
)  # fmt: skip
"""What section 2 judges by; to copy, or compare, the rest of every message would cost twice."""
_PLACE: Final = (("landed_at", INSTANT), ("partition", "Int32"), ("offset", "Int64"))
_VIEW: Final = "arriving_"
_TABLE: Final = """CREATE TABLE IF NOT EXISTS {name} (
  {columns},
  arrived_at DateTime('UTC') DEFAULT now()
)
ENGINE = MergeTree
PARTITION BY toStartOfHour(arrived_at)
ORDER BY tuple()
TTL arrived_at + INTERVAL 1 DAY
SETTINGS ttl_only_drop_parts = 1
COMMENT 'What landed in {table} within a day, until conflicts have been looked for'"""


def compared_columns(topic: str) -> tuple[tuple[str, str], ...]:
    """Names and ClickHouse types of the fields in which two events of a topic are compared."""
    columns = clickhouse_columns(topic)
    return tuple(each for each in columns if topic != topics.MTA.name or each[0] in _OF_MAIL)


def arrivals(topic: str) -> str:
    """Name of the table with what has landed of a topic within a day."""
    return f"arrivals_{FACT_TABLES[topic]}"


def arrival_objects() -> set[str]:
    """The names of every table and view that `install_arrivals` makes."""
    return {name for topic in FACT_TABLES for name in (arrivals(topic), _view(topic))}


def install_arrivals(client: Client) -> None:
    """Make or upgrade the tables, and the views that fill them; repeatable, after the fact tables.

    No INSERT is left out in between: a view that copies more columns is there before the one that
    copies fewer is gone.
    """
    rows = client.query(
        "SELECT table, name FROM system.columns"
        " WHERE database = currentDatabase() AND startsWith(table, 'arriv')"
    ).result_rows
    present = set(rows)
    made = {table for table, _ in rows}
    for topic in FACT_TABLES:
        _install(client, topic, present, made)
    for former in sorted(name for name in made if name.startswith(_VIEW)):
        if former not in arrival_objects():
            run_repeatable(client, f"DROP VIEW IF EXISTS {former}")


def _install(client: Client, topic: str, present: set[tuple[str, str]], made: set[str]) -> None:
    name, columns = arrivals(topic), (*compared_columns(topic), *_PLACE)
    definitions = {column: f"`{column}` {type_}" for column, type_ in columns}
    if name not in made:
        table = FACT_TABLES[topic]
        text = ",\n  ".join(definitions.values())
        run_repeatable(client, _TABLE.format(name=name, table=table, columns=text))
    else:
        for column in (each for each, _ in columns if (name, each) not in present):
            run_repeatable(
                client, f"ALTER TABLE {name} ADD COLUMN IF NOT EXISTS {definitions[column]}"
            )
    if _view(topic) not in made:
        copied = ", ".join(f"`{column}`" for column, _ in columns)
        query = f"SELECT {copied} FROM {FACT_TABLES[topic]}"  # noqa: S608 - names of our own
        made_of = f"{_view(topic)} TO {name} AS {query}"
        run_repeatable(client, f"CREATE MATERIALIZED VIEW IF NOT EXISTS {made_of}")


def _view(topic: str) -> str:
    """A name that changes with the columns that are copied."""
    names = ",".join(name for name, _ in compared_columns(topic))
    return f"{_VIEW}{FACT_TABLES[topic]}_{hashlib.sha256(names.encode()).hexdigest()[:8]}"
