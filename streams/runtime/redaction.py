"""Keeps secrets out of logs, whoever writes them.

Client libraries log their options, passwords among them, at level DEBUG; an exception may quote
what it was given. So every line is looked through once it is put together.
"""

import base64
import logging
from collections.abc import Iterable
from typing import Final

from pydantic import SecretStr

from mailsla.streams.settings import Settings

_SHORTEST: Final = 4
"""Replacing shorter ones would make a riddle of every line; `doctor` says that they are weak."""
_INSTEAD: Final = "(secret)"


class RedactingFormatter(logging.Formatter):
    """Formats by another formatter, then blots out every secret."""

    def __init__(self, inner: logging.Formatter, secrets: Iterable[str]) -> None:
        super().__init__()
        self._inner = inner
        # The longest first: one secret may be part of another.
        self._secrets = sorted(set(secrets), key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        """The line without secrets."""
        line = self._inner.format(record)
        for secret in self._secrets:
            line = line.replace(secret, _INSTEAD)
        return line


def redact_logs(settings: Settings) -> None:
    """Blot the secrets of these settings out of everything the root logger's handlers write."""
    secrets = list(_spellings(settings))
    for handler in logging.getLogger().handlers:
        inner = handler.formatter or logging.Formatter()
        handler.setFormatter(RedactingFormatter(inner, secrets))


def _spellings(settings: Settings) -> Iterable[str]:
    """Each secret as it is, as Python shows it, and as HTTP sends it."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if not isinstance(value, SecretStr):
            continue
        secret = value.get_secret_value()
        if len(secret) < _SHORTEST:
            continue
        yield secret
        yield repr(secret)[1:-1]
        user = getattr(settings, name.replace("password", "user"), None)
        if user:
            yield base64.b64encode(f"{user}:{secret}".encode()).decode()
