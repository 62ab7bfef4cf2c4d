"""Connections to ClickHouse over HTTP: settings, and the one place that makes a client.

Traps of the client library that this module keeps away from everyone else:

- A client with a session runs one query at a time and fails the second: sessions are off, so one
  client may serve several threads.
- The server may buffer inserts (`async_insert` is on by default in recent releases) and answer
  before they are durable: it is pinned off for whoever writes.
- The constructor asks for the database in its first query, which fails before `migrate` has made
  it: the database is set afterwards.
- The driver and urllib3 log every single try as a warning; who retries
  (`mailsla.sinks.landing.delivery`) logs once per change of state, so their loggers are turned down
  to errors.
- Values reach SQL only as server-side parameters, ``{name:Type}``; identifiers are constants of
  this project.
"""

import logging
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.exceptions import DatabaseError
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from mailsla.streams.settings import ConfigurationError

Client: TypeAlias = Any
"""A `clickhouse_connect` HTTP client (the library is untyped)."""

_LOUD: Final = ("clickhouse_connect.driver", "urllib3.connectionpool")
_LOST_RACE: Final = frozenset({57, 60, 218, 517})
"""TABLE_ALREADY_EXISTS, UNKNOWN_TABLE, TABLE_IS_DROPPED and CANNOT_ASSIGN_ALTER:
what a repeatable statement can still meet when another run does the same at the same instant."""
_ATTEMPTS: Final = 5
DEFAULT_PORTS: Final = {"http": 8123, "https": 8443}


class ClickHouseSettings(BaseModel):
    """Where ClickHouse is and who asks; times in seconds.

    The URL holds scheme, host and port only: credentials stand apart, so that an address can be
    printed and a password cannot leak with it.
    """

    # A refused value may hold a password: it must not come back in the error's text.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: str = "http://127.0.0.1:8123"
    database: str = Field(default="mailsla", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")
    user: str = "default"
    password: SecretStr = SecretStr("")
    ca_file: str | None = None
    connect_timeout_s: float = Field(default=5.0, gt=0)
    timeout_s: float = Field(default=120.0, gt=0)

    @field_validator("url")
    @classmethod
    def _plain_address(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            port = parts.port
        except ValueError:
            raise ValueError(
                "the ClickHouse URL is malformed; write it like http://127.0.0.1:8123"
            ) from None
        if "@" in parts.netloc:
            raise ValueError(
                "the ClickHouse URL holds credentials; give the user and the password apart"
            )
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname or port == 0:
            raise ValueError(
                "the ClickHouse URL needs http:// or https:// and a host; "
                "write it like http://127.0.0.1:8123"
            )
        if parts.query or parts.fragment or parts.path not in {"", "/"}:
            raise ValueError("the ClickHouse URL ends after host and port; name the database apart")
        return value.rstrip("/")

    @property
    def address(self) -> tuple[str, str, int]:
        """Scheme, host and port."""
        parts = urlsplit(self.url)
        return parts.scheme, parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]


def connect(settings: ClickHouseSettings) -> Client:
    """A client that may write; inserts are durable when they return.

    Raises:
        clickhouse_connect.driver.exceptions.Error: the server cannot be reached or refuses the
            user; `mailsla.sinks.landing.faults` tells which of them pass by themselves.
        ConfigurationError: the file of trusted authorities is not there.

    """
    return _client(settings, {"async_insert": 0, "wait_end_of_query": 1})


def connect_reader(settings: ClickHouseSettings) -> Client:
    """A client that only reads, for users who may not change any server setting."""
    return _client(settings, {})


def _client(settings: ClickHouseSettings, server_settings: dict[str, int]) -> Client:
    scheme, host, port = settings.address
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.ERROR)
    if settings.ca_file is not None and not Path(settings.ca_file).is_file():
        raise ConfigurationError(
            f"MAILSLA_CLICKHOUSE_CA_FILE names {settings.ca_file}, which is no readable file"
        )
    client = clickhouse_connect.get_client(
        interface=scheme,
        host=host,
        port=port,
        username=settings.user,
        password=settings.password.get_secret_value(),
        connect_timeout=settings.connect_timeout_s,
        send_receive_timeout=settings.timeout_s,
        ca_cert=settings.ca_file,
        settings=server_settings,
        autogenerate_session_id=False,
        tz_mode="aware",
        # Loopback and data-centre links are faster than compressing on the worker's only core.
        compress=False,
        client_name="mailsla",
    )
    client.database = settings.database
    return client


def run_repeatable(client: Client, statement: str) -> None:
    """Run one repeatable statement, again where another run got between."""
    for left in reversed(range(_ATTEMPTS)):
        try:
            client.command(statement)
        except DatabaseError as error:
            if error.code not in _LOST_RACE or not left:
                raise
        else:
            return
