"""Who emits events, and who has gone silent or is late; events that contradict earlier ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from mailsla.sinks.clickhouse import Client
from mailsla.sinks.ddl import FACT_TABLES
from mailsla.streams.web.readings.connection import rows

SHOWN: Final = 200

_ONE: Final = """
  SELECT '{topic}' AS topic, toString(source) AS source, max(f.time) AS last,
    countIf(f.time > now() - INTERVAL 1 DAY) AS of_a_day,
    quantileIf(0.99)(
      dateDiff('millisecond', f.time, landed_at) / 1000, f.time > now() - INTERVAL 1 DAY
    ) AS late
  FROM {table} AS f
  WHERE f.time > now() - INTERVAL 7 DAY {recent}
  GROUP BY source
"""
_RECENT: Final = "AND coalesce(accepted_at, f.time) > now() - INTERVAL 14 DAY"
"""Keeps to the newest partitions of the one table that has any."""
_SOURCES: Final = """
WITH progress AS (
  SELECT assumeNotNull(of) AS source, max(time) AS progress
  FROM ops_events
  WHERE type = 'source.progress' AND time > now() - INTERVAL 7 DAY
  GROUP BY source
)
SELECT s.topic AS topic, s.source AS source, s.last AS last,
  if(p.source = '', NULL, p.progress) AS progress, s.of_a_day AS of_a_day,
  ifNotFinite(s.late, 0) AS late_s, now64(6) AS now
FROM ({every}) AS s
LEFT JOIN progress AS p ON s.source = p.source
ORDER BY greatest(s.last, p.progress), topic, source
LIMIT {{rows:UInt32}}
"""
_CONFLICTS: Final = """
SELECT topic, toString(tenant_id) AS tenant_id, toString(source) AS source, id, type, landed_at,
  arrayStringConcat(arrayMap(one -> toString(one), fields), ', ') AS fields
FROM conflicts
ORDER BY landed_at DESC, source, id
LIMIT {rows:UInt32}
"""


@dataclass(frozen=True)
class EventSource:
    """A source of a topic in the last week; ``late_s``: 99 of 100 events of a day land by then."""

    topic: str
    source: str
    last: datetime
    progress: datetime | None
    """Up to when it has said to have published everything; None: it says nothing of it."""
    of_a_day: int
    late_s: float
    now: datetime

    @property
    def silent_for(self) -> timedelta:
        """Since its last event, or since what it has said to be complete."""
        known = self.last if self.progress is None else max(self.last, self.progress)
        return max(timedelta(), self.now - known)


@dataclass(frozen=True)
class Conflict:
    """An event that came again with other content; it does not count."""

    topic: str
    tenant_id: str
    source: str
    id: str
    type: str
    landed_at: datetime
    fields: str


@dataclass(frozen=True)
class Feeding:
    """How events come in."""

    sources: Sequence[EventSource]
    conflicts: Sequence[Conflict]


def feeding(client: Client) -> Feeding:
    """The sources, the longest silent first, and the newest conflicts."""
    every = " UNION ALL ".join(
        _ONE.format(topic=topic, table=table, recent=_RECENT if table == "mta_events" else "")
        for topic, table in FACT_TABLES.items()
    )
    # Tables and topics are constants.
    return Feeding(
        rows(client, EventSource, _SOURCES.format(every=every), rows=SHOWN),
        rows(client, Conflict, _CONFLICTS, rows=SHOWN),
    )
