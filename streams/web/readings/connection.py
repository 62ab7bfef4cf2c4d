"""One connection for one page, and why there may be none."""

from typing import Any, Final, TypeVar

from clickhouse_connect.driver.exceptions import ClickHouseError

from mailsla.sinks.clickhouse import ClickHouseSettings, Client, connect_reader

CONNECT_S: Final = 2.0
ANSWER_S: Final = 3.0
_NO_SCHEMA: Final = frozenset({47, 60, 81})
"""Codes for an unknown column, table or database."""
_REFUSED_USER: Final = frozenset({164, 192, 193, 194, 497, 516})


class Unavailable(Exception):  # noqa: N818 - a state of the server, which the page tells
    """ClickHouse cannot be read; the message is one sentence with the remedy."""


class Connection:
    """A client for one page; failures come out as `Unavailable`."""

    def __init__(self, settings: ClickHouseSettings) -> None:
        self._settings = settings
        self._client: Client = None

    def __enter__(self) -> Client:
        try:
            self._client = connect_reader(self._settings)
        except (ClickHouseError, OSError) as error:
            raise self._explained(error) from None
        return self._client

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._client.close()
        if isinstance(error, ClickHouseError | OSError):
            raise self._explained(error) from None

    def _explained(self, error: Exception) -> Unavailable:
        code = getattr(error, "code", None)
        if code in _NO_SCHEMA:
            return Unavailable("ClickHouse lacks tables of this release; run mailsla migrate.")
        if code in _REFUSED_USER:
            return Unavailable(
                "ClickHouse refuses the configured user; check MAILSLA_CLICKHOUSE_USER, "
                "its password and its right to SELECT."
            )
        if isinstance(code, int):
            return Unavailable(f"ClickHouse failed with code {code}; look into its log.")
        return Unavailable(
            f"ClickHouse does not answer at {self._settings.url}; "
            "see whether it runs, or set MAILSLA_CLICKHOUSE."
        )


Row = TypeVar("Row")


def rows(client: Client, kind: type[Row], sql: str, **parameters: Any) -> list[Row]:
    """What a query answers, a dataclass for each row."""
    return [kind(**row) for row in client.query(sql, parameters=parameters).named_results()]
