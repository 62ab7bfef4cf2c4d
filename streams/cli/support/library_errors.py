"""What a library says when a server is away or refuses, as one sentence with the remedy."""

import logging
from typing import Final

from mailsla.streams.cli.support.errors import CommandError
from mailsla.streams.settings import ConfigurationError

_CHATTY: Final = ("aiokafka", "kafka", "clickhouse_connect", "urllib3", "asyncio", "faust", "mode")
"""Loggers that tell of lost connections what the command itself says in a sentence."""
_NO_SCHEMA: Final = frozenset({47, 60, 81})
"""ClickHouse's codes for an unknown column, table or database."""


def hush() -> None:
    """Keep the libraries' chatter out of a command's output; warnings of our own stay."""
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def explained(error: Exception) -> Exception | None:
    """The sentence for an error of a client library; None for any other error."""
    from aiokafka.errors import KafkaError as AioKafkaError
    from clickhouse_connect.driver.exceptions import ClickHouseError
    from kafka.errors import KafkaError

    if isinstance(error, ClickHouseError):
        return _of_clickhouse(error)
    if isinstance(error, KafkaError | AioKafkaError):
        return ConfigurationError(
            f"the Kafka broker does not answer ({type(error).__name__}); "
            "start one with: mailsla up, or set MAILSLA_KAFKA"
        )
    return None


def _of_clickhouse(error: Exception) -> Exception:
    from mailsla.sinks.landing.faults import label

    code = getattr(error, "code", None)
    if code in _NO_SCHEMA:
        return CommandError("the ClickHouse schema is missing or too old; run mailsla migrate")
    if isinstance(code, int):
        return CommandError(
            f"ClickHouse could not answer ({label(error)}); see mailsla doctor, then try again"
        )
    return ConfigurationError(
        f"no use of ClickHouse ({label(error)}); start one with: mailsla up, "
        "or set MAILSLA_CLICKHOUSE, _CLICKHOUSE_USER and _CLICKHOUSE_PASSWORD"
    )
