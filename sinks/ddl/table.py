"""A table as data, and the statements that make it; names and types are constants of ours."""

from dataclasses import dataclass
from typing import Final

INSTANT: Final = "DateTime64(6, 'UTC')"
NAME: Final = "LowCardinality(String)"


@dataclass(frozen=True)
class Version:
    """The expression that decides which of several rows of one identity holds: the largest."""

    type: str
    expression: str


FIRST_LANDING: Final = Version(
    "UInt64",
    "bitShiftLeft(toUInt64(8796093022207 - toUnixTimestamp64Milli(landed_at)), 20)"
    " + (1048575 - bitAnd(toUInt64(`offset`), 1048575))",
)
"""Version that falls with the landing time: the first landing of a duplicate wins for ever, so
that ``landed_at <= cutoff`` never changes its answer (closing). 2^43 ms reach into 2248."""

_OFFSET: Final = "toUInt128(`offset`)"

NEWEST_KNOWLEDGE: Final = Version(
    "UInt128", f"bitShiftLeft(toUInt128(toUnixTimestamp64Milli(as_of)), 48) + {_OFFSET}"
)
"""Version that grows with ``as_of``, event time, then with the place in the log. 48 bits hold
milliseconds of 8,900 years, and every offset."""

NEWEST_REVISION: Final = Version(
    "UInt128",
    f"bitShiftLeft(toUInt128(least(revision, 4294967295)), 96) + {NEWEST_KNOWLEDGE.expression}",
)
"""Version that grows with ``revision`` before all else: no clock has a say where it counts up.
32 bits of it are enough for a publication every second of a century."""

NEWEST_RECORD: Final = Version(
    "UInt128", f"bitShiftLeft(toUInt128(toUnixTimestamp64Milli(recorded_at)), 48) + {_OFFSET}"
)
"""Version that grows with the broker's time of the record, then with its place in the log. An
offset alone would lose to older rows once a topic has been made anew; a time of the producer's
would let a worker whose clock is ahead win over all others (`Topic.broker_time`)."""


@dataclass(frozen=True)
class TableColumn:
    """One column; ``default`` is a ClickHouse expression the server evaluates at insert."""

    name: str
    type: str
    default: str | None = None

    @property
    def codec(self) -> str:
        """Compression: neighbouring instants and offsets differ little."""
        if "DateTime64" in self.type or self.name == "offset":
            return "CODEC(Delta(8), ZSTD(1))"
        return "CODEC(ZSTD(1))"

    @property
    def definition(self) -> str:
        """The column as it stands in CREATE and ALTER."""
        default = "" if self.default is None else f" DEFAULT {self.default}"
        return f"`{self.name}` {self.type}{default} {self.codec}"


@dataclass(frozen=True)
class Table:
    """A `ReplacingMergeTree(_version)` whose sorting key is the identity of a row.

    ``order_by`` and ``partition_by`` are expressions. Whatever ``partition_by`` computes must
    stand in ``order_by`` too: otherwise duplicates in two partitions never meet, or (in servers
    that take care of it) every query with FINAL has to read all partitions.
    """

    name: str
    comment: str
    columns: tuple[TableColumn, ...]
    order_by: tuple[str, ...]
    partition_by: str | None = None

    @property
    def create(self) -> str:
        """CREATE TABLE, repeatable."""
        columns = ",\n  ".join(column.definition for column in self.columns)
        partition = "" if self.partition_by is None else f"PARTITION BY {self.partition_by}\n"
        return (
            f"CREATE TABLE IF NOT EXISTS {self.name} (\n  {columns}\n)\n"
            f"ENGINE = ReplacingMergeTree(_version)\n{partition}"
            f"ORDER BY ({', '.join(self.order_by)})\n"
            f"COMMENT '{self.comment}'"
        )

    def add(self, column: TableColumn) -> str:
        """ALTER TABLE that adds one column, repeatable."""
        return f"ALTER TABLE {self.name} ADD COLUMN IF NOT EXISTS {column.definition}"

    def widen(self, column: TableColumn) -> str:
        """ALTER TABLE that lets one column be null, repeatable."""
        return f"ALTER TABLE {self.name} MODIFY COLUMN {column.definition}"


def landing_columns(version: Version) -> tuple[TableColumn, ...]:
    """When a row landed and where in Kafka it came from; ``version`` is one of the above.

    ``landed_at`` is the server's own clock at the insert, so that all workers agree.
    """
    return (
        TableColumn("landed_at", INSTANT, "now64(6)"),
        TableColumn("topic", NAME),
        TableColumn("partition", "Int32"),
        TableColumn("offset", "Int64"),
        TableColumn("_version", version.type, version.expression),
    )
