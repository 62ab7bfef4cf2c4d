"""What the commands that look into ClickHouse show: tables of plain text, and JSON."""

from datetime import datetime
from typing import Final

import click
import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mailsla.schemas.codec.identifiers import rfc3339
from mailsla.schemas.codec.printable import printable

WIDTH: Final = 100
"""Columns of a table where the output is no terminal."""


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
