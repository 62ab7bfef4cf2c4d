"""Dead letters as they lie in ClickHouse: which are chosen, and how they are read in blocks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import click

from mailsla.streams.cli.support.clickhouse_reading import Row, reading, rows
from mailsla.streams.cli.support.ops_events import INSTANT
from mailsla.streams.settings import Settings

Place = tuple[str, int, int]
"""Topic, partition and offset of the record that was refused."""

_AT_ONCE: Final = 1_000
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
_END: Final = datetime(2200, 1, 1, tzinfo=UTC)
# The tenant is what the refused bytes say, as far as they are JSON at all.
_CHOSEN: Final = """
FROM dead_letters FINAL
WHERE ({topic:String} = '' OR topic = {topic:String})
  AND positionCaseInsensitiveUTF8(reason, {reason:String}) > 0
  AND ({tenant:String} = ''
    OR JSONExtractString(tryBase64Decode(value_b64), 'tenant_id') = {tenant:String})
  AND received_at >= {since:DateTime64(6, 'UTC')} AND received_at < {until:DateTime64(6, 'UTC')}
"""
_COLUMNS: Final = "topic, partition, offset, reason, field, received_at, value_b64"
_AT_PLACE: Final = """
SELECT topic, partition, offset, reason, field, received_at, value_b64
FROM dead_letters FINAL
WHERE topic = {topic:String} AND partition = {partition:Int32} AND offset = {offset:Int64}
ORDER BY received_at
"""

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Choice:
    """Which dead letters: of a topic, with a text in the reason, of a tenant, between two times."""

    topic: str = ""
    reason: str = ""
    tenant: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def parameters(self) -> dict[str, Any]:
        """The same as parameters of `_CHOSEN`."""
        return {
            "topic": self.topic,
            "reason": self.reason,
            "tenant": self.tenant,
            "since": self.since or _BEGINNING,
            "until": self.until or _END,
        }


def choice_options(function: F) -> F:
    """The options of a `Choice`: ``topic``, ``reason``, ``tenant``, ``since``, ``until``."""
    for option in (
        click.option("--until", type=INSTANT, help="Only those received before."),
        click.option("--since", type=INSTANT, help="Only those received at or after."),
        click.option("--tenant", default="", help="Only whose bytes name this tenant."),
        click.option("--reason", default="", help="Only with this text in the reason."),
        click.option("--topic", default="", help="Only of this topic."),
    ):
        function = option(function)
    return function


def latest(settings: Settings, choice: Choice, limit: int) -> tuple[list[Row], int]:
    """The latest of the chosen, latest first, and how many there are in all."""
    parameters = {**choice.parameters(), "limit": limit}
    found = rows(
        settings,
        f"SELECT {_COLUMNS} {_CHOSEN} ORDER BY received_at DESC, topic, partition, offset DESC"
        " LIMIT {limit:UInt32}",
        parameters,
    )
    total = rows(settings, f"SELECT count() AS total {_CHOSEN}", parameters)[0]["total"]
    return found, int(total)


def summary(settings: Settings, choice: Choice) -> list[Row]:
    """How many of each topic, field and kind of reason, the most frequent first."""
    return rows(
        settings,
        "SELECT topic, field, any(reason) AS such_as, count() AS records,"
        f" min(received_at) AS first, max(received_at) AS last {_CHOSEN}"
        " GROUP BY topic, field, extract(reason, '^[^:;0-9]*') ORDER BY records DESC, topic, field",
        choice.parameters(),
    )


def at_place(settings: Settings, place: Place) -> list[Row]:
    """The dead letters of one place: several where the topic was made anew in between."""
    topic, partition, offset = place
    return rows(
        settings,
        _AT_PLACE,
        {"topic": topic, "partition": partition, "offset": offset},
    )


def with_contract(settings: Settings) -> frozenset[str]:
    """The tenants that a contract names."""
    found = rows(settings, "SELECT DISTINCT tenant_id FROM contracts", {})
    return frozenset(row["tenant_id"] for row in found)


def blocks(settings: Settings, choice: Choice, wanted: set[Place]) -> Iterator[list[Row]]:
    """The chosen, or those at the wanted places, with their bytes, in the order of the log."""
    sql = (
        "SELECT topic, partition, offset, reason, value_b64, cityHash64(value_b64) AS bytes "
        f"{_CHOSEN} AND ({{all:Bool}} OR concat(topic, '/', toString(partition), '/',"
        " toString(offset)) IN {places:Array(String)})"
        " AND (topic, partition, offset, bytes) >"
        " ({t:String}, {p:Int32}, {o:Int64}, {b:UInt64})"
        " ORDER BY topic, partition, offset, bytes LIMIT {limit:UInt32}"
    )
    parameters: dict[str, Any] = {
        **choice.parameters(),
        "all": not wanted,
        "places": ["/".join(map(str, place)) for place in wanted],
        "limit": _AT_ONCE,
    }
    after: tuple[str, int, int, int] = ("", -1, -1, 0)
    with reading(settings) as client:
        while True:
            cursor = dict(zip("tpob", after, strict=True))
            block = list(client.query(sql, parameters=parameters | cursor).named_results())
            if not block:
                return
            yield block
            last = block[-1]
            after = (last["topic"], last["partition"], last["offset"], last["bytes"])
