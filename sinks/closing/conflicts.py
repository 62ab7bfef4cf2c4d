"""Finds events that came again under their (``source``, ``id``) with other content.

The first that landed counts, whatever the other says, be it of another tenant, month or type
(contract section 2, architecture decision 4). What is found stands in ``conflict_log``; the views
``counted_*`` leave it out. What contradicts an event landed after it, so a row once found is left
out at every cutoff at which it could be seen.
"""

from typing import Final

from mailsla.schemas.topics import MTA
from mailsla.sinks.clickhouse import Client
from mailsla.sinks.ddl import FACT_TABLES
from mailsla.sinks.ddl.arrivals import arrivals, compared_columns
from mailsla.streams.metrics.names import CONFLICTS

_FACTS_A_SECOND: Final = 200_000
"""The live views wait a second for so many facts that a search has to look at: they spend a small
part of the server's time. A closing always looks."""
_SEARCHED_EVERY_S: Final = 10, 600
"""How long they wait at least, and at most."""
_OVERLAP_US: Final = 900 * 1_000_000
"""An INSERT may show its rows so long after the instant at which they landed."""

_SETTINGS: Final = {
    # What does not fit spills to disk instead of failing.
    "max_bytes_before_external_group_by": 700_000_000,
    "max_execution_time": 0,
}
_IDENTITY: Final = "sipHash64(source, id)"
_MTA_CONTENT: Final = """cityHash64(
    tenant_id, direction, message_id, recipient, type, toUnixTimestamp64Micro(time),
    toUnixTimestamp64Micro(coalesce(accepted_at, time)), coalesce(attempt, 1),
    coalesce(toString(liability), '')
  )"""
"""Of mail: values that mean the same are the same, such as no attempt and the first."""

_LANDED: Final = """(
    SELECT {columns}, landed_at, `partition`, `offset` FROM {table}
    UNION ALL
    SELECT {columns}, landed_at, `partition`, `offset` FROM {arrivals}
  )"""
"""The facts, and once more those of the last day: so also what has been merged away since."""
_CANDIDATES: Final = """
SELECT {identity} AS identity
FROM {landed}
WHERE landed_at <= fromUnixTimestamp64Micro({{until:Int64}}, 'UTC') {fresh}
GROUP BY identity
HAVING min({content}) != max({content})
"""
_FRESH: Final = """AND identity IN (
    SELECT {identity}
    FROM {landed}
    WHERE landed_at > fromUnixTimestamp64Micro({{after:Int64}}, 'UTC')
      AND landed_at <= fromUnixTimestamp64Micro({{until:Int64}}, 'UTC')
  )"""
_NOTE: Final = """
INSERT INTO conflict_log
SELECT
  '{topic}', tenant_id, source, id, type, time, `partition`, `offset`, landed_at,
  first_tenant_id, first_landed_at,
  arrayFilter((name, one, other) -> one != other, {names}, contents, first_contents) AS fields
FROM (
  SELECT
    tenant_id, source, id, type, time, `partition`, `offset`, landed_at,
    {contents} AS contents,
    first_value(contents) OVER earliest AS first_contents,
    first_value(tenant_id) OVER earliest AS first_tenant_id,
    first_value(landed_at) OVER earliest AS first_landed_at
  FROM {landed}
  WHERE landed_at <= fromUnixTimestamp64Micro({{until:Int64}}, 'UTC')
    AND {identity} IN ({candidates})
  WINDOW earliest AS (PARTITION BY source, id ORDER BY landed_at, `partition`, `offset`)
)
WHERE notEmpty(fields)
"""


def note_conflicts(client: Client, until_us: int) -> None:
    """Note every conflict among the facts that had landed by ``until_us``.

    Compares what has landed since the last call with everything before it, and costs one pass over
    the identities of each fact table. What is found for the first time is counted in the metric
    ``mailsla_conflicting_events``.
    """
    (searched_us,) = client.query("SELECT max(until_us) FROM conflict_scans").result_rows[0]
    if searched_us >= until_us:
        return
    parameters = {"until": until_us, "after": max(0, searched_us - _OVERLAP_US)}
    known = _noted(client)
    for topic in FACT_TABLES:
        candidates = _candidates(topic, searched_us > 0)
        counted = client.query(
            f"SELECT count() FROM ({candidates})",  # noqa: S608 - our own tables and columns
            parameters=parameters,
            settings=_SETTINGS,
        )
        if counted.result_rows[0][0]:
            client.command(_note(topic, candidates), parameters=parameters, settings=_SETTINGS)
    for topic, count in _noted(client).items():
        CONFLICTS.labels(topic).inc(max(0, count - known.get(topic, 0)))
    client.insert("conflict_scans", [[until_us]], column_names=["until_us"])


def note_conflicts_now_and_then(client: Client, now_us: int) -> None:
    """`note_conflicts`, unless it was done a short while ago; the more facts, the longer."""
    (searched_us,) = client.query("SELECT max(until_us) FROM conflict_scans").result_rows[0]
    (facts,) = client.query(
        "SELECT sum(total_rows) FROM system.tables"
        " WHERE database = currentDatabase() AND name IN {tables:Array(String)}",
        parameters={"tables": list(FACT_TABLES.values())},
    ).result_rows[0]
    least, most = _SEARCHED_EVERY_S
    if now_us - searched_us >= min(max(least, (facts or 0) // _FACTS_A_SECOND), most) * 1_000_000:
        note_conflicts(client, now_us)


def _noted(client: Client) -> dict[str, int]:
    """How many conflicts are known, by topic; one that is found again is no other."""
    query = "SELECT topic, count() FROM conflict_log FINAL GROUP BY topic"
    return dict(client.query(query).result_rows)


def _candidates(topic: str, searched_before: bool) -> str:
    """A query for the identities under which different contents have come."""
    parts = {"landed": _landed(topic), "identity": _IDENTITY, "content": _content(topic)}
    fresh = _FRESH.format(**parts) if searched_before else ""
    return _CANDIDATES.format(**parts, fresh=fresh)


def _note(topic: str, candidates: str) -> str:
    names = [name for name, _ in compared_columns(topic) if name not in {"source", "id"}]
    contents = ", ".join(f"ifNull(toString(`{name}`), '')" for name in names)
    return _NOTE.format(
        topic=topic,
        landed=_landed(topic),
        identity=_IDENTITY,
        names="[" + ", ".join(f"'{name}'" for name in names) + "]",
        contents=f"[{contents}]",
        candidates=candidates,
    )


def _landed(topic: str) -> str:
    columns = ", ".join(f"`{name}`" for name, _ in compared_columns(topic))
    return _LANDED.format(columns=columns, table=FACT_TABLES[topic], arrivals=arrivals(topic))


def _content(topic: str) -> str:
    """An expression that differs where two events differ in what counts."""
    if topic == MTA.name:
        return _MTA_CONTENT
    names = ", ".join(f"`{name}`" for name, _ in compared_columns(topic))
    return f"cityHash64(toString(({names})))"
