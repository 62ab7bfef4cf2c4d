"""What the commands that look into ClickHouse share: rows in, tables of plain text out."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

import click
import orjson
from clickhouse_connect.driver.exceptions import ClickHouseError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mailsla.schemas.codec.identifiers import rfc3339
from mailsla.schemas.codec.printable import printable
from mailsla.sinks.clickhouse import Client, connect_reader
from mailsla.sinks.landing.faults import label
from mailsla.sinks.worker import clickhouse_settings
from mailsla.streams.cli.support.errors import CommandError
from mailsla.streams.settings import ConfigurationError, Settings

WIDTH: Final = 100
"""Columns of a table where the output is no terminal."""

_NO_SUCH_TABLE: Final = frozenset({60, 81})

Row = dict[str, Any]


@contextmanager
def reading(settings: Settings) -> Iterator[Client]:
    """A client for queries.

    Raises:
        ConfigurationError: no ClickHouse answers, or it refuses the user.
        CommandError: the schema is missing, or the query failed otherwise.

    """
    try:
        client = connect_reader(clickhouse_settings(settings))
    except ClickHouseError as error:
        raise ConfigurationError(
            f"no use of ClickHouse at {settings.clickhouse} ({label(error)}); start one with: "
            "mailsla up, or set MAILSLA_CLICKHOUSE, _CLICKHOUSE_USER and _CLICKHOUSE_PASSWORD"
        ) from None
    try:
        yield client
    except ClickHouseError as error:
        if getattr(error, "code", None) in _NO_SUCH_TABLE:
            raise CommandError(
                f"the schema in {settings.clickhouse_database} is missing or too old; "
                "run mailsla migrate"
            ) from None
        raise CommandError(
            f"ClickHouse could not answer ({label(error)}); see mailsla doctor, then try again"
        ) from None
    finally:
        client.close()


def rows(settings: Settings, sql: str, parameters: Mapping[str, Any]) -> list[Row]:
    """The rows of a query with server-side parameters; raises as `reading`."""
    with reading(settings) as client:
        return list(client.query(sql, parameters=dict(parameters)).named_results())


def show_table(table: Table) -> None:
    """Print a table: as wide as the terminal, else `WIDTH`."""
    console = Console(highlight=False)
    Console(highlight=False, width=console.width if console.is_terminal else WIDTH).print(table)


def show_json(value: object) -> None:
    """Print JSON; times in UTC as RFC 3339."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z
    click.echo(orjson.dumps(value, default=str, option=options))


def show_numbers(value: object) -> None:
    """Print JSON with decimals as numbers: exact as stored, nearest double on the way out."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z
    click.echo(orjson.dumps(value, default=_number, option=options))


def _number(value: object) -> float | int:
    number = float(str(value))
    return int(number) if number.is_integer() else number


def cell(value: object) -> Text:
    """A value as text of a table; what a producer wrote cannot steer the terminal."""
    if value is None:
        return Text("-")
    text = rfc3339(value) if isinstance(value, datetime) else str(value)
    return Text(printable(text, keep=""))
