"""What the commands that look into ClickHouse share: queries in, rows out."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from clickhouse_connect.driver.exceptions import ClickHouseError

from mailsla.sinks.clickhouse import Client, connect_reader
from mailsla.sinks.landing.faults import label
from mailsla.sinks.worker import clickhouse_settings
from mailsla.streams.cli.support.errors import CommandError
from mailsla.streams.settings import ConfigurationError, Settings

_NO_SUCH_TABLE: Final = frozenset({60, 81})

Row = dict[str, Any]
"""Column → value; its columns are those that the query names."""


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
