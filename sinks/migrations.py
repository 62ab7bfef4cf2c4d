"""Creates and upgrades the ClickHouse schema: repeatable, versioned, safe when two run at once.

First the tables derived from the models: made when missing, given the columns a model has
gained. Then the numbered files of ``sinks/ddl`` in order, each remembered in `schema_migrations`
with the checksum of its text. There is no lock: every statement is *repeatable* (checked when
the files are read), so two runs at once, or one after a crash, end in the same schema.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from mailsla.sinks.clickhouse import Client, run_repeatable
from mailsla.sinks.ddl import DERIVED_TABLES, Table
from mailsla.sinks.ddl.comments import TABLES, column_comments

_LEDGER: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations (
  version UInt32,
  name String,
  checksum String,
  applied_at DateTime64(6, 'UTC') DEFAULT now64(6)
) ENGINE = MergeTree ORDER BY (version, applied_at)
COMMENT 'Which numbered schema files were applied; two runs at once may both have noted one'
"""

_FILE_NAME: Final = re.compile(r"^(\d{4})_([a-z0-9_]+)\.sql$")
_PIECE: Final = re.compile(
    r"--[^\n]*|/\*.*?\*/|'(?:[^'\\]|\\.|'')*'|`[^`]*`|\"[^\"]*\"|;|[^-/'`\";]+|.", re.DOTALL
)
_REPEATABLE: Final = re.compile(
    r"CREATE\s+OR\s+REPLACE\s"
    r"|CREATE\s+(?:MATERIALIZED\s+)?[A-Z]+\s+IF\s+NOT\s+EXISTS\s"
    r"|DROP\s+[A-Z]+\s+IF\s+EXISTS\s"
    r"|ALTER\s+TABLE\s+\S+\s+(?:ADD\s+\w+\s+IF\s+NOT\s+EXISTS|DROP\s+\w+\s+IF\s+EXISTS|MODIFY|UPDATE|MATERIALIZE)\s",
    re.IGNORECASE,
)


class MigrationError(Exception):
    """The schema cannot be brought up to date: one sentence with the remedy."""


@dataclass(frozen=True)
class Migration:
    """One numbered file."""

    version: int
    name: str
    text: str

    @property
    def label(self) -> str:
        """The name as it is reported: ``0001_exclusions``."""
        return f"{self.version:04d}_{self.name}"

    @property
    def checksum(self) -> str:
        """SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @cached_property
    def statements(self) -> tuple[str, ...]:
        """The statements, without comments; `MigrationError` where one is not repeatable."""
        found = split_statements(self.text)
        for statement in found:
            if not _REPEATABLE.match(statement):
                raise MigrationError(
                    f"{self.label}.sql holds a statement that cannot be repeated "
                    f"({statement[:60]!r}); write IF NOT EXISTS, IF EXISTS or OR REPLACE."
                )
        return found


def split_statements(text: str) -> tuple[str, ...]:
    """Statements of an SQL script, without comments and final semicolons."""
    statements: list[str] = []
    current: list[str] = []
    for piece in (match.group() for match in _PIECE.finditer(text)):
        if piece == ";":
            statements.append("".join(current).strip())
            current = []
        elif piece.startswith(("--", "/*")):
            current.append(" ")
        else:
            current.append(piece)
    statements.append("".join(current).strip())
    return tuple(statement for statement in statements if statement)


def read_migrations(folder: Traversable | None = None) -> tuple[Migration, ...]:
    """The numbered files of ``folder`` (default: ``sinks/ddl``) in order.

    Raises:
        MigrationError: two files share a number, or a file is named otherwise.

    """
    found: dict[int, Migration] = {}
    for entry in (folder or files("mailsla.sinks.ddl")).iterdir():
        if not entry.name.endswith(".sql"):
            continue
        match = _FILE_NAME.match(entry.name)
        if match is None:
            raise MigrationError(f"{entry.name} is misnamed; call it NNNN_what_it_does.sql.")
        migration = Migration(int(match[1]), match[2], entry.read_text(encoding="utf-8"))
        if migration.version in found:
            raise MigrationError(
                f"{entry.name} and {found[migration.version].label}.sql share a number; "
                "give one of them the next free one."
            )
        found[migration.version] = migration
    return tuple(found[version] for version in sorted(found))


def migrate(
    client: Client,
    tables: Sequence[Table] = DERIVED_TABLES,
    migrations: Sequence[Migration] | None = None,
) -> list[str]:
    """Bring the client's database up to date; what was done, in order (empty: nothing to do).

    Raises:
        MigrationError: an applied file was changed, the database is newer than this program, or
            a column has another type than its model.

    """
    known = read_migrations() if migrations is None else tuple(migrations)
    done = _make_database(client)
    run_repeatable(client, _LEDGER)
    pending = _pending(client, known)
    for table in tables:
        done += _derive(client, table)
    for migration in pending:
        for statement in migration.statements:
            run_repeatable(client, statement)
        client.insert(
            "schema_migrations",
            [[migration.version, migration.name, migration.checksum]],
            column_names=["version", "name", "checksum"],
        )
        done.append(f"applied {migration.label}")
    _explain_columns(client)
    return done


def _explain_columns(client: Client) -> None:
    """Give the columns the comments of this release, where they have others."""
    rows = client.query(
        "SELECT table, name, comment FROM system.columns WHERE database = {database:String}"
        " AND table IN {tables:Array(String)}",
        parameters={"database": client.database, "tables": list(TABLES)},
    ).result_rows
    changes: dict[str, list[str]] = {}
    for table, column, comment in rows:
        words = column_comments(table).get(column, comment)
        if words != comment:
            text = words.replace("\\", "\\\\").replace("'", "\\'")
            changes.setdefault(table, []).append(f"COMMENT COLUMN IF EXISTS `{column}` '{text}'")
    for table, parts in changes.items():
        run_repeatable(client, f"ALTER TABLE {table} {', '.join(parts)}")


def _make_database(client: Client) -> list[str]:
    """Make the database where it is missing; asks first, so that no right to make it is needed."""
    name = {"name": client.database}
    sql = "SELECT count() FROM system.databases WHERE name = {name:String}"
    if client.command(sql, parameters=name, use_database=False):
        return []
    client.command(
        "CREATE DATABASE IF NOT EXISTS {name:Identifier}", parameters=name, use_database=False
    )
    return [f"created database {client.database}"]


def _pending(client: Client, known: Sequence[Migration]) -> list[Migration]:
    """The files not yet applied; refuses a changed file and a newer database."""
    rows = client.query(
        "SELECT version, argMin(name, applied_at), argMin(checksum, applied_at)"
        " FROM schema_migrations GROUP BY version ORDER BY version"
    ).result_rows
    by_version = {migration.version: migration for migration in known}
    for version, name, checksum in rows:
        migration = by_version.get(version)
        if migration is None:
            raise MigrationError(
                f"The database {client.database} has migration {version:04d}_{name}, which this "
                "program does not know; install the release that wrote it, or a newer one."
            )
        if migration.checksum != checksum:
            raise MigrationError(
                f"{migration.label}.sql was changed after it had been applied; restore it and "
                "put the change into a new file with the next number."
            )
    applied = {version for version, _, _ in rows}
    return [migration for migration in known if migration.version not in applied]


def _derive(client: Client, table: Table) -> list[str]:
    """Make one derived table, or give it what its model has gained."""
    present = _columns(client, table.name)
    if not present:
        run_repeatable(client, table.create)
        return [f"created table {table.name}"]
    done: list[str] = []
    for column in table.columns:
        type_ = present.get(column.name)
        if type_ is None:
            run_repeatable(client, table.add(column))
            done.append(f"added column {table.name}.{column.name}")
        elif type_ != column.type and not _holds(type_, column.type):
            if not _holds(column.type, type_):
                raise MigrationError(
                    f"Column {table.name}.{column.name} is {type_} in the database and "
                    f"{column.type} in this program; convert it by hand, then migrate again."
                )
            run_repeatable(client, table.widen(column))
            done.append(f"widened column {table.name}.{column.name} to {column.type}")
    return done


def _holds(wide: str, narrow: str) -> bool:
    """Whether ``wide`` is ``narrow`` that may also be null, or with more bits."""
    if (wide, narrow) == ("UInt128", "UInt64"):
        return True
    return wide in {
        f"Nullable({narrow})",
        narrow.replace("LowCardinality(String)", "LowCardinality(Nullable(String))"),
    }


def _columns(client: Client, table: str) -> Mapping[str, str]:
    """Name → type of the table's columns; empty when there is no such table."""
    rows = client.query(
        "SELECT name, type FROM system.columns"
        " WHERE database = {database:String} AND table = {table:String}",
        parameters={"database": client.database, "table": table},
    ).result_rows
    return dict(rows)
